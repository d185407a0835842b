/**
 * Types of the HTTP API, after docs/api/contract.md.
 * This file is the only place that spells them out; it gives way to types generated from docs/api/openapi.yaml.
 */

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  instance?: string;
  code?: string;
  hint?: string;
  errors?: { location?: string; message?: string; value?: unknown }[];
  retry_after_ms?: number;
}

export interface Session {
  user: string;
  csrf_token: string;
  expires_at: string;
}

export interface SystemWarning {
  code: string;
  message: string;
  hint?: string;
}

export interface System {
  version: string;
  commit: string;
  started_at: string;
  uptime_seconds: number;
  mode: "all-in-one" | "cluster";
  time_zone: string;
  disk: {
    path: string;
    total_bytes: number;
    used_bytes: number;
    free_bytes: number;
    used_ratio: number;
    state: "ok" | "warn" | "full";
    message?: string;
  };
  engine: { version: string; ready: boolean; address: string; memory_bytes: number };
  bus: { ready: boolean; stream_bytes: number; stream_max_bytes: number };
  retention: { signal: string; days: number }[];
  storage: { signal: string; table: string; rows: number; disk_bytes: number; raw_bytes: number }[];
  warnings: SystemWarning[];
}

export interface Sender {
  protocol: string;
  title: string;
  endpoint: string;
  snippet: string;
  snippet_language: string;
  docs: string;
  waiting: boolean;
  first_seen?: string;
  last_seen?: string;
  accepted: number;
}

export interface LedgerEntry {
  source: string;
  protocol: string;
  signal: string;
  sent?: number;
  accepted: number;
  stored: number;
  dead_letter: number;
  in_stream: number;
  rejected: { reason: string; count: number }[];
  last_received_at?: string;
  lag_ms: number;
  balanced: boolean;
}

export interface StreamState {
  stream: string;
  signal: string;
  first_seq: number;
  last_seq: number;
  ack_floor: number;
  pending_messages: number;
  pending_items: number;
  bytes: number;
  oldest_ms: number;
}

export interface Ledger {
  items: LedgerEntry[];
  streams: StreamState[];
  balanced: boolean;
  checked_at: string;
}

export interface DeadLetter {
  seq: number;
  signal: string;
  source: string;
  reason: string;
  received_at: string;
  size_bytes: number;
  items: number;
}

export interface Columns {
  t: number[];
  v: (number | null)[];
}

export interface Host {
  id: string;
  name: string;
  os: string;
  kernel: string;
  arch: string;
  cpus: number;
  memory_bytes: number;
  boot_time?: string;
  addresses: string[];
  cloud?: { provider?: string; region?: string; instance_id?: string };
  agent_version?: string;
  last_seen: string;
  up: boolean;
  cpu_ratio?: number;
  memory_ratio?: number;
  disk_ratio?: number;
  load1?: number;
  network_bytes_per_second?: number;
  sparkline?: Columns;
}

export interface Filesystem {
  mountpoint: string;
  device: string;
  type: string;
  total_bytes: number;
  used_ratio: number;
  inodes_used_ratio?: number;
}

export interface Disk {
  name: string;
  size_bytes: number;
  model?: string;
  rotational: boolean;
  read_bytes_per_second: number;
  write_bytes_per_second: number;
  busy_ratio: number;
}

export interface NetworkInterface {
  name: string;
  addresses: string[];
  receive_bytes_per_second: number;
  transmit_bytes_per_second: number;
  errors_per_second: number;
}

export interface HostDetail extends Host {
  filesystems: Filesystem[];
  disks: Disk[];
  interfaces: NetworkInterface[];
  attributes: Record<string, unknown>;
}

export interface Process {
  pid: number;
  name: string;
  command: string;
  user: string;
  cpu_ratio: number;
  memory_bytes: number;
  threads: number;
  started_at?: string;
  id: string;
}

export interface Service {
  name: string;
  instances: number;
  requests_per_second?: number;
  error_ratio?: number;
  p50_ms?: number;
  p95_ms?: number;
  last_seen: string;
  signals: string[];
}

/** A kind of log line. */
export interface LogPattern {
  id: string;
  service: string;
  template: string;
  severity: number;
  lines: number;
  lines_before: number;
  change?: number;
  first_seen: string;
  last_seen: string;
  new: boolean;
  v: number[];
}

export interface LogPatterns {
  t: number[];
  step_ms: number;
  items: LogPattern[];
  warnings?: string[];
}

export type Attributes = Record<string, unknown>;

export interface LogRecord {
  id: string;
  time: string;
  time_ns?: number | string;
  severity: number;
  severity_text: string;
  service: string;
  host: string;
  body: string;
  attributes: Attributes;
  resource: Attributes;
  trace_id?: string;
  span_id?: string;
  shape?: string | number;
}

export interface QueryStats {
  rows_read: number;
  bytes_read: number;
  elapsed_ms: number;
}

export interface LogPage {
  items: LogRecord[];
  next_cursor?: string;
  stats?: QueryStats;
  warnings?: string[];
}

export interface LogHistogram {
  t: number[];
  step_ms: number;
  series: { severity_text: string; v: number[] }[];
  total: number;
}

export interface FacetValue {
  value: string;
  count: number;
}

export interface LogFacets {
  service: FacetValue[];
  host: FacetValue[];
  severity_text: FacetValue[];
}

export interface TraceSummary {
  trace_id: string;
  root_service: string;
  root_operation: string;
  start: string;
  start_ns?: number | string;
  duration_ms: number;
  spans: number;
  services: string[];
  errors: number;
}

export interface SpanEvent {
  time_ns: number | string;
  name: string;
  attributes: Attributes;
}

export interface Span {
  span_id: string;
  parent_span_id?: string;
  service: string;
  host?: string;
  name: string;
  kind: string;
  start_ns: number | string;
  duration_ns: number | string;
  status: string;
  status_message?: string;
  attributes: Attributes;
  resource: Attributes;
  events: SpanEvent[];
  links: { trace_id: string; span_id: string; attributes: Attributes }[];
}

export interface Trace {
  trace_id: string;
  start_ns: number | string;
  duration_ns: number | string;
  services: string[];
  spans: Span[];
  warnings?: string[];
}

export interface Page<T> {
  items: T[];
  next_cursor?: string;
  warnings?: string[];
}

export interface WindowQuery {
  start?: string;
  end?: string;
}

export interface LogFilter extends WindowQuery {
  query?: string;
  service?: string[];
  host?: string[];
  severity_min?: string;
  trace_id?: string;
}

export interface TraceFilter extends WindowQuery {
  service?: string;
  operation?: string;
  status?: string;
  min_duration?: string;
  max_duration?: string;
  limit?: number;
  cursor?: string;
}

/** Each GET route with its query and its answer. */
export type IncidentState = "open" | "quiet" | "resolved" | "merged";
export type IncidentSeverity = "critical" | "high" | "medium" | "low";
export type FeedbackKind = "confirm" | "reject" | "not_related" | "expected" | "mute";

export interface Entity {
  kind: string;
  name: string;
}

export interface PersonAct {
  at: string;
  who: string;
  text: string;
}

/** An incident in one line. */
export interface IncidentBrief {
  id: string;
  state: IncidentState;
  severity: IncidentSeverity;
  title: string;
  start: string;
  detected: string;
  updated: string;
  quiet?: string;
  end?: string;
  paged?: string;
  cause?: { entity: Entity; signal?: string; change_id?: string; kind: string; confidence: number; why: string };
  unknown: boolean;
  sentence: string;
  entities: Entity[];
  entity_count: number;
  member_count: number;
  open_count: number;
  acknowledged?: PersonAct;
  assignee?: string;
  merged_into?: string;
  comment_count: number;
  confirmed: number;
  rejected: number;
}

export interface Evidence {
  text: string;
  finding_id?: string;
  entity?: Entity;
  language: string;
  query: string;
  start: string;
  end: string;
  data: Columns;
  low: number | null;
  high: number | null;
}

export interface SignalRef {
  series_id?: string;
  name: string;
  labels: Record<string, string>;
  role: string;
  unit: string;
}

export interface Candidate {
  entity: Entity;
  signal?: SignalRef;
  change_id?: string;
  kind: string;
  onset: string;
  score: number;
  confidence: number;
  for: Evidence[];
  against: Evidence[];
  why: string;
}

export interface Verdict {
  at?: string;
  candidates: Candidate[];
  unknown: boolean;
  checked: string[];
  first_failure: Evidence[];
  impact: Evidence[];
  sentence: string;
}

export interface IncidentMember {
  finding_id: string;
  entity: Entity;
  name: string;
  joined: string;
  reason: string;
  open: boolean;
  times: number;
  folded: string[];
  held?: string;
}

export interface Feedback {
  id: string;
  kind: FeedbackKind;
  target: string;
  at: string;
  who: string;
  text: string;
  until?: string;
  revoked?: string;
}

export interface Incident
  extends Omit<
    IncidentBrief,
    "cause" | "unknown" | "sentence" | "entity_count" | "comment_count" | "confirmed" | "rejected"
  > {
  members: IncidentMember[];
  verdict: Verdict;
  split_from?: string;
  resolution?: string;
  comments: PersonAct[];
  feedback: Feedback[];
  history: { at: string; text: string }[];
}

export type TimelineKind =
  | "finding"
  | "finding_end"
  | "change"
  | "known"
  | "comment"
  | "acknowledged"
  | "feedback"
  | "feedback_revoked"
  | "command";

export interface TimelineEntry {
  time: string;
  kind: TimelineKind;
  title: string;
  text: string;
  who?: string;
  entity?: Entity;
  finding_id?: string;
  change_id?: string;
  cause: boolean;
  url?: string;
  refused?: boolean;
}

export interface Brain {
  healthy: boolean;
  message: string;
  checked_at?: string;
  lag_ms: number;
  series: number;
  unwatched: number;
  entities: number;
  templates: number;
  memory_bytes: number;
  samples_per_second: number;
  decisions_per_second: number;
  open_incidents: number;
  judged: { days: number; right: number; wrong: number; total: number; precision: number | null };
}

/** What became of a request to act. */
export interface CommandAnswer {
  status: "applied" | "queued";
  command_id: string;
  feedback_id?: string;
  incident_id?: string;
  incident?: IncidentBrief;
}

export type IncidentFilter = WindowQuery & {
  state?: string;
  severity?: string;
  service?: string;
  host?: string;
  entity?: string;
  assignee?: string;
  q?: string;
  limit?: number;
  cursor?: string;
};

export interface GetRoutes {
  "/api/v1/session": { query: never; answer: Session };
  "/api/v1/system": { query: never; answer: System };
  "/api/v1/senders": { query: never; answer: { items: Sender[] } };
  "/api/v1/ledger": { query: WindowQuery; answer: Ledger };
  "/api/v1/dead-letters": { query: { limit?: number; cursor?: string }; answer: Page<DeadLetter> };
  "/api/v1/hosts": { query: WindowQuery; answer: { items: Host[]; warnings?: string[] } };
  "/api/v1/hosts/{id}": { query: WindowQuery; answer: HostDetail };
  "/api/v1/hosts/{id}/processes": { query: never; answer: { items: Process[]; collected_at?: string } };
  "/api/v1/log-patterns": {
    query: WindowQuery & { service?: string; q?: string; kind?: string; buckets?: number; limit?: number };
    answer: LogPatterns;
  };
  "/api/v1/services": { query: WindowQuery; answer: { items: Service[]; warnings?: string[] } };
  "/api/v1/logs": { query: LogFilter & { limit?: number; cursor?: string; direction?: string }; answer: LogPage };
  "/api/v1/logs/histogram": { query: LogFilter & { buckets?: number }; answer: LogHistogram };
  "/api/v1/logs/facets": { query: LogFilter; answer: LogFacets };
  "/api/v1/incidents": { query: IncidentFilter; answer: Page<IncidentBrief> };
  "/api/v1/incidents/{id}": { query: never; answer: Incident };
  "/api/v1/incidents/{id}/timeline": { query: never; answer: { items: TimelineEntry[]; warnings?: string[] } };
  "/api/v1/brain": { query: never; answer: Brain };
  "/api/v1/traces": { query: TraceFilter; answer: Page<TraceSummary> };
  "/api/v1/traces/{id}": { query: never; answer: Trace };
}
