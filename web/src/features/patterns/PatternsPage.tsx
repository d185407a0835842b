import { SegmentedControl, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { api } from "@/api/runtime";
import type { LogPattern, LogPatterns } from "@/api/types";
import { windowed, windowQuery } from "@/app/query";
import { type PatternKind, patternKinds } from "@/app/router";
import { useTime } from "@/app/time";
import { useTitle } from "@/app/title";
import { Sparkline } from "@/charts/Sparkline";
import { severityOf } from "@/lib/severity";
import { formatValue } from "@/lib/units";
import { Ago, PageHead, Pill, Value } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Icon } from "@/ui/Icon";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import ui from "@/ui/ui.module.css";
import css from "./patterns.module.css";
import { pieces, searchFor } from "./template";

const kindLabels: Record<PatternKind, string> = {
  all: "All",
  new: "New",
  gone: "Gone",
  more: "More",
  less: "Less",
};

function Template({ text }: { text: string }) {
  return (
    <span className={css.template}>
      {pieces(text).map((p, i) =>
        p.slot ? (
          <span key={i} className={css.slot} title={p.text === "*" ? "varies" : `varies: ${p.text}`}>
            ‹{p.text}›
          </span>
        ) : (
          p.text
        ),
      )}
    </span>
  );
}

function Severity({ number }: { number: number }) {
  const name = severityOf(number, undefined);
  if (name === "error" || name === "fatal") return <Pill tone="bad">{name}</Pill>;
  if (name === "warn") return <Pill tone="warn">{name}</Pill>;
  return <span className="faint">{name}</span>;
}

function Change({ p }: { p: LogPattern }) {
  if (p.new) return <Pill tone="neutral">new</Pill>;
  if (p.lines === 0) return <Pill tone="neutral">gone</Pill>;
  if (p.change === undefined) return <span className="faint">–</span>;
  const text = formatValue(Math.abs(p.change), "ratio");
  return <span>{p.change >= 0 ? `+${text}` : `−${text}`}</span>;
}

function columnsOf(d: LogPatterns): Column<LogPattern>[] {
  return [
    {
      id: "lines",
      title: "Lines",
      right: true,
      sort: (p) => p.lines,
      cell: (p) => <Value v={p.lines} unit="count" />,
    },
    {
      id: "trend",
      title: "Over time",
      cell: (p) => <Sparkline data={{ t: d.t, v: p.v }} label={`${p.lines} lines in this range`} />,
    },
    {
      id: "change",
      title: "Change",
      right: true,
      hint: "Against the same time before this range",
      sort: (p) => (p.new ? Number.MAX_VALUE : p.change),
      cell: (p) => <Change p={p} />,
    },
    { id: "severity", title: "Severity", sort: (p) => p.severity, cell: (p) => <Severity number={p.severity} /> },
    {
      id: "service",
      title: "Service",
      sort: (p) => p.service,
      cell: (p) => p.service || <span className="faint">–</span>,
    },
    {
      id: "template",
      title: "Pattern",
      cell: (p) => (
        <Link
          to="/logs"
          search={{ q: searchFor(p.template) || undefined, service: p.service ? [p.service] : undefined }}
          aria-label={`Lines of ${p.template}`}
          style={{ color: "inherit", textDecoration: "none" }}
        >
          <Template text={p.template} />
        </Link>
      ),
    },
    {
      id: "first",
      title: "First seen",
      right: true,
      sort: (p) => Date.parse(p.first_seen),
      cell: (p) => <Ago time={p.first_seen} />,
    },
  ];
}

/** Every kind of log line with its count, its change and since when it has been there. */
export function PatternsPage() {
  useTitle("Log patterns");
  const { q = "", kind = "all", service } = useSearch({ from: "/patterns" });
  const navigate = useNavigate({ from: "/patterns" });
  const { window: w } = useTime();
  const query = useQuery({
    queryKey: ["log-patterns", w.startMs, w.endMs, kind, service],
    queryFn: ({ signal }) =>
      api.get("/api/v1/log-patterns", { query: { ...windowQuery(w), kind, service, buckets: 40, limit: 500 }, signal }),
    ...windowed,
  });
  return (
    <div className={ui.page}>
      <PageHead title="Log patterns">
        {query.data ? <p>{query.data.items.length} kinds of lines in this range</p> : null}
      </PageHead>
      <div className={ui.toolbar}>
        <TextInput
          data-search
          className={ui.grow}
          style={{ maxWidth: 380 }}
          aria-label="Filter patterns"
          placeholder="Filter by text or service"
          leftSection={<Icon name="search" size={14} />}
          value={q}
          onChange={(e) => {
            const value = e.currentTarget.value;
            void navigate({ search: (s) => ({ ...s, q: value || undefined }), replace: true });
          }}
        />
        <SegmentedControl
          aria-label="Which patterns"
          size="xs"
          value={kind}
          data={patternKinds.map((value) => ({ value, label: kindLabels[value] }))}
          onChange={(value) =>
            void navigate({ search: (s) => ({ ...s, kind: value === "all" ? undefined : (value as PatternKind) }) })
          }
        />
      </div>
      <Panel label="Log patterns" flush>
        <QueryView query={query} warnings={(d) => d.warnings}>
          {(d) => {
            const text = q.toLowerCase();
            const rows = d.items.filter((p) => `${p.service} ${p.template}`.toLowerCase().includes(text));
            if (d.items.length === 0) return <NoPatterns kind={kind} />;
            if (rows.length === 0) return <Empty title={`No pattern matches “${q}”`} />;
            return (
              <DataTable
                label="Log patterns"
                rows={rows}
                columns={columnsOf(d)}
                rowKey={(p) => `${p.service} ${p.id}`}
                initialSort={{
                  id: kind === "more" || kind === "less" ? "change" : "lines",
                  descending: kind !== "less",
                }}
                keyboard
                onOpen={(p) =>
                  void navigate({
                    to: "/logs",
                    search: { q: searchFor(p.template) || undefined, service: p.service ? [p.service] : undefined },
                  })
                }
              />
            );
          }}
        </QueryView>
      </Panel>
    </div>
  );
}

function NoPatterns({ kind }: { kind: PatternKind }) {
  if (kind !== "all") {
    return (
      <Empty title={`No pattern is ${kind} in this range`} action={<Link to="/patterns">Show all patterns</Link>}>
        Compared with the same time before it.
      </Empty>
    );
  }
  return (
    <Empty title="No log line in this range" action={<Link to="/start">Connect a sender</Link>}>
      Every line that arrives is counted under its pattern, without any configuration.
    </Empty>
  );
}
