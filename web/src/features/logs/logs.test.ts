import { expect, it } from "vitest";
import { severityOf } from "@/lib/severity";
import { fromSearch, toggled } from "./filter";
import { histogramFrame } from "./Histogram";

it("groups severities by number, and by text where there is none", () => {
  expect(severityOf(9, "")).toBe("info");
  expect(severityOf(17, "whatever")).toBe("error");
  expect(severityOf(24, "")).toBe("fatal");
  expect(severityOf(0, "WARNING")).toBe("warn");
  expect(severityOf(undefined, "crit")).toBe("fatal");
  expect(severityOf(0, "unset")).toBe("unset");
  expect(severityOf(undefined, undefined)).toBe("unset");
});

it("adds severities of one group and keeps the gravest at the bottom", () => {
  const frame = histogramFrame({
    t: [0, 1000],
    step_ms: 1000,
    total: 10,
    series: [
      { severity_text: "ERROR", v: [1, 2] },
      { severity_text: "err", v: [1, 0] },
      { severity_text: "INFO", v: [3, 3] },
    ],
  });
  expect(frame.t).toEqual([0, 1]);
  expect(frame.series.map((s) => [s.label, s.values])).toEqual([
    ["info", [3, 3]],
    ["error", [2, 2]],
  ]);
});

it("turns the address into a filter and toggles choices", () => {
  expect(fromSearch({ q: "x", severity: "warn", trace: "t" })).toMatchObject({
    query: "x",
    severity_min: "warn",
    trace_id: "t",
  });
  expect(toggled(undefined, "b")).toEqual(["b"]);
  expect(toggled(["b"], "a")).toEqual(["a", "b"]);
  expect(toggled(["a"], "a")).toBeUndefined();
});
