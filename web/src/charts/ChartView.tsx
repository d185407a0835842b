import { useMemo, useState } from "react";
import { useTime } from "@/app/time";
import { colorIndices } from "@/lib/color";
import { absoluteRange, formatTime, type TimeWindow, zoomOut } from "@/lib/time";
import { formatValue, type Unit } from "@/lib/units";
import { type Column, DataTable } from "@/ui/DataTable";
import { Chart } from "./Chart";
import css from "./charts.module.css";
import { type Frame, type FrameSeries, type SeriesStats, seriesStats } from "./frame";
import type { ChartKind } from "./options";
import { useChartTheme } from "./theme";

/** More lines than this are a carpet: the largest are drawn and the cut is said. */
export const drawnSeries = 50;

interface Props {
  title: string;
  frame: Frame;
  unit: Unit;
  kind?: ChartKind;
  height?: number;
  max?: number;
  window: TimeWindow;
  asTable?: boolean;
  syncKey?: string;
}

/** A chart with its legend, or its twin as a table; zooming sets the range of the page. */
export function ChartView({ title, frame, unit, kind, height, max, window, asTable, syncKey }: Props) {
  const { setRange } = useTime();
  const theme = useChartTheme();
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const drawn = useMemo(() => largest(frame), [frame]);
  const colors = useMemo(
    () => colorIndices(drawn.series.map((s) => s.key)).map((i) => theme.series[i] ?? "#888888"),
    [drawn, theme],
  );
  if (asTable)
    return <SeriesTable title={title} frame={frame} unit={unit} maxHeight={Math.max(320, (height ?? 0) * 1.8)} />;

  const toggle = (key: string, only: boolean) => {
    const others = drawn.series.map((s) => s.key).filter((k) => k !== key);
    if (only) {
      const alone = others.every((k) => hidden.has(k)) && !hidden.has(key);
      setHidden(alone ? new Set() : new Set(others));
      return;
    }
    const next = new Set(hidden);
    if (!next.delete(key)) next.add(key);
    setHidden(next);
  };
  return (
    <div>
      <Chart
        title={title}
        frame={drawn}
        colors={colors}
        unit={unit}
        kind={kind}
        height={height}
        max={max}
        window={window}
        hidden={hidden}
        syncKey={syncKey}
        onZoom={(w) => setRange(absoluteRange(w))}
        onZoomOut={() => setRange(absoluteRange(zoomOut(window, Date.now())))}
      />
      <div className={css.legend}>
        {drawn.series.map((s, i) => (
          <button
            key={s.key + s.label}
            type="button"
            className={css.legendItem}
            aria-pressed={!hidden.has(s.key)}
            title={`${s.key}\nClick: only this one. With Ctrl or Shift: hide or show it.`}
            onClick={(e) => toggle(s.key, !(e.ctrlKey || e.metaKey || e.shiftKey))}
          >
            <span style={{ width: 9, height: 9, borderRadius: 2, background: colors[i], flex: "none" }} />
            <span className={css.legendText}>{s.label}</span>
            <span className={css.legendLast}>{formatValue(seriesStats(frame.t, s.values).last, unit)}</span>
          </button>
        ))}
      </div>
      {drawn.series.length < frame.series.length ? (
        <p className="faint">
          {drawn.series.length} of {frame.series.length} series are drawn, those with the highest values. Narrow the
          query or use topk() to choose others; the table shows all.
        </p>
      ) : null}
    </div>
  );
}

function largest(frame: Frame): Frame {
  if (frame.series.length <= drawnSeries) return frame;
  const ranked = frame.series
    .map((s) => ({ s, max: seriesStats(frame.t, s.values).max ?? Number.NEGATIVE_INFINITY }))
    .sort((a, b) => b.max - a.max)
    .slice(0, drawnSeries);
  return { t: frame.t, series: ranked.map((r) => r.s) };
}

type Row = FrameSeries & { stats: SeriesStats };

function SeriesTable({
  title,
  frame,
  unit,
  maxHeight,
}: {
  title: string;
  frame: Frame;
  unit: Unit;
  maxHeight: number;
}) {
  const { zone } = useTime();
  const rows = useMemo<Row[]>(
    () => frame.series.map((s) => ({ ...s, stats: seriesStats(frame.t, s.values) })),
    [frame],
  );
  const number = (id: "last" | "min" | "avg" | "max", name: string): Column<Row> => ({
    id,
    title: name,
    right: true,
    sort: (r) => r.stats[id],
    cell: (r) => <span style={{ whiteSpace: "nowrap" }}>{formatValue(r.stats[id], unit)}</span>,
  });
  const columns: Column<Row>[] = [
    {
      id: "series",
      title: "Series",
      sort: (r) => r.label,
      cell: (r) => (
        <span className="mono" style={{ overflowWrap: "anywhere" }}>
          {r.label}
        </span>
      ),
    },
    number("last", "Last"),
    number("min", "Min"),
    number("avg", "Mean"),
    number("max", "Max"),
    {
      id: "maxAt",
      title: "Max at",
      right: true,
      sort: (r) => r.stats.maxAt,
      cell: (r) => (r.stats.maxAt ? formatTime(r.stats.maxAt * 1000, zone, "time") : "–"),
    },
    { id: "points", title: "Points", right: true, sort: (r) => r.stats.points, cell: (r) => r.stats.points },
  ];
  return (
    <DataTable
      label={`${title} as table`}
      rows={rows}
      columns={columns}
      rowKey={(r) => r.key + r.label}
      maxHeight={maxHeight}
    />
  );
}
