import { describe, expect, it } from "vitest";
import { colorIndex, colorIndices, colorMap, hashText, labelKey, seriesColors } from "./color";

describe("series colours", () => {
  it("follow the label set, not its order or position", () => {
    expect(labelKey({ b: "2", a: "1", __name__: "m" })).toBe(labelKey({ __name__: "m", a: "1", b: "2" }));
    const forward = colorIndices(["x", "y", "z"]);
    const backward = colorIndices(["z", "y", "x"]).reverse();
    expect(forward).toEqual(backward);
  });
  it("are the same in every session", () => {
    expect(hashText("checkout")).toBe(hashText("checkout"));
    expect(hashText("")).toBeGreaterThanOrEqual(0);
  });
  it("differ within a chart while there are colours", () => {
    const keys = Array.from({ length: seriesColors }, (_, i) => `series ${i}`);
    expect(new Set(colorIndices(keys)).size).toBe(seriesColors);
    expect(new Set(colorMap(keys).values()).size).toBe(seriesColors);
  });
  it("stay in range beyond that", () => {
    const many = Array.from({ length: 100 }, (_, i) => `s${i}`);
    for (const i of colorIndices(many)) expect(i).toBeLessThan(seriesColors);
  });
  it("spread evenly", () => {
    const counts = new Array(seriesColors).fill(0);
    for (let i = 0; i < 12_000; i++) counts[colorIndex(`service-${i}`)]++;
    for (const c of counts) expect(Math.abs(c - 12_000 / seriesColors)).toBeLessThan(200);
  });
  it("quote label values", () => {
    expect(labelKey({ path: 'a"b' })).toBe('{path="a\\"b"}');
    expect(labelKey({})).toBe("{}");
    expect(labelKey({ __name__: "up" })).toBe("up");
  });
});
