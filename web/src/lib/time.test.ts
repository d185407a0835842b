import { describe, expect, it } from "vitest";
import {
  describeRange,
  formatAgo,
  formatTime,
  isRelative,
  niceStep,
  parseDuration,
  parseTime,
  rateWindow,
  resolveRange,
  shiftWindow,
  zoomOut,
} from "./time";

const now = Date.UTC(2026, 10, 22, 14, 30, 0);

describe("parseDuration", () => {
  it("adds up units", () => {
    expect(parseDuration("90s")).toBe(90_000);
    expect(parseDuration("1h30m")).toBe(5_400_000);
    expect(parseDuration("250ms")).toBe(250);
    expect(parseDuration("1.5h")).toBe(5_400_000);
    expect(parseDuration("2w")).toBe(1_209_600_000);
  });
  it("refuses what is not a duration", () => {
    for (const text of ["", "5", "m", "5 m", "-5m", "5x", "1h-3m", "now"]) expect(parseDuration(text)).toBeUndefined();
  });
});

describe("parseTime", () => {
  it("reads now and offsets from it", () => {
    expect(parseTime("now", now)).toBe(now);
    expect(parseTime("now-15m", now)).toBe(now - 900_000);
    expect(parseTime(" now - 1h30m ", now)).toBe(now - 5_400_000);
    expect(parseTime("now+5m", now)).toBe(now + 300_000);
  });
  it("reads Unix seconds, milliseconds and RFC 3339", () => {
    expect(parseTime("1795357800", now)).toBe(1_795_357_800_000);
    expect(parseTime("1795357800.25", now)).toBe(1_795_357_800_250);
    expect(parseTime("1795357800123", now)).toBe(1_795_357_800_123);
    expect(parseTime("2026-11-22T14:30:00+02:00", now)).toBe(Date.UTC(2026, 10, 22, 12, 30));
  });
  it("reads plain dates in the chosen zone", () => {
    expect(parseTime("2026-11-22 14:30", now, "utc")).toBe(now);
    expect(parseTime("2026-11-22", now, "utc")).toBe(Date.UTC(2026, 10, 22));
    expect(parseTime("2026-11-22T14:30:05.5", now, "utc")).toBe(now + 5_500);
    expect(parseTime("2026-11-22 14:30", now, "local")).toBe(new Date(2026, 10, 22, 14, 30).getTime());
  });
  it("refuses nonsense", () => {
    for (const text of ["", "yesterday", "now-", "now-5", "2026-13-01", "2026-01-40", "2026-01-01 25:00", "12"]) {
      expect(parseTime(text, now), text).toBeUndefined();
    }
  });
});

describe("ranges", () => {
  it("resolve only forwards", () => {
    expect(resolveRange({ from: "now-1h", to: "now" }, now)).toEqual({ startMs: now - 3_600_000, endMs: now });
    expect(resolveRange({ from: "now", to: "now-1h" }, now)).toBeUndefined();
    expect(resolveRange({ from: "now", to: "now" }, now)).toBeUndefined();
    expect(resolveRange({ from: "x", to: "now" }, now)).toBeUndefined();
  });
  it("know whether they move", () => {
    expect(isRelative({ from: "now-1h", to: "now" })).toBe(true);
    expect(isRelative({ from: "1795357800", to: "1795361400" })).toBe(false);
  });
  it("shift by half and zoom out about the middle, never past now", () => {
    const w = { startMs: 1000, endMs: 3000 };
    expect(shiftWindow(w, -1)).toEqual({ startMs: 0, endMs: 2000 });
    expect(zoomOut(w, 10_000)).toEqual({ startMs: 0, endMs: 4000 });
    expect(zoomOut(w, 3000)).toEqual({ startMs: -1000, endMs: 3000 });
  });
  it("have names", () => {
    expect(describeRange({ from: "now-6h", to: "now" }, now, "utc")).toBe("Last 6 hours");
    expect(describeRange({ from: "now-90m", to: "now" }, now, "utc")).toBe("Last 90m");
    expect(describeRange({ from: String(now - 60_000), to: String(now) }, now, "utc")).toBe(
      "2026-11-22 14:29:00 → 14:30:00",
    );
    expect(describeRange({ from: "?", to: "now" }, now, "utc")).toBe("Invalid range");
  });
});

describe("steps", () => {
  it("are round and give at most the wanted points", () => {
    for (const hours of [0.05, 1, 7, 24, 200, 9000]) {
      const w = { startMs: 0, endMs: hours * 3_600_000 };
      const step = niceStep(w, 240);
      expect((hours * 3600) / step).toBeLessThanOrEqual(240);
      expect(step).toBeGreaterThanOrEqual(1);
    }
    expect(niceStep({ startMs: 0, endMs: 3_600_000 }, 240)).toBe(15);
  });
  it("give rate windows that hold two samples of a slow sender", () => {
    expect(rateWindow(5)).toBe("60s");
    expect(rateWindow(300)).toBe("1200s");
  });
});

describe("formats", () => {
  it("are the same everywhere", () => {
    expect(formatTime(now, "utc")).toBe("2026-11-22 14:30:00");
    expect(formatTime(now + 7, "utc", "time-ms")).toBe("14:30:00.007");
    expect(formatTime(Number.NaN, "utc")).toBe("–");
  });
  it("say how long ago", () => {
    expect(formatAgo(now - 300, now)).toBe("now");
    expect(formatAgo(now - 12_300, now)).toBe("12 s ago");
    expect(formatAgo(now - 3_599_000, now)).toBe("59 min ago");
    expect(formatAgo(now + 120_000, now)).toBe("in 2 min");
    expect(formatAgo(now - 47 * 3_600_000, now)).toBe("47 h ago");
  });
});
