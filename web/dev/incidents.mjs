// Made-up incidents for the fixture server: a bad rollout with three candidates, one without a clear cause, one that is over.
const at = (ms) => new Date(ms).toISOString();
const id16 = (n) => n.toString(16).padStart(16, "0");
const service = (name) => ({ kind: "service", name });

function evidence(text, now, { low = 0.1, high = 0.3, peak = 1.9, entity, finding } = {}) {
  const t = Array.from({ length: 60 }, (_, i) => now - (60 - i) * 60_000);
  return {
    text,
    ...(finding ? { finding_id: finding } : {}),
    ...(entity ? { entity } : {}),
    language: "promql",
    query: 'histogram_quantile(0.95, sum by (le) (rate(http_server_duration_bucket{service="checkout"}[5m])))',
    start: at(t[0]),
    end: at(now),
    data: {
      t,
      v: t.map((_, i) =>
        i === 30 ? null : 0.2 + 0.04 * Math.sin(i) + (i > 40 ? (peak - 0.2) * Math.min(1, (i - 40) / 5) : 0),
      ),
    },
    low,
    high,
  };
}

const signal = {
  series_id: id16(7),
  name: "http_server_duration_p95",
  labels: { route: "/pay" },
  role: "latency",
  unit: "s",
};

function candidate(entity, kind, confidence, why, now, extra = {}) {
  return {
    entity,
    signal,
    kind,
    onset: at(now - 20 * 60_000),
    score: confidence * 10,
    confidence,
    for: [evidence(`p95 of ${entity.name} is 1.9 s, normal is 0.2 s`, now, { entity })],
    against: [],
    why,
    ...extra,
  };
}

function member(n, entity, name, reason, open, now) {
  return {
    finding_id: id16(n),
    entity,
    name,
    joined: at(now - (30 - n) * 60_000),
    reason,
    open,
    times: n === 2 ? 3 : 1,
    folded: [],
  };
}

/** The incidents of a fixture, with everything that the page of one shows. */
export function makeIncidents(now) {
  const common = {
    comments: [],
    feedback: [],
    history: [{ at: at(now - 18 * 60_000), text: "opened: p95 of /pay is 1.9 s" }],
  };
  const rollout = {
    id: "inc00000000a1",
    state: "open",
    severity: "critical",
    title: "checkout: latency 1.9 s (normal 0.2 s), 3 services affected",
    start: at(now - 20 * 60_000),
    detected: at(now - 19 * 60_000),
    updated: at(now - 60_000),
    paged: at(now - 19 * 60_000),
    entities: [
      service("checkout"),
      service("frontend"),
      { kind: "host", name: "5f2c9e1a7b3d4c6e8f0a1b2c3d4e5f60" },
      { kind: "database", name: "orders-db" },
    ],
    members: [
      member(1, service("checkout"), "http_server_duration_p95", "first", true, now),
      member(2, service("frontend"), "request_error_ratio", "calls checkout, onset 40 s later", true, now),
      member(
        3,
        { kind: "database", name: "orders-db" },
        "connections",
        "is called by checkout, onset 10 s later",
        false,
        now,
      ),
    ],
    verdict: {
      at: at(now - 60_000),
      candidates: [
        candidate(
          service("checkout"),
          "deploy",
          0.82,
          "Version 7 was rolled out 20 s before the first symptom, and only its instances are slow.",
          now,
          { change_id: "deploy-7" },
        ),
        candidate(
          { kind: "database", name: "orders-db" },
          "saturation",
          0.12,
          "Connections rose at the same time.",
          now,
          {
            against: [evidence("queries are as fast as before", now, { peak: 0.25 })],
          },
        ),
        candidate(
          { kind: "external", name: "payments.example" },
          "dependency",
          0.04,
          "It is called by checkout and not seen otherwise.",
          now,
          { signal: undefined },
        ),
      ],
      unknown: false,
      checked: ["212 signals of 9 entities", "3 changes"],
      first_failure: [
        evidence("12 % of the requests to /pay are slow since 20 min", now, { entity: service("frontend") }),
      ],
      impact: [evidence("3 of 8 services answer late", now)],
      sentence: "The rollout of checkout 7 made its requests slow; frontend waits for it.",
    },
    ...common,
  };
  const unknown = {
    ...rollout,
    id: "inc00000000b2",
    severity: "medium",
    title: "cart: 3 kinds of log lines that were never seen",
    start: at(now - 50 * 60_000),
    detected: at(now - 48 * 60_000),
    paged: undefined,
    entities: [service("cart")],
    members: [member(9, service("cart"), "log_lines", "first", true, now)],
    verdict: {
      at: at(now - 60_000),
      candidates: [],
      unknown: true,
      checked: ["48 signals of 2 entities", "0 changes"],
      first_failure: [],
      impact: [],
      sentence: "",
    },
  };
  const over = {
    ...rollout,
    id: "inc00000000c3",
    state: "resolved",
    severity: "low",
    title: "backup: reads of the disk 3 times the usual",
    start: at(now - 55 * 60_000),
    detected: at(now - 54 * 60_000),
    end: at(now - 45 * 60_000),
    paged: undefined,
    members: rollout.members.map((m) => ({ ...m, open: false })),
    verdict: { ...rollout.verdict, at: undefined, candidates: [], unknown: false, sentence: "" },
  };
  return [rollout, unknown, over].map((i) => ({
    ...i,
    tenant: 1,
    comments: [],
    feedback: [],
    history: [...i.history],
  }));
}

/** An incident in one line. */
export function brief(i) {
  const c = i.verdict.candidates[0];
  return {
    ...i,
    members: undefined,
    verdict: undefined,
    comments: undefined,
    feedback: undefined,
    history: undefined,
    cause: c
      ? { entity: c.entity, signal: c.signal?.name, kind: c.kind, confidence: c.confidence, why: c.why }
      : undefined,
    unknown: i.verdict.unknown,
    sentence: i.verdict.sentence,
    entity_count: i.entities.length,
    member_count: i.members.length,
    open_count: i.members.filter((m) => m.open).length,
    comment_count: i.comments.length,
    confirmed: 0,
    rejected: 0,
  };
}

export function timeline(i, now) {
  const start = Date.parse(i.start);
  const items = [
    {
      time: at(start - 20_000),
      kind: "change",
      title: "checkout 7",
      text: "feat: new pricing",
      who: "ci",
      entity: service("checkout"),
      change_id: "deploy-7",
      cause: i.verdict.candidates.length > 0,
      url: "https://ci.example/7",
    },
    ...i.members.map((m, n) => ({
      time: at(start + n * 40_000),
      kind: "finding",
      title: `${m.name} left its band`,
      text: "",
      entity: m.entity,
      finding_id: m.finding_id,
      cause: n === 0,
    })),
    ...i.history.map((h) => ({ time: h.at, kind: "known", title: h.text, text: "", cause: false })),
    ...i.comments.map((c) => ({
      time: c.at,
      kind: "comment",
      title: "Comment",
      text: c.text,
      who: c.who,
      cause: false,
    })),
    ...(i.acknowledged
      ? [
          {
            time: i.acknowledged.at,
            kind: "acknowledged",
            title: "Acknowledged",
            text: "",
            who: i.acknowledged.who,
            cause: false,
          },
        ]
      : []),
  ];
  return { items: items.sort((a, b) => Date.parse(a.time) - Date.parse(b.time)), warnings: [], checked_at: at(now) };
}

let commands = 0;

/** Does what the brain would do; undefined is an action that there is not. */
export function apply(i, action, body, now) {
  const act = { at: at(now), who: "admin", text: body.text ?? "" };
  const answer = { status: "applied", command_id: `c${++commands}`, incident_id: i.id };
  switch (action) {
    case "acknowledge":
      i.acknowledged = act;
      break;
    case "unacknowledge":
      i.acknowledged = undefined;
      break;
    case "resolve":
      Object.assign(i, { state: "resolved", end: at(now), resolution: act.text || undefined });
      break;
    case "reopen":
      Object.assign(i, { state: "open", end: undefined });
      break;
    case "assign":
      i.assignee = body.assignee || undefined;
      break;
    case "comment":
      i.comments.push(act);
      break;
    case "split":
      i.members = i.members.filter((m) => !body.findings.includes(m.finding_id));
      break;
    case "merge":
      break;
    case "feedback":
      answer.feedback_id = `f${commands}`;
      i.feedback.push({ id: answer.feedback_id, kind: body.kind, target: body.target ?? "incident", ...act });
      break;
    default:
      return undefined;
  }
  i.updated = at(now);
  i.history.push({ at: at(now), text: `${action} by admin` });
  answer.incident = brief(i);
  return answer;
}
