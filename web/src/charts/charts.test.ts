import { describe, expect, it } from "vitest";
import { mergeFrames, orderSeries, seriesName, seriesStats, stack, toFrame } from "./frame";
import { axisWidth, buildOptions, type OptionsInput, timeTicks, valueRange, withAlpha } from "./options";
import { summarise } from "./summary";

const window = { startMs: 1_000_000, endMs: 1_040_000 };
const matrix = [
  {
    metric: { mode: "user" },
    values: [
      [1000, "1"],
      [1010, "NaN"],
      [1030.4, "3"],
    ] as [number, string][],
  },
  {
    metric: { mode: "system" },
    values: [
      [990, "9"],
      [1020, "+Inf"],
      [1040, "5"],
    ] as [number, string][],
  },
];

describe("frames", () => {
  it("lie on the grid, with gaps as null", () => {
    const frame = toFrame(matrix, window, 10, "{{mode}}");
    expect(frame.t).toEqual([1000, 1010, 1020, 1030, 1040]);
    expect(frame.series.map((s) => s.label)).toEqual(["user", "system"]);
    expect(frame.series[0]?.values).toEqual([1, null, null, 3, null]);
    // The sample before the window and the infinity are left out.
    expect(frame.series[1]?.values).toEqual([null, null, null, null, 5]);
  });
  it("merge onto the first grid", () => {
    const a = { t: [1, 2, 3], series: [{ key: "a", label: "a", values: [1, 2, 3] }] };
    const b = { t: [2, 3], series: [{ key: "b", label: "b", values: [8, 9] }] };
    expect(mergeFrames([a, b]).series[1]?.values).toEqual([null, 8, 9]);
    expect(mergeFrames([])).toEqual({ t: [], series: [] });
  });
  it("stack from the last series up and keep gaps of all", () => {
    const s = (values: (number | null)[]) => ({ key: "", label: "", values });
    expect(stack([s([1, null, null]), s([2, 5, null])])).toEqual([
      [3, 5, null],
      [2, 5, null],
    ]);
  });
  it("order series by name", () => {
    const s = (label: string) => ({ key: label, label, values: [] });
    const frame = { t: [], series: [s("free"), s("x"), s("used")] };
    expect(orderSeries(frame, ["used", "free"]).series.map((v) => v.label)).toEqual(["used", "free", "x"]);
  });
  it("name series by template or label set", () => {
    expect(seriesName({ a: "1", b: "2" }, "{{a}} {{ b }}")).toBe("1 2");
    expect(seriesName({ a: "1" })).toBe('{a="1"}');
    expect(seriesName({ a: "1" }, "{{missing}}")).toBe('{a="1"}');
  });
  it("know their statistics", () => {
    expect(seriesStats([1, 2, 3], [4, null, 2])).toEqual({ last: 2, min: 2, max: 4, avg: 3, maxAt: 1, points: 2 });
    expect(seriesStats([1], [null])).toMatchObject({ last: null, avg: null, points: 0 });
  });
});

const input: OptionsInput = {
  width: 600,
  height: 180,
  kind: "line",
  unit: "bytes",
  zone: "utc",
  lines: [
    { label: "a", color: "#112233" },
    { label: "b", color: "#445566" },
  ],
  range: { start: 1000, end: 1600 },
  theme: { grid: "#eee", axis: "#555", cursor: "#999", font: "sans-serif", fill: 0.2 },
};

describe("chart options", () => {
  it("are the same for the same input and leave the range to the page", () => {
    expect(JSON.stringify(buildOptions(input))).toBe(JSON.stringify(buildOptions(input)));
    const x = buildOptions(input).scales?.x?.range;
    expect(typeof x === "function" ? x({} as never, 5, 6, "x") : undefined).toEqual([1000, 1600]);
    expect(buildOptions(input).cursor?.drag).toMatchObject({ setScale: false });
  });
  it("fill and band stacks only", () => {
    expect(buildOptions({ ...input, kind: "stack" }).bands).toEqual([{ series: [1, 2] }]);
    expect(buildOptions(input).bands).toBeUndefined();
    expect(buildOptions({ ...input, kind: "area" }).series[1]?.fill).toBe("rgba(17, 34, 51, 0.2)");
    expect(buildOptions(input).series[1]?.fill).toBeUndefined();
  });
  it("print values with their unit", () => {
    const values = buildOptions(input).axes?.[1]?.values;
    expect(typeof values === "function" ? values({} as never, [0, 1024], 1, 1, 1) : undefined).toEqual([
      "0 B",
      "1 KiB",
    ]);
  });
  it("choose a vertical range that is never empty", () => {
    expect(valueRange(null, null)).toEqual([0, 1]);
    expect(valueRange(0, 0)).toEqual([0, 1]);
    expect(valueRange(0, 0.4, 1)).toEqual([0, 1]);
    expect(valueRange(0, 1.5, 1)[1]).toBeGreaterThan(1.5);
    const [low, high] = valueRange(100, 101);
    expect(low).toBeGreaterThan(90);
    expect(high).toBeGreaterThan(101);
    const flat = valueRange(5, 5);
    expect(flat[0]).toBeLessThan(flat[1]);
    expect(valueRange(-3, 4)[0]).toBeLessThan(-3);
  });
  it("write the date where the day changes", () => {
    const midnight = Date.UTC(2026, 0, 2) / 1000;
    expect(timeTicks([midnight - 600, midnight], 3600, "utc")).toEqual(["23:50", "01-02 00:00"]);
    expect(timeTicks([midnight + 1], 60, "utc")).toEqual(["00:00:01"]);
  });
  it("make room for the longest label", () => {
    expect(axisWidth(["0", "1.25 GiB/s"])).toBeGreaterThan(axisWidth(["0", "1"]));
    expect(axisWidth(null)).toBe(30);
  });
  it("mix colours with alpha", () => {
    expect(withAlpha("#ff0080", 0.5)).toBe("rgba(255, 0, 128, 0.5)");
    expect(withAlpha("red", 0.5)).toBe("red");
  });
});

describe("summary", () => {
  it("says the chart in words", () => {
    const frame = toFrame(matrix, window, 10, "{{mode}}");
    const words = summarise("CPU", frame, "none", "utc");
    expect(words).toContain("CPU: 2 series from 1970-01-01 00:16 to 1970-01-01 00:17");
    expect(words).toContain("user: last 3, lowest 1, highest 3 at 00:17:10");
    expect(summarise("CPU", { t: [], series: [] }, "none", "utc")).toBe("CPU: no data in this time range.");
  });
});
