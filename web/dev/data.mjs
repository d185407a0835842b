// Made-up but steady data for the fixture server: every value is a function of time and a seed, so pages agree with each other.

export function hash(text) {
  let h = 2166136261;
  for (const c of String(text)) h = Math.imul(h ^ c.charCodeAt(0), 16777619);
  h ^= h >>> 15;
  h = Math.imul(h, 2246822507);
  return (h ^ (h >>> 13)) >>> 0;
}

/** Smooth noise in [0,1] that belongs to a key and a time. */
export function noise(key, ms, periodMs = 600_000) {
  const x = ms / periodMs;
  const i = Math.floor(x);
  const f = x - i;
  const at = (n) => (hash(`${key}:${n}`) % 10_000) / 10_000;
  const s = f * f * (3 - 2 * f);
  const slow = at(i) * (1 - s) + at(i + 1) * s;
  return Math.min(1, Math.max(0, slow * 0.8 + ((hash(`${key}:${Math.floor(ms / 15_000)}`) % 1000) / 1000) * 0.2));
}

const GiB = 1024 ** 3;
const hex = (text, length) =>
  (
    hash(text).toString(16).padStart(8, "0") +
    hash(`${text}!`).toString(16).padStart(8, "0") +
    hash(`${text}?`).toString(16).padStart(8, "0") +
    hash(`${text}+`).toString(16).padStart(8, "0")
  ).slice(0, length);

const hostNames = [
  "forge",
  "db-01",
  "db-02",
  "web-fra-01",
  "web-fra-02",
  "web-ams-01",
  "queue-01",
  "cache-01",
  "build-07",
];
export const services = ["checkout", "cart", "catalog", "payments", "gateway", "search", "postgres"];
export const serviceHost = (service) => hostNames[hash(service) % 8];

export function hosts(now) {
  return hostNames.map((name, i) => {
    const silent = name === "build-07";
    const seen = silent ? now - 47 * 60_000 : now - 2_000 - (hash(name) % 7_000);
    const cpus = [8, 16, 16, 4, 4, 4, 2, 8, 32][i];
    const cpu = noise(`${name}cpu`, now) * (name === "db-02" ? 0.97 : 0.6);
    const t = Array.from({ length: 60 }, (_, k) => now - 3_600_000 + k * 60_000);
    return {
      id: `host-${hex(name, 12)}`,
      name,
      os: i % 3 === 2 ? "Ubuntu 24.04.2 LTS" : "Debian GNU/Linux 12",
      kernel: "6.1.0-28-amd64",
      arch: "amd64",
      cpus,
      memory_bytes: [32, 128, 128, 16, 16, 16, 4, 64, 256][i] * GiB,
      boot_time: new Date(now - (3 + (hash(name) % 90)) * 86_400_000).toISOString(),
      addresses: [`10.20.${i}.14`, `fd00::${i}:14`],
      cloud: i > 2 && i < 6 ? { provider: "hetzner", region: "fsn1", instance_id: `i-${hex(name, 8)}` } : {},
      agent_version: "0.1.0",
      last_seen: new Date(seen).toISOString(),
      up: !silent,
      ...(silent
        ? {}
        : {
            cpu_ratio: cpu,
            memory_ratio: 0.25 + noise(`${name}mem`, now, 3e6) * 0.6,
            disk_ratio: name === "db-01" ? 0.86 : 0.2 + (hash(name) % 50) / 100,
            load1: cpu * cpus * 1.1,
            network_bytes_per_second: noise(`${name}net`, now) * 4.2e6,
          }),
      sparkline: {
        t,
        v: t.map((ms) => (silent && ms > seen ? null : noise(`${name}cpu`, ms) * (name === "db-02" ? 0.97 : 0.6))),
      },
    };
  });
}

export function hostDetail(host) {
  return {
    ...host,
    filesystems: [
      {
        mountpoint: "/",
        device: "/dev/nvme0n1p2",
        type: "ext4",
        total_bytes: 468 * GiB,
        used_ratio: host.disk_ratio ?? 0.4,
        inodes_used_ratio: 0.11,
      },
      {
        mountpoint: "/boot/efi",
        device: "/dev/nvme0n1p1",
        type: "vfat",
        total_bytes: 0.5 * GiB,
        used_ratio: 0.01,
        inodes_used_ratio: 0,
      },
      {
        mountpoint: "/var/lib/data",
        device: "/dev/nvme1n1",
        type: "xfs",
        total_bytes: 1863 * GiB,
        used_ratio: 0.63,
        inodes_used_ratio: 0.04,
      },
    ],
    disks: ["nvme0n1", "nvme1n1"].map((name, i) => ({
      name,
      size_bytes: (512 + i * 1500) * GiB,
      model: "SSD 990 PRO",
      rotational: false,
      read_bytes_per_second: 1.2e6,
      write_bytes_per_second: 4.4e6,
      busy_ratio: 0.08,
    })),
    interfaces: [
      {
        name: "eth0",
        addresses: host.addresses,
        receive_bytes_per_second: 2.1e6,
        transmit_bytes_per_second: 9.2e5,
        errors_per_second: 0,
      },
    ],
    attributes: {
      "host.id": host.id,
      "host.name": host.name,
      "host.arch": host.arch,
      "os.type": "linux",
      "os.description": host.os,
    },
  };
}

export function processes(now) {
  const list = [
    ["postgres", "postgres: 16/main: checkpointer", "postgres", 0.82, 5.1, 1],
    ["clickhouse", "/usr/lib/faultline/engine server --config …", "faultline", 0.41, 0.42, 96],
    ["faultline", "bin/faultline --data-dir /var/lib/faultline", "faultline", 0.22, 0.16, 22],
    ["nginx", "nginx: worker process", "www-data", 0.07, 0.04, 1],
    ["node", "node /srv/catalog/server.js --port 3000", "app", 0.31, 0.35, 11],
    ["systemd-journald", "/lib/systemd/systemd-journald", "root", 0.01, 0.06, 1],
    ["sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", "root", 0, 0.01, 1],
    ["faultline-agent", "/usr/bin/faultline-agent --gateway https://obs.internal:4318", "root", 0.006, 0.031, 9],
  ];
  return list.map(([name, command, user, cpu, gib, threads], i) => ({
    pid: 400 + i * 317,
    name,
    command,
    user,
    cpu_ratio: cpu * (0.7 + 0.6 * noise(name, now, 20_000)),
    memory_bytes: gib * GiB,
    threads,
    started_at: new Date(now - (i + 1) * 7_700_000).toISOString(),
    id: `p-${hex(name, 8)}`,
  }));
}

const bodies = {
  info: [
    "request completed method=GET path=/api/cart status=200 duration_ms=12",
    "connection accepted from 10.20.4.14:51322",
    "order 88213 placed, 3 items, total 74.20 EUR",
    "checkpoint complete: wrote 1412 buffers (8.6%)",
  ],
  debug: ["cache hit key=catalog:sku:4411", "pool: 7 of 20 connections in use"],
  warn: [
    "slow query (1.84 s): SELECT * FROM orders WHERE customer_id = $1",
    "retrying payment provider, attempt 2 of 5",
  ],
  error: [
    "payment failed: provider answered 502 after 5000 ms",
    "deadlock detected while waiting for ShareLock on transaction 88127",
  ],
};
const severityNumber = { debug: 5, info: 9, warn: 13, error: 17 };

/** The log line number n counted back from a time; about one in 400 ms. */
export function logLine(n) {
  const ms = n * 400 + (hash(`l${n}`) % 400);
  const r = hash(`s${n}`) % 100;
  const incident = noise("incident", ms, 1_500_000) > 0.72;
  const severity = r < (incident ? 24 : 2) ? "error" : r < (incident ? 34 : 8) ? "warn" : r > 82 ? "debug" : "info";
  const service = services[hash(`v${n}`) % services.length];
  const list = bodies[severity];
  const traced = hash(`t${n}`) % 3 === 0;
  return {
    id: `01J${n.toString(36).toUpperCase().padStart(10, "0")}`,
    time: `${new Date(ms).toISOString().slice(0, -1)}${String(hash(n) % 1_000_000).padStart(6, "0")}Z`,
    time_ns: ms * 1e6,
    severity: severityNumber[severity],
    severity_text: severity.toUpperCase(),
    service,
    host: serviceHost(service),
    body: list[hash(`b${n}`) % list.length],
    attributes: { "http.request.method": "GET", "log.file.path": `/var/log/${service}.log`, thread: hash(n) % 16 },
    resource: { "service.name": service, "host.name": serviceHost(service), "service.version": "2.4.1" },
    trace_id: traced ? traceId(Math.floor(ms / 5000)) : "",
    span_id: traced ? hex(`${Math.floor(ms / 5000)}-0`, 16) : "",
    shape: hex(`shape${severity}${hash(`b${n}`) % list.length}`, 16),
  };
}

export const traceId = (n) => hex(`trace${n}`, 32);
const operations = ["POST /checkout", "GET /cart/{id}", "GET /catalog", "POST /payments", "GET /search"];

export function traceSummary(n) {
  const ms = n * 5000;
  const failed = hash(`f${n}`) % 9 === 0;
  return {
    trace_id: traceId(n),
    root_service: "gateway",
    root_operation: operations[hash(`o${n}`) % operations.length],
    start: new Date(ms).toISOString(),
    start_ns: ms * 1e6,
    duration_ms: 20 + (hash(`d${n}`) % 900) + (failed ? 4200 : 0),
    spans: 14,
    services: ["gateway", "checkout", "payments", "postgres"],
    errors: failed ? 2 : 0,
  };
}

function span(traceStartNs, id, parent, service, name, fromMs, ms, extra = {}) {
  return {
    span_id: id,
    parent_span_id: parent,
    service,
    host: serviceHost(service),
    name,
    kind: "internal",
    start_ns: String(BigInt(traceStartNs) + BigInt(Math.round(fromMs * 1e6))),
    duration_ns: Math.round(ms * 1e6),
    status: "unset",
    status_message: "",
    attributes: {},
    resource: { "service.name": service, "service.version": "2.4.1", "host.name": serviceHost(service) },
    events: [],
    links: [],
    ...extra,
  };
}

/** Trace 5000 spans wide, one without root, and the usual one. */
export function trace(id, now, size = 14) {
  const n = Math.floor(now / 5000);
  const startNs = `${n * 5000}000000`;
  const s = (i) => hex(`${id}-${i}`, 16);
  const root = span(startNs, s(0), "", "gateway", "POST /checkout", 0, 842, {
    kind: "server",
    attributes: { "http.request.method": "POST", "http.route": "/checkout", "http.response.status_code": 502 },
    status: "error",
    status_message: "upstream failed",
  });
  const spans = [
    root,
    span(startNs, s(1), s(0), "checkout", "checkout.Place", 6, 828, { kind: "server" }),
    span(startNs, s(2), s(1), "cart", "cart.Get", 9, 38, { kind: "client", attributes: { "rpc.system": "grpc" } }),
    span(startNs, s(3), s(2), "postgres", "SELECT cart_items", 14, 27, {
      kind: "client",
      attributes: { "db.system": "postgresql", "db.query.text": "SELECT * FROM cart_items WHERE cart_id = $1" },
    }),
    span(startNs, s(4), s(1), "catalog", "catalog.Price", 50, 61),
    span(startNs, s(5), s(4), "postgres", "SELECT prices", 55, 49, { kind: "client" }),
    span(startNs, s(6), s(1), "payments", "payments.Charge", 118, 705, {
      kind: "client",
      status: "error",
      status_message: "provider answered 502 after 5000 ms",
      events: [
        {
          time_ns: String(BigInt(startNs) + 620_000_000n),
          name: "exception",
          attributes: { "exception.type": "ProviderError", "exception.message": "bad gateway" },
        },
      ],
    }),
    span(startNs, s(7), s(6), "payments", "provider POST /v1/charges", 131, 240, { attributes: { attempt: 1 } }),
    span(startNs, s(8), s(6), "payments", "provider POST /v1/charges", 384, 420, {
      attributes: { attempt: 2 },
      links: [{ trace_id: traceId(n - 3), span_id: s(1), attributes: { reason: "retry" } }],
    }),
    span(startNs, s(9), s(1), "checkout", "publish order.failed", 826, 5, { kind: "producer" }),
    span(startNs, s(10), "feedfacefeedface", "search", "reindex (detached)", 300, 90),
  ];
  for (let i = spans.length; i < size; i++) {
    const parent = i < 40 ? 1 : 11 + (hash(`${id}p${i}`) % Math.min(i - 11, 400));
    const at = (hash(`${id}a${i}`) % 7000) / 10;
    spans.push(
      span(
        startNs,
        s(i),
        s(parent),
        services[hash(`${id}s${i}`) % services.length],
        `work.Step${i % 23}`,
        at,
        1 + (hash(`${id}d${i}`) % 900) / 10,
      ),
    );
  }
  return {
    trace_id: id,
    start_ns: startNs,
    duration_ns: 842e6,
    services: [...new Set(spans.map((x) => x.service))],
    spans,
    warnings: [],
  };
}

/** Label sets that an expression gives, for the metrics that the console asks for. */
export function promSeries(expr) {
  const by = /by\s*\(([^)]*)\)/
    .exec(expr)?.[1]
    ?.split(",")
    .map((s) => s.trim())
    .filter(Boolean);
  const hostId = /host_id="([^"]+)"/.exec(expr)?.[1];
  const known = [
    [
      "system_cpu_time",
      [
        ["user", 0.3],
        ["system", 0.12],
        ["iowait", 0.06],
        ["nice", 0.01],
        ["softirq", 0.02],
        ["steal", 0.005],
      ].map(([cpu_mode, scale]) => ({ labels: { cpu_mode }, scale })),
    ],
    [
      "system_memory_usage",
      [
        ["used", 9],
        ["cached", 14],
        ["free", 6],
        ["buffers", 1],
      ].map(([system_memory_state, g]) => ({ labels: { system_memory_state }, base: g * GiB, scale: g * GiB * 0.1 })),
    ],
    [
      "system_cpu_load_average",
      [{ labels: { __name__: /system_cpu_load_average_\w+/.exec(expr)?.[0] ?? "" }, scale: 3, base: 0.4 }],
    ],
    [
      "system_network_io",
      ["eth0", "wg0"].flatMap((network_interface_name) =>
        ["receive", "transmit"].map((network_io_direction) => ({
          labels: { network_interface_name, network_io_direction },
          scale: network_interface_name === "eth0" ? 3.2e6 : 4e5,
        })),
      ),
    ],
    [
      "system_disk_io",
      ["nvme0n1", "nvme1n1"].flatMap((system_device) =>
        ["read", "write"].map((disk_io_direction) => ({ labels: { system_device, disk_io_direction }, scale: 8e6 })),
      ),
    ],
    [
      "system_filesystem",
      ["/", "/var/lib/data", "/boot/efi"].map((system_filesystem_mountpoint, i) => ({
        labels: { system_filesystem_mountpoint },
        base: [0.41, 0.63, 0.01][i],
        scale: 0.01,
      })),
    ],
    ["system_linux_pressure", []],
    [
      "system_network_errors",
      [{ labels: { network_interface_name: "eth0", network_io_direction: "receive" }, scale: 0.4 }],
    ],
    ["many_series", Array.from({ length: 120 }, (_, i) => ({ labels: { instance: `node-${i}` }, scale: 10 + i }))],
    ["http_requests", services.map((service) => ({ labels: { service }, scale: 80 }))],
  ];
  const hit = known.find(([name]) => expr.includes(name));
  if (!hit) return [];
  const list = hit[1];
  if (!hostId && by?.includes("host_name"))
    return hostNames
      .slice(0, 8)
      .map((host_name) => ({ labels: { host_name }, scale: list[0]?.scale ?? 1, base: list[0]?.base ?? 0 }));
  return hostId ? list.map((s) => ({ ...s, key: hostId })) : list;
}

export const metricNames = [
  "http_requests_total",
  "many_series",
  "system_cpu_load_average_1m",
  "system_cpu_load_average_5m",
  "system_cpu_load_average_15m",
  "system_cpu_time_seconds_total",
  "system_disk_io_bytes_total",
  "system_filesystem_usage_bytes",
  "system_memory_usage_bytes",
  "system_network_io_bytes_total",
];
