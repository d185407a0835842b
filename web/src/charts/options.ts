import type uPlot from "uplot";
import { formatTime, type Zone } from "@/lib/time";
import { formatValue, type Unit } from "@/lib/units";

export type ChartKind = "line" | "area" | "stack" | "bars";

/** Colours as resolved text: a canvas cannot read CSS variables. */
export interface ChartTheme {
  grid: string;
  axis: string;
  cursor: string;
  font: string;
  fill: number;
}

export interface LineSpec {
  label: string;
  color: string;
  hidden?: boolean;
}

export interface OptionsInput {
  width: number;
  height: number;
  kind: ChartKind;
  unit: Unit;
  zone: Zone;
  lines: readonly LineSpec[];
  /** Unix seconds; the page owns the range, not the data. */
  range: { start: number; end: number };
  theme: ChartTheme;
  /** Upper end of the axis that is always shown, e.g. 1 for a ratio of a whole. */
  max?: number;
  syncKey?: string;
  axes?: boolean;
  bars?: uPlot.Series.PathBuilder;
}

/** Colour with an alpha channel, from #rrggbb. */
export function withAlpha(hex: string, alpha: number): string {
  const m = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(hex.trim());
  if (!m) return hex;
  const [r, g, b] = [m[1], m[2], m[3]].map((h) => Number.parseInt(h ?? "0", 16));
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

/** Vertical range: from zero unless the values are far from it, a little air above, never empty. */
export function valueRange(min: number | null, max: number | null, fixedMax?: number): [number, number] {
  const low = min ?? 0;
  const high = Math.max(max ?? 0, fixedMax ?? Number.NEGATIVE_INFINITY);
  if (low >= 0 && (fixedMax !== undefined || low <= high * 0.7)) {
    if (high === 0) return [0, fixedMax ?? 1];
    return [0, fixedMax !== undefined && high <= fixedMax ? fixedMax : high * 1.08];
  }
  const span = high - low || Math.abs(high) || 1;
  return [low - span * 0.1, high + span * 0.1];
}

/** Steps of a byte axis are powers of two, so that its ticks are round in the unit that is printed. */
export function tickIncrements(unit: Unit): number[] | undefined {
  if (unit === "bytes" || unit === "bytes/s") {
    return Array.from({ length: 52 }, (_, i) => 2 ** i);
  }
  return undefined;
}

/** Labels of the time axis: clock inside a day, with the date where the day changes. */
export function timeTicks(splits: readonly number[], spanSeconds: number, zone: Zone): string[] {
  let lastDay = "";
  return splits.map((s, i) => {
    const full = formatTime(s * 1000, zone);
    const day = full.slice(5, 10);
    const clock = spanSeconds <= 600 ? full.slice(11) : full.slice(11, 16);
    const changed = i > 0 && day !== lastDay;
    lastDay = day;
    if (spanSeconds > 3 * 86_400) return clock === "00:00" ? day : `${day} ${clock}`;
    return changed ? `${day} ${clock}` : clock;
  });
}

/** Width of the value axis for its longest label, px; 11 px digits are about 6.2 px wide. */
export function axisWidth(labels: readonly string[] | null): number {
  const longest = (labels ?? []).reduce((m, l) => Math.max(m, l?.length ?? 0), 0);
  return Math.max(30, Math.ceil(longest * 6.2) + 12);
}

/** Options of uPlot for one chart; the same input gives the same options, and nothing here touches the page. */
export function buildOptions(input: OptionsInput): uPlot.Options {
  const { theme, unit, zone, kind, lines } = input;
  const axisFont = `11px ${theme.font}`;
  const axis = { stroke: theme.axis, font: axisFont, grid: { stroke: theme.grid, width: 1 }, ticks: { show: false } };
  const filled = kind === "area" || kind === "stack";
  const series: uPlot.Series[] = [
    {},
    ...lines.map(
      (line): uPlot.Series => ({
        label: line.label,
        show: !line.hidden,
        stroke: line.color,
        width: kind === "bars" ? 0 : kind === "stack" ? 1 : 1.5,
        fill: filled
          ? withAlpha(line.color, kind === "stack" ? 0.45 : theme.fill)
          : kind === "bars"
            ? line.color
            : undefined,
        paths: kind === "bars" ? input.bars : undefined,
        points: { show: (_u, _i, from, to) => to - from <= 1 && kind !== "bars", size: 4 },
        spanGaps: false,
      }),
    ),
  ];
  const increments = tickIncrements(unit);
  return {
    width: input.width,
    height: input.height,
    padding: [8, 10, 0, 0],
    legend: { show: false },
    series,
    bands:
      kind === "stack" ? lines.slice(1).map((_, i) => ({ series: [i + 1, i + 2] as [number, number] })) : undefined,
    scales: {
      x: { time: true, range: () => [input.range.start, input.range.end] },
      y: {
        range: (_u, min, max) => valueRange(kind === "stack" || kind === "bars" ? 0 : min, max, input.max),
      },
    },
    axes:
      input.axes === false
        ? [{ show: false }, { show: false }]
        : [
            {
              ...axis,
              space: 64,
              size: 20,
              gap: 4,
              values: (_u, splits) => timeTicks(splits, input.range.end - input.range.start, zone),
            },
            {
              ...axis,
              size: (_u, labels) => axisWidth(labels),
              gap: 6,
              space: 30,
              ...(increments ? { incrs: increments } : {}),
              values: (_u, splits) => splits.map((v) => formatValue(v, unit)),
            },
          ],
    cursor: {
      drag: { x: true, y: false, setScale: false, dist: 6 },
      points: { size: 6, width: 1.5 },
      ...(input.syncKey ? { sync: { key: input.syncKey, setSeries: false } } : {}),
    },
  };
}
