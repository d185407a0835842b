import { type MatrixSeries, parseSample } from "@/api/prom";
import { labelKey } from "@/lib/color";

/** One line of a chart: values on the grid of its frame, null where there is no sample. */
export interface FrameSeries {
  /** What the colour follows: the label set, so that a series keeps its colour wherever it appears. */
  key: string;
  label: string;
  values: (number | null)[];
}

/** Columns on one time grid; t in unix seconds, ascending, as uPlot wants it. */
export interface Frame {
  t: number[];
  series: FrameSeries[];
}

/** Fills "{{label}}" placeholders; without a template the whole label set is the name. */
export function seriesName(metric: Record<string, string>, template?: string): string {
  if (!template) return labelKey(metric);
  const name = template.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => metric[label] ?? "");
  return name.trim() || labelKey(metric);
}

/** Puts a range result onto its grid of start, start+step … end; samples off the grid go to the nearest point. */
export function toFrame(
  series: readonly MatrixSeries[],
  window: { startMs: number; endMs: number },
  stepSeconds: number,
  template?: string,
): Frame {
  const start = window.startMs / 1000;
  const length = Math.max(1, Math.round((window.endMs / 1000 - start) / stepSeconds) + 1);
  const t = Array.from({ length }, (_, i) => start + i * stepSeconds);
  const lines = series
    .filter((s) => s.values !== undefined)
    .map((s) => {
      const values = new Array<number | null>(length).fill(null);
      for (const [at, text] of s.values ?? []) {
        const i = Math.round((at - start) / stepSeconds);
        const v = parseSample(text);
        if (i >= 0 && i < length && Number.isFinite(v)) values[i] = v;
      }
      return { key: labelKey(s.metric), label: seriesName(s.metric, template), values };
    });
  return { t, series: lines };
}

/** Joins frames that share a grid; frames on another grid are laid onto the first one's. */
export function mergeFrames(frames: readonly Frame[]): Frame {
  const first = frames[0];
  if (!first) return { t: [], series: [] };
  const index = new Map(first.t.map((t, i) => [t, i]));
  const series = frames.flatMap((frame) => {
    if (frame.t.length === first.t.length && frame.t[0] === first.t[0]) return frame.series;
    return frame.series.map((s) => {
      const values = new Array<number | null>(first.t.length).fill(null);
      frame.t.forEach((t, i) => {
        const at = index.get(t);
        if (at !== undefined) values[at] = s.values[i] ?? null;
      });
      return { ...s, values };
    });
  });
  return { t: first.t, series };
}

/** Running sums from the last series up, so that the first series is on top; a missing value counts as nothing. */
export function stack(series: readonly FrameSeries[]): (number | null)[][] {
  const length = series[0]?.values.length ?? 0;
  const sums = new Array<number>(length).fill(0);
  const result: (number | null)[][] = [];
  for (const s of [...series].reverse()) {
    result.unshift(
      s.values.map((v, i) => {
        if (v === null && series.every((other) => other.values[i] === null)) return null;
        sums[i] = (sums[i] ?? 0) + (v ?? 0);
        return sums[i] ?? null;
      }),
    );
  }
  return result;
}

export interface SeriesStats {
  last: number | null;
  min: number | null;
  max: number | null;
  avg: number | null;
  maxAt: number | null;
  points: number;
}

export function seriesStats(t: readonly number[], values: readonly (number | null)[]): SeriesStats {
  const stats: SeriesStats = { last: null, min: null, max: null, avg: null, maxAt: null, points: 0 };
  let sum = 0;
  values.forEach((v, i) => {
    if (v === null) return;
    stats.points++;
    sum += v;
    stats.last = v;
    if (stats.min === null || v < stats.min) stats.min = v;
    if (stats.max === null || v > stats.max) {
      stats.max = v;
      stats.maxAt = t[i] ?? null;
    }
  });
  stats.avg = stats.points > 0 ? sum / stats.points : null;
  return stats;
}

/** Puts series with listed names first, in that order; the rest keep theirs. */
export function orderSeries(frame: Frame, order: readonly string[] | undefined): Frame {
  if (!order) return frame;
  const rank = (s: FrameSeries) => {
    const i = order.indexOf(s.label);
    return i < 0 ? order.length : i;
  };
  return { t: frame.t, series: [...frame.series].sort((a, b) => rank(a) - rank(b)) };
}
