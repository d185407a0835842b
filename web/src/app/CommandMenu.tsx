import { useMantineColorScheme } from "@mantine/core";
import { Spotlight, type SpotlightActionGroupData, spotlight } from "@mantine/spotlight";
import { useNavigate } from "@tanstack/react-router";
import { relativePresets } from "@/lib/time";
import { Icon } from "@/ui/Icon";
import { useHosts } from "./hostnames";
import { navItems } from "./nav";
import { useSignOut } from "./session";
import { useTime } from "./time";

export function openCommandMenu() {
  spotlight.open();
}

/** Everything by name: pages, hosts, time ranges, settings. */
export function CommandMenu({ onHelp }: { onHelp: () => void }) {
  const navigate = useNavigate();
  const { setRange, setZone, zone } = useTime();
  const { setColorScheme } = useMantineColorScheme();
  const signOut = useSignOut();
  const hosts = useHosts();
  const actions: SpotlightActionGroupData[] = [
    {
      group: "Go to",
      actions: navItems.map((i) => ({
        id: i.to,
        label: i.label,
        description: i.keys,
        leftSection: <Icon name={i.icon} />,
        onClick: () => void navigate({ to: i.to }),
      })),
    },
    {
      group: "Hosts",
      actions: (hosts.data?.items ?? []).slice(0, 200).map((h) => ({
        id: `host-${h.id}`,
        label: h.name,
        description: h.os,
        leftSection: <Icon name="hosts" />,
        onClick: () => void navigate({ to: "/hosts/$hostId", params: { hostId: h.id } }),
      })),
    },
    {
      group: "Time",
      actions: [
        ...relativePresets.map((p) => ({
          id: p.from,
          label: p.label,
          leftSection: <Icon name="clock" />,
          onClick: () => setRange({ from: p.from, to: "now" }),
        })),
        {
          id: "zone",
          label: zone === "utc" ? "Show local time" : "Show UTC",
          leftSection: <Icon name="clock" />,
          onClick: () => setZone(zone === "utc" ? "local" : "utc"),
        },
      ],
    },
    {
      group: "Console",
      actions: [
        { id: "help", label: "Keyboard shortcuts", leftSection: <Icon name="keyboard" />, onClick: onHelp },
        { id: "dark", label: "Dark colours", leftSection: <Icon name="moon" />, onClick: () => setColorScheme("dark") },
        {
          id: "light",
          label: "Light colours",
          leftSection: <Icon name="sun" />,
          onClick: () => setColorScheme("light"),
        },
        {
          id: "auto",
          label: "Colours of the system",
          leftSection: <Icon name="auto" />,
          onClick: () => setColorScheme("auto"),
        },
        { id: "out", label: "Sign out", leftSection: <Icon name="signOut" />, onClick: () => signOut.mutate() },
      ],
    },
  ];
  return (
    <Spotlight
      actions={actions}
      shortcut={null}
      scrollable
      maxHeight={420}
      limit={24}
      highlightQuery={false}
      nothingFound="Nothing of that name."
      searchProps={{
        placeholder: "Go to a page or host, set the time…",
        "aria-label": "Command",
        leftSection: <Icon name="search" />,
      }}
    />
  );
}
