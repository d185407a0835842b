import type { IconName } from "@/ui/Icon";

export interface NavItem {
  to:
    | "/incidents"
    | "/hosts"
    | "/services"
    | "/explore/metrics"
    | "/logs"
    | "/patterns"
    | "/traces"
    | "/ingest"
    | "/start";
  label: string;
  icon: IconName;
  keys: string;
}

export interface NavGroup {
  label: string;
  items: readonly NavItem[];
}

/** The navigation, its command-menu entries and its go-to keys come from this one list. */
export const navigation: readonly NavGroup[] = [
  {
    label: "Watch",
    items: [{ to: "/incidents", label: "Incidents", icon: "incidents", keys: "g n" }],
  },
  {
    label: "Fleet",
    items: [
      { to: "/hosts", label: "Hosts", icon: "hosts", keys: "g h" },
      { to: "/services", label: "Services", icon: "services", keys: "g s" },
    ],
  },
  {
    label: "Explore",
    items: [
      { to: "/explore/metrics", label: "Metrics", icon: "metrics", keys: "g m" },
      { to: "/logs", label: "Logs", icon: "logs", keys: "g l" },
      { to: "/patterns", label: "Log patterns", icon: "patterns", keys: "g p" },
      { to: "/traces", label: "Traces", icon: "traces", keys: "g t" },
    ],
  },
  {
    label: "System",
    items: [
      { to: "/ingest", label: "Ingest health", icon: "ingest", keys: "g i" },
      { to: "/start", label: "Getting started", icon: "start", keys: "g w" },
    ],
  },
];

export const navItems: readonly NavItem[] = navigation.flatMap((g) => g.items);
