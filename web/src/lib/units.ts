/** What a number measures; every number on screen is formatted through one of these. */
export type Unit =
  | "bytes"
  | "bytes/s"
  | "ratio"
  | "seconds"
  | "ms"
  | "count"
  | "count/s"
  | "none"
  | "packets/s"
  | "celsius";

const missing = "–";

function trim(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return digits > 0 ? text.replace(/\.?0+$/, "") : text;
}

/** Three significant digits at most, without exponents in the range people read. */
function significant(value: number): string {
  const abs = Math.abs(value);
  if (abs === 0) return "0";
  if (abs >= 100) return trim(value, 0);
  if (abs >= 10) return trim(value, 1);
  if (abs >= 1) return trim(value, 2);
  if (abs >= 0.1) return trim(value, 2);
  if (abs >= 0.001) return trim(value, 3);
  return value.toExponential(1);
}

function scaled(value: number, base: number, names: readonly string[]): { text: string; unit: string } {
  let v = value;
  let i = 0;
  while (Math.abs(v) >= base && i < names.length - 1) {
    v /= base;
    i++;
  }
  // 1023.7 would be printed as 1024 of the smaller unit.
  if (Math.abs(Number(significant(v))) >= base && i < names.length - 1) {
    v /= base;
    i++;
  }
  return { text: significant(v), unit: names[i] ?? "" };
}

const byteNames = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
const countNames = ["", "k", "M", "G", "T"] as const;

export function formatDurationMs(ms: number): string {
  if (!Number.isFinite(ms)) return missing;
  const abs = Math.abs(ms);
  if (abs === 0) return "0 ms";
  if (abs < 0.001) return `${significant(ms * 1e6)} ns`;
  if (abs < 1) return `${significant(ms * 1000)} µs`;
  if (abs < 1000) return `${significant(ms)} ms`;
  if (abs < 60_000) return `${significant(ms / 1000)} s`;
  if (abs < 3_600_000) return pair(ms, 60_000, "min", 1000, "s");
  if (abs < 86_400_000) return pair(ms, 3_600_000, "h", 60_000, "min");
  return pair(ms, 86_400_000, "d", 3_600_000, "h");
}

function pair(ms: number, big: number, bigName: string, small: number, smallName: string): string {
  const sign = ms < 0 ? "−" : "";
  const abs = Math.abs(ms);
  const whole = Math.floor(abs / big);
  const rest = Math.floor((abs - whole * big) / small);
  return rest > 0 ? `${sign}${whole} ${bigName} ${rest} ${smallName}` : `${sign}${whole} ${bigName}`;
}

/** Formats a value with its unit; "–" for a value that is not there. */
export function formatValue(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || Number.isNaN(value)) return missing;
  if (!Number.isFinite(value)) return value > 0 ? "+∞" : "−∞";
  switch (unit) {
    case "bytes":
    case "bytes/s": {
      const s = scaled(value, 1024, byteNames);
      return `${s.text} ${s.unit}${unit === "bytes/s" ? "/s" : ""}`;
    }
    case "ratio":
      return `${significant(value * 100)} %`;
    case "seconds":
      return formatDurationMs(value * 1000);
    case "ms":
      return formatDurationMs(value);
    case "celsius":
      return `${significant(value)} °C`;
    case "count/s":
    case "packets/s": {
      const s = scaled(value, 1000, countNames);
      return `${s.text}${s.unit}${unit === "packets/s" ? " pkt" : ""}/s`;
    }
    case "count":
    case "none": {
      const s = scaled(value, 1000, countNames);
      return `${s.text}${s.unit}`;
    }
  }
}

/** Whole numbers with spaces between thousands; for counts where each one matters (the ledger). */
export function formatInteger(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return missing;
  return String(Math.trunc(value)).replace(/\B(?=(\d{3})+(?!\d))/g, "\u00a0");
}

/** Guesses the unit of a Prometheus metric or expression from OpenMetrics suffixes and functions. */
export function guessUnit(expr: string): Unit {
  const isRate = /\b(i?rate|deriv)\s*\(/.test(expr);
  if (/_ratio\b|_ratio\{/.test(expr) && !isRate) return "ratio";
  if (/_bytes(_total|_sum)?\b/.test(expr)) return /\bcount\b/.test(expr) ? "count" : isRate ? "bytes/s" : "bytes";
  if (/histogram_quantile/.test(expr) && /_seconds/.test(expr)) return "seconds";
  if (/_milliseconds(_sum)?\b/.test(expr) && !isRate) return "ms";
  if (/_seconds(_sum)?\b/.test(expr) && !isRate && !/_total/.test(expr)) return "seconds";
  if (/_celsius\b/.test(expr)) return "celsius";
  return isRate ? (/_seconds_total/.test(expr) ? "none" : "count/s") : "none";
}
