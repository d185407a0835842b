import { ActionIcon, Drawer, Menu, useMantineColorScheme } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { loadPreference, savePreference } from "@/lib/storage";
import { absoluteRange, parseTime, shiftWindow, zoomOut } from "@/lib/time";
import { IconButton } from "@/ui/atoms";
import { Icon, type IconName } from "@/ui/Icon";
import { Mark, Wordmark } from "@/ui/Logo";
import { PanelBoundary } from "@/ui/Panel";
import { CommandMenu, openCommandMenu } from "./CommandMenu";
import { KeyboardHelp } from "./KeyboardHelp";
import { type KeyBinding, useKeys } from "./keys";
import { navItems, navigation } from "./nav";
import { StatusBanner } from "./StatusBanner";
import { useSignOut } from "./session";
import css from "./shell.module.css";
import { useSystem } from "./system";
import { TimePicker } from "./TimePicker";
import { useTime } from "./time";

const schemes = ["auto", "light", "dark"] as const;
const schemeIcon: Record<(typeof schemes)[number], IconName> = { auto: "auto", light: "sun", dark: "moon" };

/** Frame of all pages: navigation, time, status, keyboard. */
export function Shell({ user }: { user: string }) {
  const [narrow, setNarrow] = useState(loadPreference("nav") === "narrow");
  const [drawer, drawerControl] = useDisclosure(false);
  const [help, helpControl] = useDisclosure(false);
  const toggleNav = () => {
    savePreference("nav", narrow ? "wide" : "narrow");
    setNarrow(!narrow);
  };
  useShellKeys(helpControl.open, toggleNav);
  return (
    <div className={css.shell} data-narrow={narrow}>
      <a href="#main" className={css.skip}>
        Skip to content
      </a>
      <aside className={css.nav}>
        <Link to="/hosts" className={css.brand} aria-label="Faultline, to the hosts">
          {narrow ? <Mark size={24} /> : <Wordmark size={24} />}
        </Link>
        <NavLinks narrow={narrow} />
        <div className={css.navFoot}>
          <SystemLine narrow={narrow} />
          <IconButton icon="sidebar" label={narrow ? "Widen navigation" : "Narrow navigation"} onClick={toggleNav} />
        </div>
      </aside>
      <Drawer
        opened={drawer}
        onClose={drawerControl.close}
        size={240}
        title={<Wordmark />}
        closeButtonProps={{ "aria-label": "Close navigation" }}
      >
        <NavLinks narrow={false} onNavigate={drawerControl.close} />
      </Drawer>
      <div className={css.main}>
        <header className={css.bar}>
          <span className={css.burger}>
            <IconButton icon="menu" label="Open navigation" onClick={drawerControl.open} />
          </span>
          <button
            type="button"
            className={css.searchButton}
            onClick={openCommandMenu}
            aria-label="Go to, run… Ctrl K (command menu)"
          >
            <Icon name="search" size={14} />
            <span>Go to, run…</span>
            <kbd>Ctrl K</kbd>
          </button>
          <div className={css.barRight}>
            <TimePicker />
            <SchemeSwitch />
            <UserMenu user={user} onHelp={helpControl.open} />
          </div>
        </header>
        <StatusBanner />
        <main id="main" className={css.content} tabIndex={-1}>
          <PanelBoundary>
            <Outlet />
          </PanelBoundary>
        </main>
      </div>
      <CommandMenu onHelp={helpControl.open} />
      <KeyboardHelp opened={help} onClose={helpControl.close} />
    </div>
  );
}

function NavLinks({ narrow, onNavigate }: { narrow: boolean; onNavigate?: () => void }) {
  return (
    <nav aria-label="Main" className={css.links}>
      {navigation.map((group) => (
        <div key={group.label} className={css.group}>
          <div className={css.groupLabel} aria-hidden={narrow}>
            {narrow ? "" : group.label}
          </div>
          {group.items.map((item) => (
            <Link
              key={item.to}
              to={item.to}
              className={css.link}
              activeProps={{ "data-current": "true" }}
              title={narrow ? item.label : undefined}
              aria-label={narrow ? item.label : undefined}
              onClick={onNavigate}
            >
              <Icon name={item.icon} />
              {narrow ? null : <span>{item.label}</span>}
            </Link>
          ))}
        </div>
      ))}
    </nav>
  );
}

function SystemLine({ narrow }: { narrow: boolean }) {
  const system = useSystem();
  if (narrow || !system.data) return null;
  return (
    <span className={css.version} title={`commit ${system.data.commit}, ${system.data.mode}`}>
      {system.data.version}
    </span>
  );
}

function SchemeSwitch() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const next = schemes[(schemes.indexOf(colorScheme) + 1) % schemes.length] ?? "auto";
  return (
    <IconButton
      icon={schemeIcon[colorScheme]}
      label={`Colours: ${colorScheme}. Switch to ${next}`}
      onClick={() => setColorScheme(next)}
    />
  );
}

function UserMenu({ user, onHelp }: { user: string; onHelp: () => void }) {
  const signOut = useSignOut();
  return (
    <Menu position="bottom-end" width={200} shadow="md">
      <Menu.Target>
        <ActionIcon aria-label={`Account ${user}`} size={26} className={css.avatar}>
          {user.slice(0, 1).toUpperCase()}
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Signed in as {user}</Menu.Label>
        <Menu.Item leftSection={<Icon name="keyboard" size={14} />} onClick={onHelp}>
          Keyboard
        </Menu.Item>
        <Menu.Item leftSection={<Icon name="signOut" size={14} />} onClick={() => signOut.mutate()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function useShellKeys(openHelp: () => void, toggleNav: () => void) {
  const navigate = useNavigate();
  const { window: w, range, setRange, tick } = useTime();
  const copyRange = () => void navigator.clipboard?.writeText(JSON.stringify(absoluteRange(w)));
  const pasteRange = async () => {
    const text = await navigator.clipboard?.readText();
    const parsed: unknown = safeJson(text);
    if (typeof parsed !== "object" || parsed === null || !("from" in parsed) || !("to" in parsed)) return;
    const next = { from: String(parsed.from), to: String(parsed.to) };
    const now = Date.now();
    if (parseTime(next.from, now) !== undefined && parseTime(next.to, now) !== undefined) setRange(next);
  };
  const bindings: KeyBinding[] = [
    ...navItems.map((i) => ({ keys: i.keys, label: i.label, group: "Go to", run: () => void navigate({ to: i.to }) })),
    { keys: "mod+k", label: "Command menu", group: "Everywhere", run: openCommandMenu, whileTyping: true },
    { keys: "?", label: "This list", group: "Everywhere", run: openHelp },
    { keys: "/", label: "Search on this page", group: "Everywhere", run: focusSearch },
    { keys: "[", label: "Narrow or widen the navigation", group: "Everywhere", run: toggleNav },
    { keys: "r", label: "Refresh now", group: "Time", run: tick },
    {
      keys: "t ArrowLeft",
      label: "Half a range back",
      group: "Time",
      run: () => setRange(absoluteRange(shiftWindow(w, -1))),
    },
    {
      keys: "t ArrowRight",
      label: "Half a range forward",
      group: "Time",
      run: () => setRange(absoluteRange(shiftWindow(w, 1))),
    },
    { keys: "t z", label: "Zoom out", group: "Time", run: () => setRange(absoluteRange(zoomOut(w, Date.now()))) },
    { keys: "t c", label: "Copy the time range", group: "Time", run: copyRange },
    { keys: "t v", label: "Paste a time range", group: "Time", run: () => void pasteRange() },
    { keys: "t n", label: "Back to the last hour", group: "Time", run: () => setRange({ from: "now-1h", to: "now" }) },
  ];
  useKeys(range ? bindings : []);
}

function safeJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}

function focusSearch() {
  const field = document.querySelector<HTMLElement>(
    "[data-search] .cm-content, input[data-search], [data-search] input",
  );
  if (field) field.focus();
  else openCommandMenu();
}
