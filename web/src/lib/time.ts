/** A time range as written in the URL: "now-1h" … "now", Unix seconds or milliseconds, RFC 3339, or "2026-11-22 14:00". */
export interface TimeRange {
  from: string;
  to: string;
}

/** A range resolved against one reading of the clock; unix milliseconds, start < end. */
export interface TimeWindow {
  startMs: number;
  endMs: number;
}

export type Zone = "local" | "utc";

export const defaultRange: TimeRange = { from: "now-1h", to: "now" };

export const relativePresets: readonly { from: string; label: string }[] = [
  { from: "now-5m", label: "Last 5 minutes" },
  { from: "now-15m", label: "Last 15 minutes" },
  { from: "now-30m", label: "Last 30 minutes" },
  { from: "now-1h", label: "Last 1 hour" },
  { from: "now-3h", label: "Last 3 hours" },
  { from: "now-6h", label: "Last 6 hours" },
  { from: "now-12h", label: "Last 12 hours" },
  { from: "now-24h", label: "Last 24 hours" },
  { from: "now-2d", label: "Last 2 days" },
  { from: "now-7d", label: "Last 7 days" },
  { from: "now-30d", label: "Last 30 days" },
];

const unitMs: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
};

/** Parses "90s", "1h30m", "250ms" into milliseconds; undefined when it is not a duration. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (!/^(\d+(\.\d+)?(ms|[smhdwy]))+$/.test(trimmed)) return undefined;
  let total = 0;
  for (const match of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwy])/g)) {
    total += Number(match[1]) * (unitMs[match[2] ?? ""] ?? 0);
  }
  return total;
}

/** Parses one end of a range to unix milliseconds; undefined when it is not a time. */
export function parseTime(text: string, nowMs: number, zone: Zone = "local"): number | undefined {
  const t = text.trim();
  if (t === "now") return nowMs;
  const relative = /^now\s*([-+])\s*(\S+)$/.exec(t);
  if (relative) {
    const delta = parseDuration(relative[2] ?? "");
    if (delta === undefined) return undefined;
    return relative[1] === "-" ? nowMs - delta : nowMs + delta;
  }
  if (/^\d{9,10}(\.\d+)?$/.test(t)) return Math.round(Number(t) * 1000);
  if (/^\d{12,13}$/.test(t)) return Number(t);
  const plain = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(\.\d{1,3})?)?)?$/.exec(t);
  if (plain) return parsePlain(plain, zone);
  if (!/^\d{4}-\d{2}-\d{2}T/.test(t)) return undefined;
  const parsed = Date.parse(t);
  return Number.isNaN(parsed) ? undefined : parsed;
}

function parsePlain(match: RegExpExecArray, zone: Zone): number | undefined {
  const part = (i: number) => Number(match[i] ?? "0");
  const month = part(2);
  const day = part(3);
  if (month < 1 || month > 12 || day < 1 || day > 31 || part(4) > 23 || part(5) > 59 || part(6) > 59) return undefined;
  const ms = match[7] ? Math.round(Number(match[7]) * 1000) : 0;
  const args: [number, number, number, number, number, number, number] = [
    part(1),
    month - 1,
    day,
    part(4),
    part(5),
    part(6),
    ms,
  ];
  return zone === "utc" ? Date.UTC(...args) : new Date(...args).getTime();
}

/** Resolves a range; undefined when an end does not parse or the range is empty or backwards. */
export function resolveRange(range: TimeRange, nowMs: number, zone: Zone = "local"): TimeWindow | undefined {
  const startMs = parseTime(range.from, nowMs, zone);
  const endMs = parseTime(range.to, nowMs, zone);
  if (startMs === undefined || endMs === undefined || startMs >= endMs) return undefined;
  return { startMs, endMs };
}

export function isRelative(range: TimeRange): boolean {
  return range.from.startsWith("now") || range.to.startsWith("now");
}

/** The range that covers exactly this window, in unix milliseconds. */
export function absoluteRange(window: TimeWindow): TimeRange {
  return { from: String(Math.round(window.startMs)), to: String(Math.round(window.endMs)) };
}

/** Moves the window by half of its length; direction -1 is to the past. */
export function shiftWindow(window: TimeWindow, direction: -1 | 1): TimeWindow {
  const half = (window.endMs - window.startMs) / 2;
  return { startMs: window.startMs + direction * half, endMs: window.endMs + direction * half };
}

/** Doubles the window about its middle, and never reaches beyond now. */
export function zoomOut(window: TimeWindow, nowMs: number): TimeWindow {
  const length = window.endMs - window.startMs;
  const endMs = Math.min(window.endMs + length / 2, Math.max(nowMs, window.endMs));
  return { startMs: endMs - 2 * length, endMs };
}

/** Query step in seconds: about maxPoints points over the window, rounded up to a step people know, never below 1 s. */
export function niceStep(window: TimeWindow, maxPoints: number): number {
  const ideal = (window.endMs - window.startMs) / 1000 / Math.max(maxPoints, 1);
  const steps = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
  return steps.find((step) => step >= ideal) ?? Math.ceil(ideal / 86_400) * 86_400;
}

/** Length of the look-back for rate(): four steps, and not under a minute so that slow senders still have two points. */
export function rateWindow(stepSeconds: number): string {
  return `${Math.max(60, stepSeconds * 4)}s`;
}

export function zoneName(zone: Zone): string {
  return zone === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone || "local";
}

/** Offset of the zone from UTC at that time, like "UTC+02:00". */
export function zoneOffset(zone: Zone, atMs: number): string {
  if (zone === "utc") return "UTC";
  const minutes = -new Date(atMs).getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const abs = Math.abs(minutes);
  const pad = (n: number) => String(n).padStart(2, "0");
  return `UTC${minutes < 0 ? "−" : "+"}${pad(Math.floor(abs / 60))}:${pad(abs % 60)}`;
}

interface Parts {
  y: number;
  mo: number;
  d: number;
  h: number;
  mi: number;
  s: number;
  ms: number;
}

function parts(ms: number, zone: Zone): Parts {
  const t = new Date(ms);
  if (zone === "utc") {
    return {
      y: t.getUTCFullYear(),
      mo: t.getUTCMonth() + 1,
      d: t.getUTCDate(),
      h: t.getUTCHours(),
      mi: t.getUTCMinutes(),
      s: t.getUTCSeconds(),
      ms: t.getUTCMilliseconds(),
    };
  }
  return {
    y: t.getFullYear(),
    mo: t.getMonth() + 1,
    d: t.getDate(),
    h: t.getHours(),
    mi: t.getMinutes(),
    s: t.getSeconds(),
    ms: t.getMilliseconds(),
  };
}

const two = (n: number) => String(n).padStart(2, "0");

export type TimeStyle = "full" | "minute" | "time" | "time-ms" | "full-ms";

/** Formats unix milliseconds in the zone; one form everywhere, so that times can be compared by eye. */
export function formatTime(ms: number, zone: Zone, style: TimeStyle = "full"): string {
  if (!Number.isFinite(ms)) return "–";
  const p = parts(ms, zone);
  const date = `${p.y}-${two(p.mo)}-${two(p.d)}`;
  const clock = `${two(p.h)}:${two(p.mi)}:${two(p.s)}`;
  const milli = String(p.ms).padStart(3, "0");
  switch (style) {
    case "minute":
      return `${date} ${two(p.h)}:${two(p.mi)}`;
    case "time":
      return clock;
    case "time-ms":
      return `${clock}.${milli}`;
    case "full-ms":
      return `${date} ${clock}.${milli}`;
    default:
      return `${date} ${clock}`;
  }
}

/** "12 s ago", "in 3 min"; one unit, rounded down. */
export function formatAgo(ms: number, nowMs: number): string {
  const delta = nowMs - ms;
  const abs = Math.abs(delta);
  const [value, unit] =
    abs < 60_000
      ? [Math.floor(abs / 1000), "s"]
      : abs < 3_600_000
        ? [Math.floor(abs / 60_000), "min"]
        : abs < 172_800_000
          ? [Math.floor(abs / 3_600_000), "h"]
          : [Math.floor(abs / 86_400_000), "d"];
  if (abs < 1000) return "now";
  return delta >= 0 ? `${value} ${unit} ago` : `in ${value} ${unit}`;
}

/** Words for a range, as the picker shows it. */
export function describeRange(range: TimeRange, nowMs: number, zone: Zone): string {
  const preset = relativePresets.find((p) => p.from === range.from && range.to === "now");
  if (preset) return preset.label;
  if (range.to === "now" && range.from.startsWith("now-")) return `Last ${range.from.slice(4)}`;
  const window = resolveRange(range, nowMs, zone);
  if (!window) return "Invalid range";
  const sameDay = formatTime(window.startMs, zone).slice(0, 10) === formatTime(window.endMs, zone).slice(0, 10);
  const start = formatTime(window.startMs, zone);
  return `${start} → ${formatTime(window.endMs, zone, sameDay ? "time" : "full")}`;
}
