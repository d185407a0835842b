/** OpenTelemetry severity numbers run from 1 to 24 in six groups of four; 0 is a sender that did not say. */
export const severityNames = ["unset", "trace", "debug", "info", "warn", "error", "fatal"] as const;
export type Severity = (typeof severityNames)[number];

/** The group of a severity number, or of a text when the number is missing. */
export function severityOf(number: number | undefined, text: string | undefined): Severity {
  if (number !== undefined && number >= 1 && number <= 24) {
    return severityNames[Math.floor((number - 1) / 4) + 1] ?? "info";
  }
  const t = (text ?? "").toLowerCase();
  if (/^(fatal|crit|alert|emerg|panic)/.test(t)) return "fatal";
  if (/^err/.test(t)) return "error";
  if (/^warn/.test(t)) return "warn";
  if (/^debug/.test(t)) return "debug";
  if (/^trace/.test(t)) return "trace";
  if (/^(info|notice)/.test(t)) return "info";
  return "unset";
}

export function severityToken(severity: Severity): string {
  return `--sev-${severity}`;
}
