import { describe, expect, test } from "vitest";
import type { Incident } from "@/api/types";
import { bandPixels } from "@/charts/overlay";
import { expected } from "./expected";
import { escapeMarkdown, toMarkdown } from "./markdown";
import { eventId } from "./useIncidentStream";
import { confidenceWord, severityRank, targetText, unitOf } from "./words";

const start = Date.parse("2026-11-25T08:00:00Z");
const at = (ms: number) => new Date(start + ms).toISOString();

const incident: Incident = {
  id: "inc1",
  state: "open",
  severity: "high",
  title: "checkout: [slow](javascript:alert(1)) *now*",
  start: at(0),
  detected: at(30_000),
  updated: at(60_000),
  entities: [{ kind: "service", name: "checkout" }],
  member_count: 1,
  open_count: 1,
  members: [
    {
      finding_id: "00000000000003e8",
      entity: { kind: "service", name: "checkout" },
      name: "p95",
      joined: at(30_000),
      reason: "first",
      open: true,
      times: 1,
      folded: [],
    },
  ],
  verdict: {
    at: at(60_000),
    candidates: [
      {
        entity: { kind: "service", name: "checkout" },
        kind: "deploy",
        onset: at(0),
        score: 1,
        confidence: 0.82,
        for: [
          {
            text: "new instances are slow",
            language: "promql",
            query: "up == `0`",
            start: at(0),
            end: at(1),
            data: { t: [], v: [] },
            low: null,
            high: null,
          },
        ],
        against: [],
        why: "Version 7 was rolled out.",
      },
    ],
    unknown: false,
    checked: [],
    first_failure: [],
    impact: [],
    sentence: "The rollout did it.",
  },
  comments: [{ at: at(90_000), who: "ann", text: "line one\n# not a heading" }],
  feedback: [
    { id: "f1", kind: "confirm", target: "finding:00000000000003e8", at: at(95_000), who: "ben", text: "" },
    { id: "f2", kind: "reject", target: "incident", at: at(96_000), who: "ben", text: "", revoked: at(97_000) },
  ],
  history: [],
};

describe("markdown", () => {
  const text = toMarkdown(incident, "https://faultline.example/incidents/inc1", "utc", start + 120_000);
  test("tells the story with numbers", () => {
    expect(text).toContain("**high**, open · began 2026-11-25 08:00:00 UTC · lasts for 2 min");
    expect(text).toContain("1. **service:checkout**, deployment (82 %, likely)");
    expect(text).toContain("(`up == '0'`)");
    expect(text).toContain("ben said confirm of p95");
  });
  test("leaves out what was taken back", () => expect(text).not.toContain("reject"));
  test("text from telemetry and people is no markup", () => {
    expect(text).toContain("# checkout: \\[slow\\](javascript:alert(1)) \\*now\\*");
    expect(text).toContain("ann: line one \\# not a heading");
    expect(escapeMarkdown("<b>`x`|y")).toBe("\\<b\\>\\`x\\`\\|y");
  });
  test("says when nothing is named", () => {
    const none = {
      ...incident,
      verdict: { ...incident.verdict, candidates: [], unknown: true, checked: ["12 signals"] },
    };
    expect(toMarkdown(none, "", "utc", start)).toContain("No clear cause. Checked:\n- 12 signals");
  });
});

describe("words", () => {
  test("severities rank", () => {
    expect(severityRank("critical")).toBeGreaterThan(severityRank("high"));
    expect(severityRank("medium")).toBeGreaterThan(severityRank("low"));
  });
  test("confidence claims no more than its number", () => {
    expect([0.95, 0.7, 0.5, 0.1].map(confidenceWord)).toEqual(["almost sure", "likely", "possible", "weak"]);
  });
  test("units", () => {
    expect([
      unitOf("s", "latency"),
      unitOf("By", "usage"),
      unitOf("1", "errors"),
      unitOf("1", "queue"),
      unitOf(undefined, undefined),
    ]).toEqual(["seconds", "bytes", "ratio", "none", "none"]);
  });
  test("targets", () => {
    expect(targetText("finding:00000000000003e8", incident.members)).toBe("p95");
    expect(targetText("finding:0000000000000001", incident.members)).toBe("finding 0000000000000001");
    expect(targetText("candidate:service:x", [])).toBe("cause service:x");
  });
});

describe("band", () => {
  const position = (v: number) => 100 - v * 10;
  test("between two ends", () =>
    expect(bandPixels({ low: 2, high: 5 }, 0, 100, position)).toEqual({ y: 50, height: 30 }));
  test("open to one side", () => {
    expect(bandPixels({ low: null, high: 5 }, 0, 100, position)).toEqual({ y: 50, height: 50 });
    expect(bandPixels({ low: 2, high: null }, 0, 100, position)).toEqual({ y: 0, height: 80 });
  });
  test("never outside of the plot", () => {
    expect(bandPixels({ low: -50, high: 500 }, 10, 80, position)).toEqual({ y: 10, height: 80 });
  });
  test("none", () => expect(bandPixels({ low: null, high: null }, 0, 100, position)).toBeUndefined());
});

describe("events", () => {
  test("id or nothing", () => {
    expect(eventId('{"id":"inc1"}')).toBe("inc1");
    for (const bad of ["", "{", "null", "[]", '"x"']) expect(eventId(bad)).toBeUndefined();
  });
});

describe("expected", () => {
  const f = (action: string, body?: object) => expected(incident, { id: "inc1", action, body, done: "" }, "ann", at(1));
  test("shows what was asked for", () => {
    expect(f("acknowledge").acknowledged?.who).toBe("ann");
    expect(f("assign", { assignee: "ben" }).assignee).toBe("ben");
    expect(f("resolve")).toMatchObject({ state: "resolved", end: at(1) });
    expect(f("comment", { text: "x" }).comments).toHaveLength(2);
  });
  test("what cannot be foreseen stays", () => expect(f("split")).toBe(incident));
  test("the incident itself is not touched", () => expect(incident.comments).toHaveLength(1));
});
