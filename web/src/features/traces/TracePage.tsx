import { Button, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { ApiError } from "@/api/errors";
import { api } from "@/api/runtime";
import type { Trace } from "@/api/types";
import { useKeys } from "@/app/keys";
import { useZone } from "@/app/time";
import { useTitle } from "@/app/title";
import { colorMap } from "@/lib/color";
import { plural } from "@/lib/plural";
import { formatTime } from "@/lib/time";
import { formatDurationMs, formatInteger } from "@/lib/units";
import { CopyIcon, Pill } from "@/ui/atoms";
import { Icon } from "@/ui/Icon";
import { QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import ui from "@/ui/ui.module.css";
import { SpanDetails } from "./SpanDetails";
import css from "./traces.module.css";
import { buildTree, matching, nsBetween, type SpanNode, selfByService, type TraceTree, visibleRows } from "./tree";
import { Waterfall } from "./Waterfall";

/** Finished traces do not change; those that are young may still get spans. */
const youngMs = 120_000;

/** One trace: who called whom, for how long, and what went wrong. */
export function TracePage() {
  const { traceId } = useParams({ from: "/traces/$traceId" });
  useTitle(`Trace ${traceId.slice(0, 8)}`);
  const trace = useQuery({
    queryKey: ["trace", traceId],
    queryFn: ({ signal }) => api.get("/api/v1/traces/{id}", { ids: { id: traceId }, signal }),
    refetchInterval: (q) => {
      const data = q.state.data;
      return data && Date.now() - nsBetween(0, data.start_ns) / 1e6 < youngMs ? 5_000 : false;
    },
  });
  if (trace.error instanceof ApiError && trace.error.status === 404) {
    return (
      <div className={ui.page}>
        <h1>Trace not found</h1>
        <Empty title={`No span of trace ${traceId} is stored`} action={<Link to="/traces">Search traces</Link>}>
          It may still be on its way, may not have been sampled by the sender, or is older than the retention.
        </Empty>
      </div>
    );
  }
  return (
    <div className={css.page}>
      <QueryView query={trace} height={420} warnings={(d) => d.warnings}>
        {(d) => <TraceView trace={d} />}
      </QueryView>
    </div>
  );
}

function TraceView({ trace }: { trace: Trace }) {
  const { span: chosen } = useSearch({ from: "/traces/$traceId" });
  const navigate = useNavigate({ from: "/traces/$traceId" });
  const zone = useZone();
  const tree = useMemo(() => buildTree(trace), [trace]);
  const colors = useMemo(() => colorMap(trace.spans.map((s) => s.service)), [trace]);
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const [find, setFind] = useState("");
  const rows = useMemo(() => visibleRows(tree, collapsed), [tree, collapsed]);
  const hits = useMemo(() => matching(tree, find), [tree, find]);
  const select = (id: string | undefined) => void navigate({ search: (s) => ({ ...s, span: id }), replace: true });
  const selected = chosen ? tree.byId.get(chosen) : undefined;
  const toggle = (id: string) =>
    setCollapsed((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  useEffect(() => {
    // A span that was named in the address must not be hidden under a collapsed one.
    if (!selected) return;
    const ancestors: string[] = [];
    for (let n = selected.parent; n; n = n.parent) ancestors.push(n.span.span_id);
    setCollapsed((old) =>
      ancestors.some((a) => old.has(a)) ? new Set([...old].filter((id) => !ancestors.includes(id))) : old,
    );
  }, [selected]);
  useTraceKeys({ rows, selected, tree, hits, select, toggle, collapsed, setCollapsed });
  const root = tree.roots[0];
  const startMs = nsBetween(0, trace.start_ns) / 1e6;
  return (
    <>
      <header className={css.head}>
        <nav aria-label="Breadcrumb" className={css.crumbs}>
          <Link to="/traces">Traces</Link>
        </nav>
        <div className={ui.pageHead}>
          <h1>{root ? `${root.span.service}: ${root.span.name}` : "Trace"}</h1>
          {tree.errors > 0 ? (
            <Pill tone="bad">{plural(tree.errors, "span")} with errors</Pill>
          ) : (
            <Pill tone="ok">no errors</Pill>
          )}
        </div>
        <p className={css.facts}>
          <span>{formatDurationMs(tree.durationNs / 1e6)}</span>
          <span>{plural(trace.spans.length, "span", "spans", formatInteger(trace.spans.length))}</span>
          <span>{plural(trace.services.length, "service")}</span>
          <span>{formatTime(startMs, zone, "full-ms")}</span>
          <span className={`mono ${css.traceId}`}>
            {trace.trace_id} <CopyIcon value={trace.trace_id} label="Copy trace id" />
          </span>
          <Link
            to="/logs"
            search={{
              trace: trace.trace_id,
              from: String(Math.floor(startMs - 300_000)),
              to: String(Math.ceil(startMs + tree.durationNs / 1e6 + 300_000)),
            }}
          >
            Logs of this trace
          </Link>
        </p>
        <Oddities tree={tree} />
      </header>
      <div className={css.tools}>
        <TextInput
          data-search
          aria-label="Find spans"
          placeholder="Find in names, services, attributes"
          leftSection={<Icon name="search" size={13} />}
          value={find}
          onChange={(e) => setFind(e.currentTarget.value)}
          w={280}
        />
        {find ? (
          <span className="faint" role="status">
            {formatInteger(hits.size)} spans match, n goes to the next
          </span>
        ) : null}
        <Button variant="default" size="compact-xs" onClick={() => setCollapsed(new Set())}>
          Expand all
        </Button>
        <Button variant="default" size="compact-xs" onClick={() => setCollapsed(parentsFrom(tree, 1))}>
          Collapse all
        </Button>
        <ServiceLegend tree={tree} colors={colors} />
      </div>
      <div className={css.split} data-open={selected !== undefined}>
        <Waterfall
          tree={tree}
          colors={colors}
          rows={rows}
          collapsed={collapsed}
          selected={selected?.span.span_id}
          hits={hits}
          onSelect={select}
          onToggle={toggle}
        />
        {selected ? (
          <SpanDetails
            color={colors.get(selected.span.service)}
            node={selected}
            trace={trace}
            onClose={() => select(undefined)}
            onSelect={select}
          />
        ) : null}
      </div>
    </>
  );
}

function Oddities({ tree }: { tree: TraceTree }) {
  const notes: string[] = [];
  if (tree.missingRoot)
    notes.push(
      "The root span is missing: it has not arrived, or was not sent. Times count from the first span that is here.",
    );
  else if (tree.orphans > tree.cycles)
    notes.push(
      `${plural(tree.orphans - tree.cycles, "span names", "spans name")} a parent that is not here, and ${tree.orphans - tree.cycles === 1 ? "is" : "are"} shown at the top level.`,
    );
  if (tree.cycles > 0)
    notes.push(
      `${plural(tree.cycles, "circle")} of spans that are their own ancestors ${tree.cycles === 1 ? "was" : "were"} cut.`,
    );
  if (notes.length === 0) return null;
  return (
    <div className={ui.note} role="status" data-notice="incomplete">
      <Icon name="warn" size={14} />
      <div>{notes.join(" ")}</div>
    </div>
  );
}

function parentsFrom(tree: TraceTree, depth: number): Set<string> {
  return new Set(
    [...tree.byId.values()].filter((n) => n.children.length > 0 && n.depth >= depth).map((n) => n.span.span_id),
  );
}

function ServiceLegend({ tree, colors }: { tree: TraceTree; colors: ReadonlyMap<string, string> }) {
  const sums = useMemo(() => selfByService(tree).slice(0, 8), [tree]);
  return (
    <div className={css.legend} role="list" aria-label="Time by service, without time in children">
      {sums.map((s) => (
        <span
          key={s.service}
          role="listitem"
          title={`${s.spans} spans, ${s.errors} with errors, own time ${formatDurationMs(s.selfNs / 1e6)}`}
        >
          <span className={css.serviceDot} style={{ background: colors.get(s.service) }} />
          {s.service} <span className="faint">{formatDurationMs(s.selfNs / 1e6)}</span>
        </span>
      ))}
    </div>
  );
}

function useTraceKeys(p: {
  rows: SpanNode[];
  selected: SpanNode | undefined;
  tree: TraceTree;
  hits: ReadonlySet<string>;
  select: (id: string | undefined) => void;
  toggle: (id: string) => void;
  collapsed: ReadonlySet<string>;
  setCollapsed: (s: ReadonlySet<string>) => void;
}) {
  const at = p.selected ? p.rows.indexOf(p.selected) : -1;
  const go = (i: number) => p.select(p.rows[Math.max(0, Math.min(p.rows.length - 1, i))]?.span.span_id);
  const next = (wanted: (n: SpanNode) => boolean) => {
    const after = [...p.rows.slice(at + 1), ...p.rows.slice(0, at + 1)].find(wanted);
    if (after) p.select(after.span.span_id);
  };
  const fold = (close: boolean) => {
    const id = p.selected?.span.span_id;
    if (!id || !p.selected) return;
    if (p.selected.children.length > 0 && p.collapsed.has(id) !== close) p.toggle(id);
    else if (close) p.select(p.selected.parent?.span.span_id ?? id);
  };
  useKeys([
    { keys: "j", label: "Next span", group: "Trace", run: () => go(at + 1) },
    { keys: "k", label: "Previous span", group: "Trace", run: () => go(at - 1) },
    { keys: "ArrowDown", label: "Next span", group: "Trace", run: () => go(at + 1) },
    { keys: "ArrowUp", label: "Previous span", group: "Trace", run: () => go(at - 1) },
    { keys: "ArrowLeft", label: "Collapse, or go to the parent", group: "Trace", run: () => fold(true) },
    { keys: "ArrowRight", label: "Expand", group: "Trace", run: () => fold(false) },
    { keys: "e", label: "Next span with an error", group: "Trace", run: () => next((n) => n.error) },
    { keys: "n", label: "Next span found", group: "Trace", run: () => next((n) => p.hits.has(n.span.span_id)) },
    { keys: "Escape", label: "Close the span", group: "Trace", run: () => p.select(undefined) },
  ]);
}
