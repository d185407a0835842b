import type { Columns } from "@/api/types";

/** A line without axes for tables; pure SVG, since hundreds of canvases are too many. */
export function Sparkline({
  data,
  max,
  label,
  width = 96,
  height = 22,
}: {
  data: Columns | undefined;
  max?: number;
  label: string;
  width?: number;
  height?: number;
}) {
  const points = data?.v.map((v, i) => ({ v, t: data.t[i] ?? 0 })) ?? [];
  const present = points.filter((p): p is { v: number; t: number } => p.v !== null);
  const first = points[0]?.t ?? 0;
  const last = points.at(-1)?.t ?? 1;
  if (present.length < 2) return <span className="faint">–</span>;
  const top = max ?? Math.max(...present.map((p) => p.v), Number.MIN_VALUE);
  const x = (t: number) => (((t - first) / Math.max(1, last - first)) * (width - 2) + 1).toFixed(1);
  const y = (v: number) => (height - 2 - Math.min(1, v / top) * (height - 4)).toFixed(1);
  let path = "";
  let gap = true;
  for (const p of points) {
    if (p.v === null) {
      gap = true;
      continue;
    }
    path += `${gap ? "M" : "L"}${x(p.t)} ${y(p.v)}`;
    gap = false;
  }
  return (
    <svg
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={label}
      style={{ display: "block" }}
    >
      <path d={path} fill="none" stroke="var(--series-0)" strokeWidth="1.25" strokeLinejoin="round" />
    </svg>
  );
}
