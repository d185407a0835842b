import { Button, Select, TextInput } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { api } from "@/api/runtime";
import type { TraceFilter, TraceSummary } from "@/api/types";
import { windowed, windowQuery } from "@/app/query";
import type { TracesSearch } from "@/app/router";
import { useTime, useZone } from "@/app/time";
import { useTitle } from "@/app/title";
import { colorIndex, seriesToken } from "@/lib/color";
import { formatTime, parseDuration } from "@/lib/time";
import { formatDurationMs, formatInteger } from "@/lib/units";
import { PageHead, Pill } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Icon } from "@/ui/Icon";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import ui from "@/ui/ui.module.css";
import css from "./traces.module.css";

const pageSize = 100;

/** Traces: search by service, operation, status and duration. */
export function TracesPage() {
  useTitle("Traces");
  const search = useSearch({ from: "/traces" });
  const navigate = useNavigate({ from: "/traces" });
  const { window: w } = useTime();
  const set = (change: Partial<TracesSearch>) => void navigate({ search: (s) => ({ ...s, ...change }) });
  const filter: TraceFilter = {
    service: search.service,
    operation: search.operation,
    status: search.status,
    min_duration: search.min,
    max_duration: search.max,
  };
  const query = useInfiniteQuery({
    queryKey: ["traces", filter, w.startMs, w.endMs],
    queryFn: ({ pageParam, signal }) =>
      api.get("/api/v1/traces", {
        query: { ...filter, ...windowQuery(w), limit: pageSize, cursor: pageParam || undefined },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor || undefined,
    ...windowed,
  });
  const rows = useMemo(() => query.data?.pages.flatMap((p) => p.items) ?? [], [query.data]);
  const longest = rows.reduce((m, t) => Math.max(m, t.duration_ms), 0);
  const columns = useMemo(() => traceColumns(longest), [longest]);
  const narrowed = Object.values(filter).some(Boolean);
  return (
    <div className={ui.page}>
      <PageHead title="Traces" />
      <Filters search={search} set={set} />
      <Panel
        label="Traces"
        title="Newest traces"
        note={query.data ? `${formatInteger(rows.length)}${query.hasNextPage ? "+" : ""} traces` : null}
        flush
      >
        <QueryView query={query} warnings={(d) => d.pages.flatMap((p) => p.warnings ?? [])}>
          {() =>
            rows.length === 0 ? (
              <Empty
                title="No traces in this range"
                action={
                  narrowed ? (
                    <Button
                      variant="default"
                      size="compact-xs"
                      onClick={() =>
                        set({
                          service: undefined,
                          operation: undefined,
                          status: undefined,
                          min: undefined,
                          max: undefined,
                        })
                      }
                    >
                      Clear filters
                    </Button>
                  ) : (
                    <Link to="/start">Connect a sender</Link>
                  )
                }
              >
                {narrowed
                  ? "No trace matches these filters."
                  : "Traces come from applications over OTLP: point an OpenTelemetry SDK at Faultline."}
              </Empty>
            ) : (
              <>
                <DataTable
                  label="Traces"
                  rows={rows}
                  columns={columns}
                  rowKey={(t) => t.trace_id}
                  keyboard
                  onOpen={(t) => void navigate({ to: "/traces/$traceId", params: { traceId: t.trace_id }, search: {} })}
                />
                {query.hasNextPage ? (
                  <div style={{ padding: 10 }}>
                    <Button
                      variant="default"
                      loading={query.isFetchingNextPage}
                      onClick={() => void query.fetchNextPage()}
                    >
                      Older traces
                    </Button>
                  </div>
                ) : null}
              </>
            )
          }
        </QueryView>
      </Panel>
    </div>
  );
}

function Filters({ search, set }: { search: TracesSearch; set: (c: Partial<TracesSearch>) => void }) {
  const { window: w } = useTime();
  const services = useQuery({
    queryKey: ["services", w.startMs, w.endMs],
    queryFn: ({ signal }) => api.get("/api/v1/services", { query: windowQuery(w), signal }),
    ...windowed,
  });
  const names = new Set((services.data?.items ?? []).filter((s) => s.signals.includes("spans")).map((s) => s.name));
  if (search.service) names.add(search.service);
  const [operation, setOperation] = useState(search.operation ?? "");
  const [min, setMin] = useState(search.min ?? "");
  const [max, setMax] = useState(search.max ?? "");
  useEffect(() => {
    setOperation(search.operation ?? "");
    setMin(search.min ?? "");
    setMax(search.max ?? "");
  }, [search.operation, search.min, search.max]);
  const bad = (text: string) => text.trim() !== "" && parseDuration(text) === undefined;
  return (
    <form
      className={ui.toolbar}
      onSubmit={(e) => {
        e.preventDefault();
        if (!bad(min) && !bad(max))
          set({ operation: operation.trim() || undefined, min: min.trim() || undefined, max: max.trim() || undefined });
      }}
    >
      <Select
        aria-label="Service"
        placeholder="Any service"
        data={[...names].sort()}
        value={search.service ?? null}
        onChange={(v) => set({ service: v ?? undefined })}
        searchable
        clearable
        clearButtonProps={{ "aria-label": "Any service" }}
        w={180}
      />
      <TextInput
        data-search
        aria-label="Operation"
        placeholder="Operation"
        value={operation}
        onChange={(e) => setOperation(e.currentTarget.value)}
        w={200}
        leftSection={<Icon name="search" size={13} />}
      />
      <Select
        aria-label="Status"
        placeholder="Any status"
        data={[
          { value: "error", label: "a span failed" },
          { value: "ok", label: "a span says ok" },
        ]}
        value={search.status ?? null}
        onChange={(v) => set({ status: v === "error" || v === "ok" ? v : undefined })}
        clearable
        clearButtonProps={{ "aria-label": "Any status" }}
        w={140}
      />
      <TextInput
        aria-label="Shortest duration"
        placeholder="min, e.g. 100ms"
        value={min}
        onChange={(e) => setMin(e.currentTarget.value)}
        error={bad(min)}
        w={130}
      />
      <TextInput
        aria-label="Longest duration"
        placeholder="max, e.g. 2s"
        value={max}
        onChange={(e) => setMax(e.currentTarget.value)}
        error={bad(max)}
        w={130}
      />
      <Button type="submit" variant="default">
        Search
      </Button>
    </form>
  );
}

function traceColumns(longestMs: number): Column<TraceSummary>[] {
  return [
    { id: "start", title: "Start", sort: (t) => Date.parse(t.start), cell: (t) => <StartTime at={t.start} /> },
    {
      id: "root",
      title: "Root",
      sort: (t) => `${t.root_service} ${t.root_operation}`,
      cell: (t) => (
        <Link to="/traces/$traceId" params={{ traceId: t.trace_id }} className={ui.rowLink}>
          <span className={css.serviceDot} style={{ background: seriesToken(colorIndex(t.root_service)) }} />
          {t.root_service || "root missing"} <span className="faint">{t.root_operation}</span>
        </Link>
      ),
    },
    {
      id: "duration",
      title: "Duration",
      right: true,
      sort: (t) => t.duration_ms,
      cell: (t) => (
        <span className={css.durationCell}>
          <span
            className={css.durationBar}
            style={{ width: `${(t.duration_ms / Math.max(longestMs, 1e-9)) * 100}%` }}
            aria-hidden="true"
          />
          <span>{formatDurationMs(t.duration_ms)}</span>
        </span>
      ),
    },
    { id: "spans", title: "Spans", right: true, sort: (t) => t.spans, cell: (t) => formatInteger(t.spans) },
    {
      id: "services",
      title: "Services",
      right: true,
      sort: (t) => t.services.length,
      cell: (t) => <span title={t.services.join(", ")}>{t.services.length}</span>,
    },
    {
      id: "errors",
      title: "Errors",
      right: true,
      sort: (t) => t.errors,
      cell: (t) =>
        t.errors > 0 ? <Pill tone="bad">{formatInteger(t.errors)}</Pill> : <span className="faint">0</span>,
    },
    { id: "id", title: "Trace id", cell: (t) => <span className="mono faint">{t.trace_id.slice(0, 16)}</span> },
  ];
}

function StartTime({ at }: { at: string }) {
  const zone = useZone();
  const ms = Date.parse(at);
  return (
    <time dateTime={at} title={formatTime(ms, zone, "full-ms")} style={{ whiteSpace: "nowrap" }}>
      {formatTime(ms, zone)}
    </time>
  );
}
