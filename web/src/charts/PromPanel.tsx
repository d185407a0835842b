import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { queryRange } from "@/api/prom";
import { api } from "@/api/runtime";
import { windowed } from "@/app/query";
import { useTime } from "@/app/time";
import type { ChartSpec } from "@/features/hosts/queries";
import { niceStep } from "@/lib/time";
import { IconButton } from "@/ui/atoms";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import { ChartView } from "./ChartView";
import { mergeFrames, orderSeries, toFrame } from "./frame";

/** About one point for two pixels of a panel of half the page. */
const panelPoints = 240;

export function useStep(points = panelPoints): number {
  const { window: w } = useTime();
  return niceStep(w, points);
}

/** A panel with one chart made of range queries. */
export function PromPanel({ spec, step, syncKey }: { spec: ChartSpec; step: number; syncKey?: string }) {
  const { window: w } = useTime();
  const [asTable, setAsTable] = useState(false);
  const exprs = spec.queries.map((q) => q.expr);
  const query = useQuery({
    queryKey: ["prom", exprs, w.startMs, w.endMs, step],
    queryFn: ({ signal }) => Promise.all(exprs.map((e) => queryRange(api, e, w, step, signal))),
    ...windowed,
  });
  const results = query.data;
  const { queries: specQueries, order } = spec;
  const frame = useMemo(
    () =>
      orderSeries(
        mergeFrames((results ?? []).map((r, i) => toFrame(r.series, r.window, r.stepSeconds, specQueries[i]?.legend))),
        order,
      ),
    [results, specQueries, order],
  );
  const warnings = [...new Set((results ?? []).flatMap((r) => r.warnings))];
  return (
    <Panel
      title={spec.title}
      actions={
        <>
          <Link
            to="/explore/metrics"
            search={{ expr: exprs }}
            aria-label={`Explore ${spec.title}`}
            title="Explore"
            style={{ color: "var(--text-faint)", fontSize: 12, padding: "0 6px", textDecoration: "none" }}
          >
            Explore
          </Link>
          <IconButton
            icon={asTable ? "chart" : "table"}
            label={asTable ? `${spec.title} as chart` : `${spec.title} as table`}
            pressed={asTable}
            onClick={() => setAsTable(!asTable)}
          />
        </>
      }
    >
      <QueryView query={query} height={212} warnings={() => warnings}>
        {() =>
          frame.series.length === 0 ? (
            <div style={{ minHeight: 180 }}>
              <Empty title="No data in this range">{spec.absent}</Empty>
            </div>
          ) : (
            <ChartView
              title={spec.title}
              frame={frame}
              unit={spec.unit}
              kind={spec.kind}
              max={spec.max}
              window={w}
              asTable={asTable}
              syncKey={syncKey}
            />
          )
        }
      </QueryView>
    </Panel>
  );
}
