import { Button, SegmentedControl, Select, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { api } from "@/api/runtime";
import type { IncidentBrief } from "@/api/types";
import { windowed, windowQuery } from "@/app/query";
import { type IncidentsSearch, type IncidentView, incidentSeverities, incidentViews } from "@/app/router";
import { useSession } from "@/app/session";
import { useNow, useTime } from "@/app/time";
import { useTitle } from "@/app/title";
import { plural } from "@/lib/plural";
import { formatDurationMs } from "@/lib/units";
import { Ago, PageHead, Pill } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Icon } from "@/ui/Icon";
import { Panel, QueryView } from "@/ui/Panel";
import ui from "@/ui/ui.module.css";
import { BrainLine, NoIncidents } from "./BrainLine";
import css from "./incidents.module.css";
import { Confidence, EntityName, SeverityBadge, StateBadge } from "./parts";
import { acknowledge, resolve, useAct } from "./useAct";
import { useIncidentStream } from "./useIncidentStream";
import { causeWords, severityRank } from "./words";

const pageSize = 100;
const viewNames: Record<IncidentView, string> = { open: "Open", resolved: "Resolved", all: "All" };
const viewStates: Record<IncidentView, string | undefined> = {
  open: "open,quiet",
  resolved: "resolved",
  all: undefined,
};

/** All incidents, to be gone through by keyboard: what, since when, why, who has it. */
export function IncidentsPage() {
  useTitle("Incidents");
  const search = useSearch({ from: "/incidents" });
  const navigate = useNavigate({ from: "/incidents" });
  const { window: w } = useTime();
  const live = useIncidentStream();
  const { act } = useAct();
  const view = search.view ?? "open";
  const filter = {
    state: viewStates[view],
    severity: search.severity,
    entity: search.entity,
    assignee: search.assignee,
    q: search.q,
  };
  const query = useInfiniteQuery({
    queryKey: ["incidents", filter, w.startMs, w.endMs],
    queryFn: ({ pageParam, signal }) =>
      api.get("/api/v1/incidents", {
        query: { ...filter, ...windowQuery(w), limit: pageSize, cursor: pageParam || undefined },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor || undefined,
    ...windowed,
  });
  const rows = useMemo(() => query.data?.pages.flatMap((p) => p.items) ?? [], [query.data]);
  const set = (change: Partial<IncidentsSearch>) =>
    void navigate({ search: (s) => ({ ...s, ...change }), replace: true });
  const open = (i: IncidentBrief) => void navigate({ to: "/incidents/$id", params: { id: i.id }, search: {} });
  return (
    <div className={ui.page}>
      <PageHead title="Incidents">
        {query.data ? (
          <p>
            {plural(rows.length, "incident", "incidents", `${rows.length}${query.hasNextPage ? "+" : ""}`)} in this
            range
          </p>
        ) : null}
        {live === "lost" ? <Pill tone="warn">not live</Pill> : null}
        <BrainLine />
      </PageHead>
      <Filters search={search} set={set} />
      <Panel label="Incidents" flush>
        <QueryView query={query} warnings={(d) => d.pages.flatMap((p) => p.warnings ?? [])}>
          {() =>
            rows.length === 0 ? (
              <NoIncidents search={search} clear={() => void navigate({ search: (s) => ({ ...s, ...nothing }) })} />
            ) : (
              <>
                <DataTable
                  label="Incidents"
                  rows={rows}
                  columns={columns}
                  rowKey={(i) => i.id}
                  initialSort={view === "open" ? { id: "severity", descending: true } : undefined}
                  keyboard
                  onOpen={open}
                  rowKeys={[
                    { keys: "a", label: "Acknowledge, or take it back", run: (i) => act(acknowledge(i)) },
                    { keys: "r", label: "Resolve, or reopen", run: (i) => act(resolve(i)) },
                  ]}
                />
                {query.hasNextPage ? (
                  <div style={{ padding: 10 }}>
                    <Button
                      variant="default"
                      loading={query.isFetchingNextPage}
                      onClick={() => void query.fetchNextPage()}
                    >
                      Earlier incidents
                    </Button>
                  </div>
                ) : null}
              </>
            )
          }
        </QueryView>
      </Panel>
      <p className="faint">
        Keys: <kbd>j</kbd> <kbd>k</kbd> move, <kbd>Enter</kbd> open, <kbd>a</kbd> acknowledge, <kbd>r</kbd> resolve,{" "}
        <kbd>?</kbd> all.
      </p>
    </div>
  );
}

const nothing: Partial<IncidentsSearch> = {
  q: undefined,
  severity: undefined,
  entity: undefined,
  assignee: undefined,
  view: undefined,
};

function Filters({ search, set }: { search: IncidentsSearch; set: (c: Partial<IncidentsSearch>) => void }) {
  const session = useSession();
  const me = session.data?.user;
  return (
    <div className={ui.toolbar}>
      <TextInput
        data-search
        className={ui.grow}
        style={{ maxWidth: 340 }}
        aria-label="Search incidents"
        placeholder="Title, cause, service, host"
        leftSection={<Icon name="search" size={14} />}
        value={search.q ?? ""}
        onChange={(e) => set({ q: e.currentTarget.value || undefined })}
      />
      <SegmentedControl
        aria-label="Which incidents"
        size="xs"
        value={search.view ?? "open"}
        data={incidentViews.map((value) => ({ value, label: viewNames[value] }))}
        onChange={(v) => set({ view: incidentViews.find((x) => x === v && x !== "open") })}
      />
      <Select
        aria-label="Severity"
        size="xs"
        w={130}
        placeholder="Any severity"
        clearable
        value={search.severity ?? null}
        data={[...incidentSeverities]}
        onChange={(v) => set({ severity: incidentSeverities.find((s) => s === v) })}
      />
      {me ? (
        <Button
          size="compact-sm"
          variant={search.assignee === me ? "filled" : "default"}
          aria-pressed={search.assignee === me}
          leftSection={<Icon name="user" size={13} />}
          onClick={() => set({ assignee: search.assignee === me ? undefined : me })}
        >
          Mine
        </Button>
      ) : null}
      {search.entity ? (
        <Button
          size="compact-sm"
          variant="default"
          rightSection={<Icon name="close" size={12} />}
          aria-label={`Remove the filter ${search.entity}`}
          onClick={() => set({ entity: undefined })}
        >
          {search.entity}
        </Button>
      ) : null}
    </div>
  );
}

function Lasted({ i }: { i: IncidentBrief }) {
  const now = useNow(10_000);
  return (
    <span style={{ whiteSpace: "nowrap" }}>
      {formatDurationMs((i.end ? Date.parse(i.end) : now) - Date.parse(i.start))}
    </span>
  );
}

function Cause({ i }: { i: IncidentBrief }) {
  if (!i.cause) return <span className="faint">{i.unknown ? "no clear cause" : "being looked for"}</span>;
  return (
    <span className={css.cause} title={i.cause.why}>
      <span>
        <EntityName entity={i.cause.entity} /> <span className="faint">{causeWords[i.cause.kind] ?? i.cause.kind}</span>
      </span>
      <Confidence value={i.cause.confidence} />
    </span>
  );
}

const columns: Column<IncidentBrief>[] = [
  {
    id: "severity",
    title: "Severity",
    width: 96,
    sort: (i) => severityRank(i.severity) * 1e13 + Date.parse(i.detected),
    cell: (i) => <SeverityBadge severity={i.severity} />,
  },
  { id: "state", title: "State", width: 92, sort: (i) => i.state, cell: (i) => <StateBadge state={i.state} /> },
  {
    id: "title",
    title: "Incident",
    sort: (i) => i.title,
    cell: (i) => (
      <div className={css.titleCell}>
        <Link to="/incidents/$id" params={{ id: i.id }} search={{}}>
          {i.title}
        </Link>
        <div className="faint">
          {plural(i.member_count, "finding")} in {plural(i.entity_count, "entity", "entities")}
          {i.comment_count > 0 ? ` · ${plural(i.comment_count, "comment")}` : ""}
        </div>
      </div>
    ),
  },
  { id: "cause", title: "Most likely cause", sort: (i) => i.cause?.confidence, cell: (i) => <Cause i={i} /> },
  {
    id: "began",
    title: "Began",
    right: true,
    sort: (i) => Date.parse(i.start),
    cell: (i) => <Ago time={i.start} />,
  },
  { id: "lasted", title: "Lasts", right: true, cell: (i) => <Lasted i={i} /> },
  {
    id: "who",
    title: "Who",
    sort: (i) => i.assignee ?? i.acknowledged?.who,
    cell: (i) => (
      <span style={{ whiteSpace: "nowrap" }}>
        {i.assignee || i.acknowledged?.who || <span className="faint">nobody</span>}{" "}
        {i.acknowledged ? <Icon name="eye" size={13} label="acknowledged" /> : null}
      </span>
    ),
  },
];
