import { formatTime, type Zone } from "@/lib/time";
import { formatValue, type Unit } from "@/lib/units";
import { type Frame, seriesStats } from "./frame";

/** At most so many series are spoken of; more is a list, not a summary. */
const spoken = 4;

/** The chart in words, for those who do not see it. */
export function summarise(title: string, frame: Frame, unit: Unit, zone: Zone): string {
  if (frame.series.length === 0) return `${title}: no data in this time range.`;
  const from = formatTime((frame.t[0] ?? 0) * 1000, zone, "minute");
  const to = formatTime((frame.t.at(-1) ?? 0) * 1000, zone, "minute");
  const withStats = frame.series
    .map((s) => ({ label: s.label, stats: seriesStats(frame.t, s.values) }))
    .filter((s) => s.stats.points > 0)
    .sort((a, b) => (b.stats.max ?? 0) - (a.stats.max ?? 0));
  const lines = withStats.slice(0, spoken).map(({ label, stats }) => {
    const at = stats.maxAt === null ? "" : ` at ${formatTime(stats.maxAt * 1000, zone, "time")}`;
    return `${label}: last ${formatValue(stats.last, unit)}, lowest ${formatValue(stats.min, unit)}, highest ${formatValue(stats.max, unit)}${at}`;
  });
  const rest = withStats.length > spoken ? ` and ${withStats.length - spoken} more` : "";
  const count = `${frame.series.length} ${frame.series.length === 1 ? "series" : "series"}`;
  return `${title}: ${count} from ${from} to ${to}. ${lines.join(". ")}${rest}.`;
}
