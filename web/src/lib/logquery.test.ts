import { describe, expect, it } from "vitest";
import { formatTerm, highlight, parseLogQuery } from "./logquery";

describe("parseLogQuery", () => {
  it("reads words, phrases and exclusions", () => {
    expect(parseLogQuery('timeout "payment failed" -debug -"health check"').terms).toEqual([
      { text: "timeout", negated: false, phrase: false },
      { text: "payment failed", negated: false, phrase: true },
      { text: "debug", negated: true, phrase: false },
      { text: "health check", negated: true, phrase: true },
    ]);
  });
  it("takes a lone dash and dashes inside words as text", () => {
    expect(parseLogQuery("- a-b").terms.map((t) => [t.text, t.negated])).toEqual([
      ["-", false],
      ["a-b", false],
    ]);
  });
  it("unescapes quotes", () => {
    expect(parseLogQuery('"say \\"no\\""').terms[0]?.text).toBe('say "no"');
  });
  it("says that a quote is open", () => {
    expect(parseLogQuery('ok "open').problem).toMatch(/not closed/);
    expect(parseLogQuery("").terms).toEqual([]);
  });
  it("reads back what it writes", () => {
    for (const term of [
      { text: "plain", negated: false, phrase: false },
      { text: 'a "b" \\c', negated: true, phrase: true },
      { text: "-x", negated: false, phrase: true },
    ]) {
      expect(parseLogQuery(formatTerm(term)).terms).toEqual([term]);
    }
  });
});

describe("highlight", () => {
  const hits = (text: string, query: string) =>
    highlight(text, parseLogQuery(query).terms)
      .map((p) => (p.hit ? `[${p.text}]` : p.text))
      .join("");
  it("marks terms without regard to case", () =>
    expect(hits("Payment FAILED twice", "failed payment")).toBe("[Payment] [FAILED] twice"));
  it("joins overlaps", () => expect(hits("abcdef", "abcd cdef")).toBe("[abcdef]"));
  it("leaves exclusions unmarked", () => expect(hits("a b", "-a b")).toBe("a [b]"));
  it("keeps the text whole", () => {
    const text = `${"x".repeat(50)}ERR${"y".repeat(50)}`;
    expect(
      highlight(text, parseLogQuery("err x").terms)
        .map((p) => p.text)
        .join(""),
    ).toBe(text);
  });
});
