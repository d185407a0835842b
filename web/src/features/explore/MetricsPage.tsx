import { Button, CopyButton, SegmentedControl } from "@mantine/core";
import { useQueries, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { queryRange, type RangeResult } from "@/api/prom";
import { api } from "@/api/runtime";
import { useKeys } from "@/app/keys";
import { windowed } from "@/app/query";
import type { MetricsSearch } from "@/app/router";
import { useTime } from "@/app/time";
import { useTitle } from "@/app/title";
import { ChartView } from "@/charts/ChartView";
import { mergeFrames, toFrame } from "@/charts/frame";
import { useStep } from "@/charts/PromPanel";
import { absoluteRange } from "@/lib/time";
import { formatDurationMs, formatInteger, guessUnit, type Unit } from "@/lib/units";
import { IconButton, PageHead } from "@/ui/atoms";
import { Icon } from "@/ui/Icon";
import { Panel, PanelBoundary, StaleBadge } from "@/ui/Panel";
import { Empty, Failure, Loading, PartialNote } from "@/ui/states";
import ui from "@/ui/ui.module.css";
import css from "./explore.module.css";

// The editor is two thirds of the weight of this page; results are on screen before it is.
const PromEditor = lazy(() => import("./PromEditor").then((m) => ({ default: m.PromEditor })));

const chartPoints = 480;

/** Metrics: PromQL in, chart and table out; the address holds all of it. */
export function MetricsPage() {
  useTitle("Metrics");
  const search = useSearch({ from: "/explore/metrics" });
  const navigate = useNavigate({ from: "/explore/metrics" });
  const { tick } = useTime();
  const ran = useMemo(() => search.expr ?? [], [search.expr]);
  const [drafts, setDrafts] = useState<string[]>(ran.length > 0 ? ran : [""]);
  useEffect(() => {
    if (ran.length > 0) setDrafts(ran);
  }, [ran]);
  const run = (list: readonly string[] = drafts) => {
    const expr = list.map((d) => d.trim()).filter(Boolean);
    tick();
    void navigate({ search: (s) => ({ ...s, expr: expr.length > 0 ? expr : undefined }) });
  };
  const set = (change: Partial<MetricsSearch>) =>
    void navigate({ search: (s) => ({ ...s, ...change }), replace: true });
  useKeys([{ keys: "mod+Enter", label: "Run the queries", group: "Metrics", run: () => run(), whileTyping: true }]);
  const dirty =
    drafts
      .map((d) => d.trim())
      .filter(Boolean)
      .join("\n") !== ran.join("\n");
  return (
    <div className={ui.page}>
      <PageHead title="Metrics" />
      <section className={css.queries} aria-label="Queries">
        {drafts.map((draft, i) => (
          <div key={i} className={css.query}>
            <span className={css.letter} aria-hidden="true">
              {String.fromCharCode(65 + i)}
            </span>
            <Suspense fallback={<code className={css.pending}>{draft}</code>}>
              <PromEditor
                value={draft}
                label={`Query ${String.fromCharCode(65 + i)}`}
                onChange={(v) => setDrafts((d) => d.map((old, j) => (j === i ? v : old)))}
                onRun={() => run()}
              />
            </Suspense>
            {drafts.length > 1 ? (
              <IconButton
                icon="trash"
                label={`Remove query ${String.fromCharCode(65 + i)}`}
                onClick={() => {
                  const next = drafts.filter((_, j) => j !== i);
                  setDrafts(next);
                  run(next);
                }}
              />
            ) : null}
          </div>
        ))}
        <div className={css.actions}>
          <Button
            onClick={() => run()}
            leftSection={<Icon name="play" size={12} />}
            variant={dirty ? "filled" : "default"}
          >
            Run
          </Button>
          <span className={`faint ${css.hint}`}>Ctrl Enter</span>
          <Button
            variant="subtle"
            leftSection={<Icon name="plus" size={12} />}
            onClick={() => setDrafts([...drafts, ""])}
            disabled={drafts.length >= 8}
          >
            Add query
          </Button>
          <span style={{ flex: 1 }} />
          <ShareButton />
        </div>
      </section>
      {ran.length === 0 ? (
        <Suggestions onChoose={(expr) => run([expr])} />
      ) : (
        <Results exprs={ran} view={search.view} kind={search.kind} set={set} />
      )}
    </div>
  );
}

/** Copies an address with absolute times, so that the receiver sees the same. */
function ShareButton() {
  const { window: w } = useTime();
  const range = absoluteRange(w);
  const url = new URL(window.location.href);
  url.searchParams.set("from", range.from);
  url.searchParams.set("to", range.to);
  return (
    <CopyButton value={url.toString()} timeout={1500}>
      {({ copied, copy }) => (
        <Button variant="default" onClick={copy} leftSection={<Icon name={copied ? "check" : "link"} size={13} />}>
          {copied ? "Link copied" : "Share"}
        </Button>
      )}
    </CopyButton>
  );
}

function Results({
  exprs,
  view,
  kind,
  set,
}: {
  exprs: string[];
  view: MetricsSearch["view"];
  kind: MetricsSearch["kind"];
  set: (c: Partial<MetricsSearch>) => void;
}) {
  const { window: w } = useTime();
  const step = useStep(chartPoints);
  const queries = useQueries({
    queries: exprs.map((expr) => ({
      queryKey: ["prom", "explore", expr, w.startMs, w.endMs, step],
      queryFn: ({ signal }: { signal: AbortSignal }) => queryRange(api, expr, w, step, signal),
      ...windowed,
    })),
  });
  const frame = mergeFrames(
    queries.flatMap((q) => (q.data ? [toFrame(q.data.series, q.data.window, q.data.stepSeconds)] : [])),
  );
  const units = new Set(exprs.map(guessUnit));
  const unit: Unit = units.size === 1 ? (units.values().next().value ?? "none") : "none";
  const loading = queries.some((q) => q.data === undefined && !q.isError);
  return (
    <>
      {queries.map((q, i) =>
        q.isError && q.data === undefined ? (
          <section key={i} className={ui.panel} aria-label={`Query ${String.fromCharCode(65 + i)} failed`}>
            <Failure error={q.error} onRetry={() => void q.refetch()} compact />
          </section>
        ) : null,
      )}
      <Panel
        title="Result"
        note={<Stats results={queries.map((q) => q.data)} step={step} />}
        actions={
          <>
            <SegmentedControl
              aria-label="Draw as"
              value={kind ?? "line"}
              disabled={view === "table"}
              onChange={(v) => set({ kind: v === "area" || v === "stack" ? v : undefined })}
              data={[
                { value: "line", label: "Lines" },
                { value: "area", label: "Areas" },
                { value: "stack", label: "Stacked" },
              ]}
            />
            <SegmentedControl
              aria-label="Show as"
              value={view ?? "chart"}
              onChange={(v) => set({ view: v === "table" ? "table" : undefined })}
              data={[
                { value: "chart", label: "Chart" },
                { value: "table", label: "Table" },
              ]}
            />
          </>
        }
      >
        <PartialNote
          warnings={[...new Set(queries.flatMap((q) => [...(q.data?.warnings ?? []), ...(q.data?.infos ?? [])]))]}
        />
        {queries.map((q, i) =>
          q.isError && q.data ? (
            <StaleBadge key={i} at={q.dataUpdatedAt} error={q.error} onRetry={() => void q.refetch()} />
          ) : null,
        )}
        {loading && frame.series.length === 0 ? (
          <Loading height={340} />
        ) : frame.series.length === 0 ? (
          <div style={{ minHeight: 200 }}>
            {queries.every((q) => q.isError) ? null : (
              <Empty title="The query gave no series">
                The name or labels may be mistyped, or nothing was sent in this range. The editor completes names that
                exist.
              </Empty>
            )}
          </div>
        ) : (
          <PanelBoundary>
            <div className={queries.some((q) => q.isPlaceholderData) ? ui.dim : undefined}>
              <ChartView
                title="Query result"
                frame={frame}
                unit={unit}
                kind={kind ?? "line"}
                height={340}
                window={w}
                asTable={view === "table"}
              />
            </div>
          </PanelBoundary>
        )}
      </Panel>
    </>
  );
}

function Stats({ results, step }: { results: (RangeResult | undefined)[]; step: number }) {
  const done = results.filter((r) => r !== undefined);
  if (done.length === 0) return null;
  const series = done.reduce((n, r) => n + r.series.length, 0);
  const samples = done.reduce((n, r) => n + r.samples, 0);
  const slowest = Math.max(...done.map((r) => r.elapsedMs));
  return (
    <>
      {formatInteger(series)} series · {formatInteger(samples)} points, one per {formatDurationMs(step * 1000)} ·{" "}
      {formatDurationMs(slowest)}
    </>
  );
}

const starters = [
  { expr: "avg by (host_name) (system_cpu_load_average_1m)", label: "Load of each host" },
  { expr: 'sum by (host_name) (system_memory_usage_bytes{system_memory_state="used"})', label: "Memory in use" },
  {
    expr: "sum by (host_name, network_io_direction) (rate(system_network_io_bytes_total[2m]))",
    label: "Network traffic",
  },
  { expr: 'topk(10, count by (__name__) ({__name__=~".+"}))', label: "Metrics with most series" },
];

function Suggestions({ onChoose }: { onChoose: (expr: string) => void }) {
  const names = useQuery({
    queryKey: ["prom", "names"],
    queryFn: ({ signal }) => api.request<{ data?: string[] }>("GET", "/api/v1/label/__name__/values", { signal }),
    staleTime: 30_000,
  });
  const count = names.data?.data?.length;
  return (
    <Panel title="Start with" note={count !== undefined ? `${formatInteger(count)} metric names are stored` : null}>
      {names.isError ? <Failure error={names.error} onRetry={() => void names.refetch()} compact /> : null}
      {count === 0 ? (
        <Empty title="No metric has arrived yet" action={<Link to="/start">Connect a sender</Link>} />
      ) : (
        <ul className={css.starters}>
          {starters.map((s) => (
            <li key={s.expr}>
              <button type="button" onClick={() => onChoose(s.expr)}>
                <span>{s.label}</span>
                <code>{s.expr}</code>
              </button>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
