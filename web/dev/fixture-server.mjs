// A stand-in for the query API while the console is developed and tested: docs/api/contract.md with made-up data.
// Edge states are chosen when starting: FIXTURE=disk-warn,disk-full,warning,unreachable,errors,empty,partial,slow,waiting,agent-waits,limited,unbalanced.
// A running server can be switched: POST /fixture?set=disk-full,partial (test only; the real server has no such route).
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as data from "./data.mjs";
import * as incidents from "./incidents.mjs";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const password = "fixture";
const csrf = "fixture-csrf";
const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".json": "application/json",
};
// The policy that the real server is meant to send: the console must work under it.
const policy =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

class Problem extends Error {
  constructor(status, code, detail, hint, extra = {}) {
    super(detail);
    this.body = {
      type: `https://faultline.io/errors/${code}`,
      title: code.replaceAll("_", " "),
      status,
      detail,
      hint,
      code,
      instance: "01JFIXTURE0000000000000000",
      ...extra,
    };
  }
}

export function startFixture({ port = 0, flags = [], now = () => Date.now() } = {}) {
  const state = {
    flags: new Set(flags),
    startedAt: now(),
    failures: 0,
    replayed: new Set(),
    now,
    incidents: incidents.makeIncidents(now()),
    readers: new Set(),
  };
  const server = createServer((req, res) => handle(state, req, res).catch((error) => sendError(res, error)));
  return new Promise((resolve) =>
    server.listen(port, "127.0.0.1", () =>
      resolve({ server, state, url: `http://127.0.0.1:${server.address().port}`, password }),
    ),
  );
}

function sendError(res, error) {
  const body = error.body ?? { status: 500, code: "internal", title: "internal", detail: String(error.stack ?? error) };
  if (res.headersSent) return res.end();
  const headers = { "Content-Type": "application/problem+json" };
  if (body.retry_after_ms) headers["Retry-After"] = String(Math.ceil(body.retry_after_ms / 1000));
  res.writeHead(body.status, headers).end(JSON.stringify(body));
}

function json(res, value, status = 200, headers = {}) {
  res
    .writeHead(status, { "Content-Type": "application/json", ...headers })
    .end(value === undefined ? "" : JSON.stringify(value));
}

async function bodyOf(req) {
  let text = "";
  for await (const chunk of req) text += chunk;
  return text;
}

async function handle(state, req, res) {
  const url = new URL(req.url, "http://fixture");
  const path = url.pathname;
  if (path === "/fixture" && req.method === "POST") {
    state.flags = new Set((url.searchParams.get("set") ?? "").split(",").filter(Boolean));
    return json(res, { flags: [...state.flags] });
  }
  if (path === "/-/healthy") return json(res, {});
  if (!path.startsWith("/api/")) return asset(res, path);
  if (state.flags.has("unreachable")) return req.socket.destroy();
  if (state.flags.has("slow")) await new Promise((r) => setTimeout(r, 1200));
  if (path === "/api/v1/session") return session(state, req, res);
  if (!/faultline_session=ok/.test(req.headers.cookie ?? ""))
    throw new Problem(401, "unauthenticated", "Sign in first.");
  if (req.method !== "GET" && req.headers["x-faultline-csrf"] !== csrf)
    throw new Problem(403, "csrf", "The CSRF header is missing.");
  if (state.flags.has("errors") && path !== "/api/v1/system")
    throw new Problem(
      503,
      "store_unavailable",
      "The storage engine is not answering.",
      "It is restarted by itself; see the log of the server.",
    );
  return api(state, req, res, url);
}

async function session(state, req, res) {
  const session = { user: "admin", csrf_token: csrf, expires_at: new Date(state.now() + 86_400_000).toISOString() };
  if (req.method === "POST") {
    const { user, password: given } = JSON.parse((await bodyOf(req)) || "{}");
    if (state.failures >= 5 || state.flags.has("limited"))
      throw new Problem(429, "too_many_attempts", "Too many failed attempts.", "Wait and try again.", {
        retry_after_ms: 4000,
      });
    if (user !== "admin" || given !== password) {
      state.failures++;
      throw new Problem(401, "bad_credentials", "User or password is wrong.");
    }
    state.failures = 0;
    return json(res, session, 200, { "Set-Cookie": "faultline_session=ok; HttpOnly; SameSite=Lax; Path=/" });
  }
  if (req.method === "DELETE")
    return json(res, undefined, 204, { "Set-Cookie": "faultline_session=; Max-Age=0; Path=/" });
  if (!/faultline_session=ok/.test(req.headers.cookie ?? ""))
    throw new Problem(401, "unauthenticated", "Sign in first.");
  return json(res, session);
}

function timeOf(text, now, otherwise) {
  if (!text) return otherwise;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const m = /^now(?:-(\d+)([smhd]))?$/.exec(text);
  if (m) return now - Number(m[1] ?? 0) * { s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[m[2] ?? "s"];
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new Problem(400, "bad_time", `"${text}" is not a time.`, "Use RFC 3339, Unix seconds or now-1h.");
  return ms;
}

async function api(state, req, res, url) {
  const now = state.now();
  const q = url.searchParams;
  const empty = state.flags.has("empty");
  const warnings = state.flags.has("partial")
    ? ["The newest 40 s are not yet stored; 2 of 16 shards did not answer."]
    : [];
  const w = { start: timeOf(q.get("start"), now, now - 3_600_000), end: timeOf(q.get("end"), now, now) };
  const path = url.pathname;
  const list = (items) => (empty ? [] : items);
  const m = /^\/api\/v1\/(hosts|traces|dead-letters|label)\/([^/]+)(?:\/(\w+))?$/.exec(path);

  if (path === "/api/v1/brain" || path.startsWith("/api/v1/incidents")) {
    return incidentsApi(state, req, res, path, q, warnings);
  }
  switch (path) {
    case "/api/v1/system":
      return json(res, system(state, now));
    case "/api/v1/senders":
      return json(res, { items: senders(state, now) });
    case "/api/v1/ledger":
      return json(res, ledger(state, now, empty));
    case "/api/v1/dead-letters":
      return json(res, { items: list(deadLetters(now).filter((d) => !state.replayed.has(d.seq))) });
    case "/api/v1/hosts":
      return json(res, { items: list(data.hosts(now)), warnings });
    case "/api/v1/log-patterns":
      return json(res, { ...logPatterns(w, q.get("kind"), empty), warnings });
    case "/api/v1/services":
      return json(res, { items: list(serviceList(now)), warnings });
    case "/api/v1/logs":
      return json(res, { ...logs(q, w, empty), warnings });
    case "/api/v1/logs/histogram":
      return json(res, histogram(q, w, empty));
    case "/api/v1/logs/facets":
      return json(res, facets(q, w, empty));
    case "/api/v1/logs/tail":
      return tail(state, req, res, q);
    case "/api/v1/traces":
      return json(res, { ...traces(q, w, empty), warnings });
    case "/api/v1/query_range":
    case "/api/v1/query":
      return prom(req, res, q, w, empty, warnings);
    case "/api/v1/labels":
      return json(res, { status: "success", data: ["__name__", "host_id", "host_name", "cpu_mode"] });
    case "/api/v1/series":
      return json(res, { status: "success", data: data.metricNames.map((__name__) => ({ __name__ })) });
    case "/api/v1/metadata":
      return json(res, {
        status: "success",
        data: Object.fromEntries(
          data.metricNames.map((n) => [n, [{ type: n.endsWith("_total") ? "counter" : "gauge", help: "", unit: "" }]]),
        ),
      });
    case "/api/v1/status/buildinfo":
      return json(res, { status: "success", data: { version: "3.0.0" } });
    case "/api/v1/status/flags":
      return json(res, { status: "success", data: {} });
  }
  if (m?.[1] === "label")
    return json(res, {
      status: "success",
      data: m[2] === "__name__" ? list(data.metricNames) : data.hosts(now).map((h) => h.name),
    });
  if (m?.[1] === "hosts") {
    const host = data.hosts(now).find((h) => h.id === decodeURIComponent(m[2]));
    if (!host) throw new Problem(404, "host_not_found", `No host ${m[2]}.`);
    if (m[3] === "processes")
      return json(res, { items: list(data.processes(now)), collected_at: new Date(now - 4000).toISOString() });
    return json(res, data.hostDetail(host));
  }
  if (m?.[1] === "traces") {
    if (m[2].startsWith("00000000")) throw new Problem(404, "trace_not_found", `No span of trace ${m[2]} is stored.`);
    const made = data.trace(m[2], now, m[2].startsWith("b16") ? 5000 : 14);
    if (m[2].startsWith("0ff")) made.spans.shift();
    return json(res, { ...made, warnings });
  }
  if (m?.[1] === "dead-letters" && m[3] === "replay" && req.method === "POST") {
    state.replayed.add(Number(m[2]));
    return json(res, undefined, 202);
  }
  throw new Problem(404, "not_found", `There is no ${path}.`);
}

async function incidentsApi(state, req, res, path, q, warnings) {
  const now = state.now();
  const empty = state.flags.has("empty");
  if (path === "/api/v1/brain") {
    const asleep = state.flags.has("no-brain");
    return json(res, {
      healthy: !asleep,
      message: asleep ? "Nothing watches telemetry for incidents: no process of the correlator has spoken yet." : "",
      ...(asleep ? {} : { checked_at: new Date(now - 26_000).toISOString() }),
      lag_ms: 26_000,
      series: asleep ? 0 : 18_412,
      unwatched: 0,
      entities: 41,
      templates: 377,
      memory_bytes: 21_000_000,
      samples_per_second: 1_240,
      decisions_per_second: 1_240,
      open_incidents: 2,
      judged: { days: 90, right: 11, wrong: 1, total: 19, precision: 11 / 12 },
      processes: [],
    });
  }
  if (path === "/api/v1/incidents/stream") {
    res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    res.write(": open\n\n");
    state.readers.add(res);
    req.on("close", () => state.readers.delete(res));
    return;
  }
  if (path === "/api/v1/incidents") {
    const states = (q.get("state") ?? "open,quiet,resolved").split(",");
    const text = (q.get("q") ?? "").toLowerCase();
    const items = (empty || state.flags.has("no-brain") ? [] : state.incidents).filter(
      (i) =>
        states.includes(i.state) &&
        (!q.get("severity") || i.severity === q.get("severity")) &&
        (!q.get("assignee") || i.assignee === q.get("assignee")) &&
        (!q.get("entity") || i.entities.some((e) => `${e.kind}:${e.name}` === q.get("entity"))) &&
        `${i.id} ${i.title} ${i.verdict.sentence}`.toLowerCase().includes(text),
    );
    return json(res, { items: items.map(incidents.brief), warnings });
  }
  const [, id, rest = "", feedback] = /^\/api\/v1\/incidents\/([^/]+)(?:\/([^/]+)(?:\/([^/]+))?)?$/.exec(path) ?? [];
  const found = state.incidents.find((i) => i.id === id);
  if (!found) throw new Problem(404, "not_found", `there is no incident ${id}`, "list them with GET /api/v1/incidents");
  if (req.method === "GET") {
    if (rest === "timeline") return json(res, incidents.timeline(found, now));
    const { verdict, members, comments, feedback: judged, history } = found;
    return json(res, { ...incidents.brief(found), verdict, members, comments, feedback: judged, history });
  }
  let answer;
  if (req.method === "DELETE" && rest === "feedback") {
    const f = found.feedback.find((x) => x.id === feedback);
    if (!f) throw new Problem(404, "not_found", "there is no such judgement");
    f.revoked = new Date(now).toISOString();
    answer = { status: "applied", command_id: `r${feedback}`, incident_id: id };
  } else {
    answer = incidents.apply(found, rest, JSON.parse((await bodyOf(req)) || "{}"), now);
    if (!answer) throw new Problem(404, "not_found", `There is no ${path}.`);
  }
  if (state.flags.has("brain-away")) return json(res, { ...answer, status: "queued", incident: undefined }, 202);
  for (const r of state.readers) r.write(`event: incident\ndata: ${JSON.stringify(incidents.brief(found))}\n\n`);
  return json(res, answer);
}

function system(state, now) {
  const used = state.flags.has("disk-full") ? 0.93 : state.flags.has("disk-warn") ? 0.84 : 0.41;
  const total = 468 * 1024 ** 3;
  const table = (signal, name, rows, disk, raw) => ({ signal, table: name, rows, disk_bytes: disk, raw_bytes: raw });
  return {
    version: "0.1.0-fixture",
    commit: "daf143a0c1",
    started_at: new Date(state.startedAt).toISOString(),
    uptime_seconds: (now - state.startedAt) / 1000 + 93_000,
    mode: "all-in-one",
    time_zone: "UTC",
    disk: {
      path: "/var/lib/faultline",
      total_bytes: total,
      used_bytes: total * used,
      free_bytes: total * (1 - used),
      used_ratio: used,
      state: used > 0.9 ? "full" : used > 0.8 ? "warn" : "ok",
      message:
        used > 0.9
          ? "The disk is 93 % full: the oldest partitions are being dropped."
          : used > 0.8
            ? "The disk is 84 % full; at 90 % the oldest data is dropped."
            : "",
    },
    engine: { version: "26.7.1.1", ready: true, address: "127.0.0.1:9123", memory_bytes: 311_000_000 },
    bus: { ready: true, stream_bytes: 18_400_000, stream_max_bytes: 4 * 1024 ** 3 },
    retention: [
      { signal: "metrics", days: 90 },
      { signal: "logs", days: 30 },
      { signal: "spans", days: 14 },
    ],
    storage: [
      table("metrics", "samples", 812_441_902, 640_112_000, 12_900_000_000),
      table("metrics", "series", 184_112, 9_220_000, 61_000_000),
      table("metrics", "samples_5m", 16_248_838, 88_000_000, 710_000_000),
      table("logs", "logs", 94_221_008, 2_140_000_000, 19_400_000_000),
      table("spans", "spans", 31_440_210, 1_020_000_000, 9_800_000_000),
    ],
    warnings: state.flags.has("warning")
      ? [
          {
            code: "clock_skew",
            message: "The clock of web-ams-01 is 94 s ahead.",
            hint: "Check its time synchronisation.",
          },
        ]
      : [],
  };
}

function senders(state, now) {
  const at = (ms) => new Date(now - ms).toISOString();
  const make = (protocol, title, endpoint, snippet, language, waiting, accepted) => ({
    protocol,
    title,
    endpoint,
    snippet,
    snippet_language: language,
    docs: "",
    waiting,
    accepted,
    ...(waiting ? {} : { first_seen: at(86_400_000), last_seen: at(1_500) }),
  });
  const fresh = state.flags.has("waiting");
  const agentWaits = state.flags.has("agent-waits");
  return [
    make(
      "otlp_grpc",
      "OTLP over gRPC",
      "127.0.0.1:4317",
      "export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317\nexport OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
      "sh",
      fresh,
      812_441,
    ),
    make(
      "otlp_http",
      "OTLP over HTTP",
      "http://127.0.0.1:4318",
      "export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318",
      "sh",
      fresh,
      91_022,
    ),
    make(
      "agent",
      "Faultline agent on this host",
      "http://127.0.0.1:4318",
      "faultline agent --gateway http://127.0.0.1:4318",
      "sh",
      agentWaits,
      12_003,
    ),
    make(
      "remote_write",
      "Prometheus remote write",
      "http://127.0.0.1:8080/api/v1/write",
      "remote_write:\n  - url: http://127.0.0.1:8080/api/v1/write",
      "yaml",
      true,
      0,
    ),
    make(
      "loki",
      "Loki push (Promtail, Alloy, Vector)",
      "http://127.0.0.1:8080/loki/api/v1/push",
      "clients:\n  - url: http://127.0.0.1:8080/loki/api/v1/push",
      "yaml",
      true,
      0,
    ),
    make(
      "scrape",
      "Prometheus scraping",
      "scrape.yml",
      "scrape_configs:\n  - job_name: node\n    static_configs:\n      - targets: [localhost:9100]",
      "yaml",
      true,
      0,
    ),
  ];
}

function ledger(state, now, empty) {
  const unbalanced = state.flags.has("unbalanced");
  const row = (source, protocol, signal, accepted, extra = {}) => ({
    source,
    protocol,
    signal,
    accepted,
    stored: accepted - 1200,
    dead_letter: 0,
    in_stream: 1200,
    rejected: [],
    last_received_at: new Date(now - 1800).toISOString(),
    lag_ms: 640,
    balanced: true,
    ...extra,
  });
  const items = empty
    ? []
    : [
        row("forge", "agent", "metrics", 4_120_400, { sent: 4_120_400 }),
        row("forge", "agent", "logs", 88_010, { sent: 88_010 }),
        row("checkout", "otlp_grpc", "spans", 31_440_210, { rejected: [{ reason: "future_timestamp", count: 412 }] }),
        row("prom-fra", "remote_write", "metrics", 812_441_902, {
          rejected: [
            { reason: "label_too_long", count: 31 },
            { reason: "series_limit", count: 12_004 },
          ],
          lag_ms: 92_000,
        }),
        row("vector", "loki", "logs", 94_221_008, { dead_letter: 2_400, stored: 94_217_408, balanced: true }),
      ];
  if (unbalanced && items[2]) Object.assign(items[2], { balanced: false, stored: items[2].stored - 310 });
  const stream = (name, signal, pending) => ({
    stream: name,
    signal,
    first_seq: 88_000,
    last_seq: 91_240,
    ack_floor: 91_240 - pending,
    pending_messages: pending,
    pending_items: pending * 1200,
    bytes: pending * 610_000,
    oldest_ms: pending ? 640 : 0,
  });
  return {
    items,
    streams: empty
      ? []
      : [
          stream("TELEMETRY_METRICS", "metrics", 3),
          stream("TELEMETRY_LOGS", "logs", 1),
          stream("TELEMETRY_SPANS", "spans", 0),
        ],
    balanced: !unbalanced,
    checked_at: new Date(now - 900).toISOString(),
  };
}

function deadLetters(now) {
  return [
    {
      seq: 41,
      signal: "logs",
      source: "vector",
      reason: "insert refused: attribute depth over 32",
      received_at: new Date(now - 3_100_000).toISOString(),
      size_bytes: 611_233,
      items: 1200,
    },
    {
      seq: 42,
      signal: "logs",
      source: "vector",
      reason: "insert refused: attribute depth over 32",
      received_at: new Date(now - 3_090_000).toISOString(),
      size_bytes: 609_120,
      items: 1200,
    },
  ];
}

const templates = [
  ["gateway", "request <quoted> finished with status <num> in <duration> for client <ip>", 9, 0.04],
  ["checkout", "payment of order <*> refused: <*>", 17, 3.2],
  ["postgres", "checkpoint complete: wrote <num> buffers in <duration>", 9, -0.5],
  ["payments", "retry <num> of <num> after timeout of <duration>", 13, undefined],
];

function logPatterns(w, kind, empty) {
  const step = 60_000;
  const t = [];
  for (let at = Math.floor(w.start / step) * step; at < w.end; at += step) t.push(at);
  const items = templates.map(([service, template, severity, change], i) => {
    const v = t.map((_, j) => data.hash(`${service}${j}`) % (40 - 8 * i));
    const lines = v.reduce((a, b) => a + b, 0);
    const fresh = change === undefined;
    return {
      id: (i + 1).toString(16).padStart(16, "0"),
      service,
      template,
      severity,
      lines,
      lines_before: fresh ? 0 : Math.round(lines / (1 + change)),
      change,
      first_seen: new Date(fresh ? w.end - 600_000 : w.start - 864e5).toISOString(),
      last_seen: new Date(w.end - 1000).toISOString(),
      new: fresh,
      v,
    };
  });
  const wanted = items.filter(
    (p) =>
      !kind ||
      kind === "all" ||
      (kind === "new" && p.new) ||
      (kind === "more" && p.change >= 1) ||
      (kind === "less" && p.change <= -0.5),
  );
  return { t, step_ms: step, items: empty ? [] : wanted };
}

function serviceList(now) {
  return data.services.map((name) => ({
    name,
    instances: 1 + (data.hash(name) % 4),
    requests_per_second: name === "postgres" ? undefined : 4 + (data.hash(`${name}r`) % 400),
    error_ratio: name === "postgres" ? undefined : name === "payments" ? 0.071 : name === "cart" ? 0.016 : 0.0004,
    p50_ms: name === "postgres" ? undefined : 4 + (data.hash(`${name}5`) % 40),
    p95_ms: name === "postgres" ? undefined : 40 + (data.hash(`${name}9`) % 900),
    last_seen: new Date(now - 3000).toISOString(),
    signals: name === "postgres" ? ["logs", "metrics"] : ["metrics", "logs", "spans"],
  }));
}

const severityMin = { trace: 1, debug: 5, info: 9, warn: 13, error: 17, fatal: 21 };

function logFilter(q) {
  const words = [...(q.get("query") ?? "").matchAll(/(-?)(?:"([^"]*)"|(\S+))/g)].map((x) => ({
    not: x[1] === "-",
    text: (x[2] ?? x[3]).toLowerCase(),
  }));
  const services = q.getAll("service");
  const hosts = q.getAll("host");
  const min = q.get("severity_min");
  const trace = q.get("trace_id");
  if (min && !(min in severityMin))
    throw new Problem(422, "validation", "severity_min is not a severity.", undefined, {
      errors: [
        { location: "query.severity_min", message: "one of trace, debug, info, warn, error, fatal", value: min },
      ],
    });
  return (l) =>
    words.every((x) => l.body.toLowerCase().includes(x.text) !== x.not) &&
    (services.length === 0 || services.includes(l.service)) &&
    (hosts.length === 0 || hosts.includes(l.host)) &&
    (!min || l.severity >= severityMin[min]) &&
    (!trace || l.trace_id === trace);
}

function logs(q, w, empty) {
  const match = logFilter(q);
  const limit = Math.min(500, Number(q.get("limit") ?? 50));
  const items = [];
  let n = q.get("cursor") ? Number(q.get("cursor")) : Math.floor(w.end / 400) - 1;
  const first = Math.floor(w.start / 400);
  for (; n >= first && items.length < limit && !empty; n--) {
    const line = data.logLine(n);
    if (match(line)) items.push(line);
  }
  return {
    items,
    ...(n >= first && !empty ? { next_cursor: String(n) } : {}),
    stats: { rows_read: 94_000, bytes_read: 18_200_000, elapsed_ms: 14.2 },
  };
}

/** Counts from every tenth line: enough for a picture. */
function sample(q, w, empty) {
  const match = logFilter(q);
  const every = Math.max(1, Math.floor((w.end - w.start) / 400 / 6000));
  const lines = [];
  for (let n = Math.floor(w.start / 400); n < w.end / 400 && !empty; n += every) {
    const line = data.logLine(n);
    if (match(line)) lines.push(line);
  }
  return { lines, every };
}

function histogram(q, w, empty) {
  const buckets = Number(q.get("buckets") ?? 60);
  const step = Math.ceil((w.end - w.start) / buckets / 1000) * 1000;
  const t = Array.from({ length: buckets }, (_, i) => Math.floor(w.start / step) * step + i * step);
  const by = new Map();
  const { lines, every } = sample(q, w, empty);
  for (const l of lines) {
    const i = Math.floor((Date.parse(l.time) - t[0]) / step);
    if (i < 0 || i >= buckets) continue;
    if (!by.has(l.severity_text)) by.set(l.severity_text, new Array(buckets).fill(0));
    by.get(l.severity_text)[i] += every;
  }
  return {
    t,
    step_ms: step,
    series: [...by].map(([severity_text, v]) => ({ severity_text, v })),
    total: lines.length * every,
  };
}

function facets(q, w, empty) {
  const { lines, every } = sample(q, w, empty);
  const count = (key) => {
    const m = new Map();
    for (const l of lines) m.set(l[key], (m.get(l[key]) ?? 0) + every);
    return [...m].map(([value, c]) => ({ value, count: c })).sort((a, b) => b.count - a.count);
  };
  return { service: count("service"), host: count("host"), severity_text: count("severity_text") };
}

function tail(state, req, res, q) {
  const match = logFilter(q);
  res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  res.write(": open\n\n");
  let n = Math.floor(state.now() / 400);
  const timer = setInterval(() => {
    const line = { ...data.logLine(n++), time: new Date(state.now()).toISOString() };
    if (match(line)) res.write(`event: log\ndata: ${JSON.stringify(line)}\n\n`);
    if (n % 8 === 0) res.write(`event: dropped\ndata: {"count":${n % 40}}\n\n`);
  }, 150);
  req.on("close", () => clearInterval(timer));
}

function traces(q, w, empty) {
  const limit = Math.min(500, Number(q.get("limit") ?? 50));
  let n = q.get("cursor") ? Number(q.get("cursor")) : Math.floor(w.end / 5000) - 1;
  const items = [];
  for (; n * 5000 >= w.start && items.length < limit && !empty; n--) {
    const t = data.traceSummary(n);
    if (q.get("status") === "error" && t.errors === 0) continue;
    if (q.get("service") && !t.services.includes(q.get("service"))) continue;
    if (q.get("operation") && !t.root_operation.includes(q.get("operation"))) continue;
    items.push(t);
  }
  return { items, ...(n * 5000 >= w.start && !empty ? { next_cursor: String(n) } : {}) };
}

async function prom(req, res, query, w, empty, warnings) {
  const q = req.method === "POST" ? new URLSearchParams(await bodyOf(req)) : query;
  const expr = q.get("query") ?? "";
  const open = (expr.match(/\(/g) ?? []).length;
  if (expr.trim() === "" || open !== (expr.match(/\)/g) ?? []).length) {
    return json(
      res,
      {
        status: "error",
        errorType: "bad_data",
        error: `invalid parameter "query": 1:${expr.length + 1}: parse error: unclosed left parenthesis`,
      },
      400,
    );
  }
  const start = Number(q.get("start") ?? w.start / 1000);
  const end = Number(q.get("end") ?? w.end / 1000);
  const step = Number(q.get("step") ?? 15);
  const series = empty ? [] : data.promSeries(expr);
  const result = series.map((s) => {
    const values = [];
    for (let t = start; t <= end; t += step)
      values.push([
        t,
        String((s.base ?? 0) + data.noise(`${s.key ?? ""}${JSON.stringify(s.labels)}`, t * 1000) * s.scale),
      ]);
    return { metric: s.labels, values };
  });
  return json(res, {
    status: "success",
    data: { resultType: "matrix", result },
    ...(warnings.length ? { warnings } : {}),
  });
}

function asset(res, path) {
  let file = join(dist, normalize(path));
  if (!file.startsWith(dist) || path === "/" || !isFile(file)) file = join(dist, "index.html");
  const hashed = path.startsWith("/assets/");
  res.writeHead(200, {
    "Content-Type": types[extname(file)] ?? "application/octet-stream",
    "Content-Security-Policy": policy,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": hashed ? "public, max-age=31536000, immutable" : "no-cache",
  });
  res.end(readFileSync(file));
}

function isFile(path) {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const flags = (process.env.FIXTURE ?? "").split(",").filter(Boolean);
  const { url } = await startFixture({ port: Number(process.env.PORT ?? 8080), flags });
  console.log(`fixture server at ${url}, user admin, password ${password}`);
}
