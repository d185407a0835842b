import type { LogFilter } from "@/api/types";
import type { LogsSearch } from "@/app/router";

/** The part of a log filter that the page chooses; the window comes from the time picker. */
export type LogChoice = Omit<LogFilter, "start" | "end">;

export function fromSearch(s: LogsSearch): LogChoice {
  return { query: s.q, service: s.service, host: s.host, severity_min: s.severity, trace_id: s.trace };
}

/** Adds a value to a list of chosen values, or takes it out. */
export function toggled(chosen: readonly string[] | undefined, value: string): string[] | undefined {
  const set = new Set(chosen);
  if (!set.delete(value)) set.add(value);
  return set.size > 0 ? [...set].sort() : undefined;
}
