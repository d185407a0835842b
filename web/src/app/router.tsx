import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
  retainSearchParams,
} from "@tanstack/react-router";
import { flag, list, oneOf, parseSearch, stringifySearch, text } from "@/lib/search";
import { loadPreference } from "@/lib/storage";
import { NotFound } from "./NotFound";
import { Root } from "./Root";
import { defaultRefresh, refreshChoices } from "./time";

type Search = Record<string, unknown>;

const rootRoute = createRootRoute({
  component: Root,
  notFoundComponent: NotFound,
  validateSearch: (s: Search): { from?: string; to?: string; refresh?: string } => ({
    from: text(s, "from"),
    to: text(s, "to"),
    refresh: oneOf(
      s,
      "refresh",
      refreshChoices.filter((c) => c !== defaultRefresh),
    ),
  }),
  search: { middlewares: [retainSearchParams(["from", "to", "refresh"])] },
});

const home = createRoute({
  getParentRoute: () => rootRoute,
  path: "/",
  // Who has been through the first run lands on the hosts.
  beforeLoad: () => {
    throw redirect({ to: loadPreference("started") ? "/hosts" : "/start" });
  },
});

const start = createRoute({
  getParentRoute: () => rootRoute,
  path: "/start",
  component: lazyRouteComponent(() => import("@/features/start/StartPage"), "StartPage"),
});

const hosts = createRoute({
  getParentRoute: () => rootRoute,
  path: "/hosts",
  validateSearch: (s: Search): { q?: string } => ({ q: text(s, "q") }),
  component: lazyRouteComponent(() => import("@/features/hosts/HostsPage"), "HostsPage"),
});

export const hostTabs = ["charts", "processes", "filesystems", "logs", "inventory"] as const;
export type HostTab = (typeof hostTabs)[number];

const host = createRoute({
  getParentRoute: () => rootRoute,
  path: "/hosts/$hostId",
  validateSearch: (s: Search): { tab?: HostTab } => ({ tab: oneOf(s, "tab", hostTabs) }),
  component: lazyRouteComponent(() => import("@/features/hosts/HostPage"), "HostPage"),
});

const services = createRoute({
  getParentRoute: () => rootRoute,
  path: "/services",
  validateSearch: (s: Search): { q?: string } => ({ q: text(s, "q") }),
  component: lazyRouteComponent(() => import("@/features/services/ServicesPage"), "ServicesPage"),
});

export interface MetricsSearch {
  expr?: string[];
  view?: "table";
  kind?: "area" | "stack";
}

// Not /metrics: there the server shows its own figures in Prometheus' format.
const metrics = createRoute({
  getParentRoute: () => rootRoute,
  path: "/explore/metrics",
  validateSearch: (s: Search): MetricsSearch => ({
    expr: list(s, "expr"),
    view: oneOf(s, "view", ["table"]),
    kind: oneOf(s, "kind", ["area", "stack"]),
  }),
  component: lazyRouteComponent(() => import("@/features/explore/MetricsPage"), "MetricsPage"),
});

export const patternKinds = ["all", "new", "gone", "more", "less"] as const;
export type PatternKind = (typeof patternKinds)[number];

const patterns = createRoute({
  getParentRoute: () => rootRoute,
  path: "/patterns",
  validateSearch: (s: Search): { q?: string; kind?: PatternKind; service?: string } => ({
    q: text(s, "q"),
    kind: oneOf(s, "kind", patternKinds),
    service: text(s, "service"),
  }),
  component: lazyRouteComponent(() => import("@/features/patterns/PatternsPage"), "PatternsPage"),
});

export const severities = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
export type SeverityName = (typeof severities)[number];

export interface LogsSearch {
  q?: string;
  service?: string[];
  host?: string[];
  severity?: SeverityName;
  trace?: string;
  live?: boolean;
}

const logs = createRoute({
  getParentRoute: () => rootRoute,
  path: "/logs",
  validateSearch: (s: Search): LogsSearch => ({
    q: text(s, "q"),
    service: list(s, "service"),
    host: list(s, "host"),
    severity: oneOf(s, "severity", severities),
    trace: text(s, "trace"),
    live: flag(s, "live"),
  }),
  component: lazyRouteComponent(() => import("@/features/logs/LogsPage"), "LogsPage"),
});

export interface TracesSearch {
  service?: string;
  operation?: string;
  status?: "error" | "ok";
  min?: string;
  max?: string;
}

const traces = createRoute({
  getParentRoute: () => rootRoute,
  path: "/traces",
  validateSearch: (s: Search): TracesSearch => ({
    service: text(s, "service"),
    operation: text(s, "operation"),
    status: oneOf(s, "status", ["error", "ok"]),
    min: text(s, "min"),
    max: text(s, "max"),
  }),
  component: lazyRouteComponent(() => import("@/features/traces/TracesPage"), "TracesPage"),
});

const trace = createRoute({
  getParentRoute: () => rootRoute,
  path: "/traces/$traceId",
  validateSearch: (s: Search): { span?: string } => ({ span: text(s, "span") }),
  component: lazyRouteComponent(() => import("@/features/traces/TracePage"), "TracePage"),
});

export const incidentViews = ["open", "resolved", "all"] as const;
export type IncidentView = (typeof incidentViews)[number];
export const incidentSeverities = ["critical", "high", "medium", "low"] as const;

export interface IncidentsSearch {
  q?: string;
  view?: IncidentView;
  severity?: (typeof incidentSeverities)[number];
  entity?: string;
  assignee?: string;
}

const incidents = createRoute({
  getParentRoute: () => rootRoute,
  path: "/incidents",
  validateSearch: (s: Search): IncidentsSearch => ({
    q: text(s, "q"),
    view: oneOf(s, "view", incidentViews),
    severity: oneOf(s, "severity", incidentSeverities),
    entity: text(s, "entity"),
    assignee: text(s, "assignee"),
  }),
  component: lazyRouteComponent(() => import("@/features/incidents/IncidentsPage"), "IncidentsPage"),
});

export const timelineShows = ["people", "system", "changes"] as const;

export interface IncidentSearch {
  /** The candidate that is looked at, from 1. */
  cause?: string;
  show?: (typeof timelineShows)[number];
}

const incident = createRoute({
  getParentRoute: () => rootRoute,
  path: "/incidents/$id",
  validateSearch: (s: Search): IncidentSearch => ({
    cause: oneOf(s, "cause", ["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
    show: oneOf(s, "show", timelineShows),
  }),
  component: lazyRouteComponent(() => import("@/features/incidents/IncidentPage"), "IncidentPage"),
});

const ingest = createRoute({
  getParentRoute: () => rootRoute,
  path: "/ingest",
  component: lazyRouteComponent(() => import("@/features/ingest/IngestPage"), "IngestPage"),
});

const routeTree = rootRoute.addChildren([
  home,
  start,
  incidents,
  incident,
  hosts,
  host,
  services,
  metrics,
  logs,
  patterns,
  traces,
  trace,
  ingest,
]);

export const router = createRouter({
  routeTree,
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
