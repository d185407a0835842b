import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { api } from "@/api/runtime";
import type { LogHistogram } from "@/api/types";
import { windowed, windowQuery } from "@/app/query";
import { useTime } from "@/app/time";
import { Chart } from "@/charts/Chart";
import type { Frame } from "@/charts/frame";
import { useChartTheme } from "@/charts/theme";
import { severityNames, severityOf, severityToken } from "@/lib/severity";
import { absoluteRange, formatTime, zoomOut } from "@/lib/time";
import { formatDurationMs, formatInteger } from "@/lib/units";
import { IconButton } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Panel, QueryView } from "@/ui/Panel";
import type { LogChoice } from "./filter";

const buckets = 80;

/** Lines over time by severity; dragging over it sets the range. */
export function Histogram({ filter }: { filter: LogChoice }) {
  const { window: w, setRange, zone } = useTime();
  const theme = useChartTheme();
  const [asTable, setAsTable] = useState(false);
  const query = useQuery({
    queryKey: ["logs", "histogram", filter, w.startMs, w.endMs],
    queryFn: ({ signal }) =>
      api.get("/api/v1/logs/histogram", { query: { ...filter, ...windowQuery(w), buckets }, signal }),
    ...windowed,
  });
  const frame = useMemo(() => histogramFrame(query.data), [query.data]);
  const colors = frame.series.map((s) => theme.token(severityToken(severityOf(undefined, s.key))));
  return (
    <Panel
      title="Lines over time"
      note={
        query.data ? `${formatInteger(query.data.total)} lines, ${formatDurationMs(query.data.step_ms)} per bar` : null
      }
      actions={
        <IconButton
          icon={asTable ? "chart" : "table"}
          label={asTable ? "Histogram as chart" : "Histogram as table"}
          pressed={asTable}
          onClick={() => setAsTable(!asTable)}
        />
      }
    >
      <QueryView query={query} height={104}>
        {() =>
          asTable ? (
            <HistogramTable frame={frame} zoneTime={(ms) => formatTime(ms, zone)} />
          ) : (
            <Chart
              title="Log lines by severity"
              frame={frame}
              colors={colors}
              unit="count"
              kind="bars"
              height={104}
              window={w}
              onZoom={(z) => setRange(absoluteRange(z))}
              onZoomOut={() => setRange(absoluteRange(zoomOut(w, Date.now())))}
            />
          )
        }
      </QueryView>
    </Panel>
  );
}

/** Severities as stacked series, the gravest at the bottom where they are easiest to compare. */
export function histogramFrame(data: LogHistogram | undefined): Frame {
  if (!data) return { t: [], series: [] };
  const t = data.t.map((ms) => ms / 1000);
  const bySeverity = new Map<string, number[]>();
  for (const s of data.series) {
    const name = severityOf(undefined, s.severity_text);
    const sum = bySeverity.get(name) ?? new Array<number>(t.length).fill(0);
    s.v.forEach((v, i) => {
      sum[i] = (sum[i] ?? 0) + v;
    });
    bySeverity.set(name, sum);
  }
  const series = severityNames
    .filter((n) => bySeverity.has(n))
    .map((n) => ({ key: n, label: n, values: bySeverity.get(n) ?? [] }));
  return { t, series };
}

function HistogramTable({ frame, zoneTime }: { frame: Frame; zoneTime: (ms: number) => string }) {
  type Row = { t: number; i: number };
  const columns: Column<Row>[] = [
    { id: "t", title: "From", sort: (r) => r.t, cell: (r) => zoneTime(r.t * 1000) },
    ...frame.series.map(
      (s): Column<Row> => ({
        id: s.key,
        title: s.label,
        right: true,
        sort: (r) => s.values[r.i],
        cell: (r) => formatInteger(s.values[r.i]),
      }),
    ),
  ];
  return (
    <DataTable
      label="Histogram as table"
      rows={frame.t.map((t, i) => ({ t, i }))}
      columns={columns}
      rowKey={(r) => String(r.t)}
      maxHeight={240}
    />
  );
}
