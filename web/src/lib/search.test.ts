import { describe, expect, it } from "vitest";
import { flag, list, oneOf, parseSearch, stringifySearch, text } from "./search";

describe("URL state", () => {
  it("survives a round trip", () => {
    const search = { from: "now-1h", to: "now", expr: ['sum(rate(x{a="b"}[5m]))', "up"], q: "1" };
    expect(parseSearch(stringifySearch(search))).toEqual(search);
  });
  it("keeps numbers as text and repeated keys as lists", () => {
    expect(parseSearch("?q=1&service=a&service=b")).toEqual({ q: "1", service: ["a", "b"] });
  });
  it("leaves out what is not set", () => {
    expect(stringifySearch({ a: undefined, b: "", c: null, d: false, e: [] })).toBe("");
    expect(stringifySearch({ live: true })).toBe("?live=1");
  });
  it("keeps spaces, plus signs and ampersands apart", () => {
    const search = { q: "a+b & c=d%20" };
    expect(parseSearch(stringifySearch(search))).toEqual(search);
  });
  it("reads typed values and refuses others", () => {
    const s = parseSearch("?tab=logs&live=1&x=&n=a&n=b");
    expect(oneOf(s, "tab", ["logs", "charts"])).toBe("logs");
    expect(oneOf(s, "tab", ["charts"])).toBeUndefined();
    expect(flag(s, "live")).toBe(true);
    expect(flag(s, "tab")).toBeUndefined();
    expect(text(s, "x")).toBeUndefined();
    expect(text(s, "n")).toBe("a");
    expect(list(s, "n")).toEqual(["a", "b"]);
    expect(list(s, "none")).toBeUndefined();
  });
});
