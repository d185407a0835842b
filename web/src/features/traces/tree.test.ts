import { describe, expect, it } from "vitest";
import type { Span, Trace } from "@/api/types";
import { buildTree, matching, nsBetween, selfByService, visibleRows } from "./tree";

const t0 = "1795357800000000000";

function span(id: string, parent: string, fromMs: number, ms: number, extra: Partial<Span> = {}): Span {
  return {
    span_id: id,
    parent_span_id: parent,
    service: "s",
    name: `op ${id}`,
    kind: "internal",
    start_ns: String(BigInt(t0) + BigInt(Math.round(fromMs * 1e6))),
    duration_ns: ms * 1e6,
    status: "ok",
    attributes: {},
    resource: {},
    events: [],
    links: [],
    ...extra,
  };
}

const trace = (spans: Span[]): Trace => ({ trace_id: "t", start_ns: t0, duration_ns: 100e6, services: ["s"], spans });
const ids = (spans: Span[], collapsed: string[] = []) =>
  visibleRows(buildTree(trace(spans)), new Set(collapsed)).map((n) => `${"-".repeat(n.depth)}${n.span.span_id}`);

describe("buildTree", () => {
  it("orders children by start, whatever order they come in", () => {
    const spans = [span("c", "a", 50, 10), span("d", "b", 12, 5), span("b", "a", 10, 20), span("a", "", 0, 100)];
    expect(ids(spans)).toEqual(["a", "-b", "--d", "-c"]);
    expect(ids(spans, ["b"])).toEqual(["a", "-b", "-c"]);
  });
  it("shows orphans at the top, marked, and notices a missing root", () => {
    const tree = buildTree(trace([span("b", "gone", 10, 20), span("c", "b", 12, 2)]));
    expect(tree.roots.map((r) => [r.span.span_id, r.orphan])).toEqual([["b", true]]);
    expect(tree).toMatchObject({ orphans: 1, missingRoot: true });
    expect(buildTree(trace([span("a", "", 0, 1)])).missingRoot).toBe(false);
    expect(buildTree(trace([])).missingRoot).toBe(false);
  });
  it("cuts circles and loses no span", () => {
    const tree = buildTree(
      trace([span("a", "", 0, 9), span("x", "y", 1, 2), span("y", "x", 1, 2), span("z", "z", 1, 1)]),
    );
    expect(
      visibleRows(tree, new Set())
        .map((n) => n.span.span_id)
        .sort(),
    ).toEqual(["a", "x", "y", "z"]);
    expect(tree.cycles).toBe(1);
  });
  it("keeps spans that share an id", () => {
    expect(visibleRows(buildTree(trace([span("a", "", 0, 9), span("a", "", 1, 3)])), new Set())).toHaveLength(2);
  });
  it("counts own time without overlap of children", () => {
    const tree = buildTree(
      trace([span("a", "", 0, 100), span("b", "a", 10, 40), span("c", "a", 30, 40), span("d", "a", 90, 50)]),
    );
    // Children cover 10–70 and 90–100 of the parent; what d runs beyond its parent does not count.
    expect(tree.byId.get("a")?.selfNs).toBe(30e6);
    expect(tree.durationNs).toBe(140e6);
  });
  it("marks the chain that held up the end", () => {
    const tree = buildTree(
      trace([span("a", "", 0, 100), span("b", "a", 0, 40), span("c", "a", 45, 50), span("d", "a", 50, 10)]),
    );
    const critical = [...tree.byId.values()].filter((n) => n.critical).map((n) => n.span.span_id);
    expect(critical.sort()).toEqual(["a", "b", "c"]);
  });
  it("adds up errors and descendants below a span", () => {
    const tree = buildTree(
      trace([span("a", "", 0, 9), span("b", "a", 1, 2), span("c", "b", 1, 1, { status: "STATUS_CODE_ERROR" })]),
    );
    expect(tree.byId.get("a")).toMatchObject({ descendants: 2, errorsBelow: 1, error: false });
    expect(tree.errors).toBe(1);
  });
  it("keeps nanoseconds exact when they come as text", () => {
    expect(nsBetween("1795357800000000001", "1795357800000000129")).toBe(128);
    expect(nsBetween(1_000_000, 3_500_000)).toBe(2_500_000);
  });
  it("copes with a chain of 5,000 and with 5,000 brothers", () => {
    const chain = Array.from({ length: 5000 }, (_, i) => span(`n${i}`, i ? `n${i - 1}` : "", 0, 10));
    const flat = Array.from({ length: 5000 }, (_, i) => span(`n${i}`, i ? "n0" : "", i / 100, 1));
    const began = performance.now();
    expect(visibleRows(buildTree(trace(chain)), new Set())).toHaveLength(5000);
    expect(visibleRows(buildTree(trace(flat)), new Set())).toHaveLength(5000);
    expect(performance.now() - began).toBeLessThan(1500);
  });
});

describe("search and sums", () => {
  it("find by name, service and attribute", () => {
    const tree = buildTree(
      trace([span("a", "", 0, 9), span("b", "a", 1, 2, { service: "db", attributes: { q: "SELECT 1" } })]),
    );
    expect([...matching(tree, "select")]).toEqual(["b"]);
    expect(matching(tree, "OP").size).toBe(2);
    expect(matching(tree, "  ").size).toBe(0);
    expect(selfByService(tree)).toEqual([
      { service: "s", selfNs: 7e6, spans: 1, errors: 0 },
      { service: "db", selfNs: 2e6, spans: 1, errors: 0 },
    ]);
  });
});
