import type uPlot from "uplot";
import { type ChartTheme, withAlpha } from "./options";

/** What is drawn behind the lines of a chart: the band in which values were expected, and moments. */
export interface Overlay {
  low?: number | null;
  high?: number | null;
  marks?: readonly { at: number; label: string }[];
}

/** The part of the plot that a band covers, in pixels from its top; a side without an end reaches the edge. */
export function bandPixels(
  overlay: Overlay,
  top: number,
  height: number,
  position: (value: number) => number,
): { y: number; height: number } | undefined {
  const { low, high } = overlay;
  if ((low ?? null) === null && (high ?? null) === null) return undefined;
  const clamp = (y: number) => Math.max(top, Math.min(top + height, y));
  const upper = clamp(high === null || high === undefined ? top : position(high));
  const lower = clamp(low === null || low === undefined ? top + height : position(low));
  return { y: upper, height: Math.max(0, lower - upper) };
}

export function drawOverlay(
  u: uPlot,
  overlay: Overlay | undefined,
  theme: ChartTheme & { token?: (n: string) => string },
) {
  if (!overlay) return;
  const { ctx, bbox } = u;
  const band = bandPixels(overlay, bbox.top, bbox.height, (v) => u.valToPos(v, "y", true));
  ctx.save();
  if (band) {
    ctx.fillStyle = withAlpha(theme.token?.("--state-ok") ?? theme.axis, 0.13);
    ctx.fillRect(bbox.left, band.y, bbox.width, Math.max(band.height, 1));
  }
  ctx.textAlign = "left";
  ctx.font = `${Math.round(11 * devicePixelRatio)}px ${theme.font}`;
  for (const mark of overlay.marks ?? []) {
    const x = Math.round(u.valToPos(mark.at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = theme.token?.("--state-bad") ?? theme.axis;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.fillStyle = theme.axis;
    const width = ctx.measureText(mark.label).width;
    const left = x + width + 6 * devicePixelRatio > bbox.left + bbox.width;
    ctx.fillText(
      mark.label,
      left ? x - width - 4 * devicePixelRatio : x + 4 * devicePixelRatio,
      bbox.top + 12 * devicePixelRatio,
    );
  }
  ctx.restore();
}
