import { TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { api } from "@/api/runtime";
import type { Service } from "@/api/types";
import { windowed, windowQuery } from "@/app/query";
import { useTime } from "@/app/time";
import { useTitle } from "@/app/title";
import { colorIndex, seriesToken } from "@/lib/color";
import { formatValue } from "@/lib/units";
import { Ago, PageHead, Pill, Value } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Icon } from "@/ui/Icon";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import ui from "@/ui/ui.module.css";

/** From this share of failed requests on a service is marked. */
const errorWarn = 0.01;
const errorBad = 0.05;

const columns: Column<Service>[] = [
  {
    id: "name",
    title: "Service",
    sort: (s) => s.name,
    cell: (s) => (
      <span style={{ display: "inline-flex", alignItems: "center", gap: 7, fontWeight: 500 }}>
        <span className={ui.swatch} style={{ background: seriesToken(colorIndex(s.name)) }} />
        {s.name}
      </span>
    ),
  },
  {
    id: "rate",
    title: "Requests",
    right: true,
    sort: (s) => s.requests_per_second,
    cell: (s) => <Value v={s.requests_per_second} unit="count/s" />,
  },
  {
    id: "errors",
    title: "Failed",
    right: true,
    sort: (s) => s.error_ratio,
    cell: (s) => <ErrorRatio ratio={s.error_ratio} />,
  },
  { id: "p50", title: "Median", right: true, sort: (s) => s.p50_ms, cell: (s) => <Value v={s.p50_ms} unit="ms" /> },
  { id: "p95", title: "95 % under", right: true, sort: (s) => s.p95_ms, cell: (s) => <Value v={s.p95_ms} unit="ms" /> },
  {
    id: "instances",
    title: "Instances",
    right: true,
    sort: (s) => s.instances,
    cell: (s) => formatValue(s.instances, "count"),
  },
  {
    id: "signals",
    title: "Look at",
    cell: (s) => (
      <span style={{ display: "inline-flex", gap: 12 }}>
        {s.signals.includes("spans") ? (
          <Link to="/traces" search={{ service: s.name }} aria-label={`Traces of ${s.name}`}>
            traces
          </Link>
        ) : null}
        {s.signals.includes("logs") ? (
          <Link to="/logs" search={{ service: [s.name] }} aria-label={`Logs of ${s.name}`}>
            logs
          </Link>
        ) : null}
        {s.signals.includes("metrics") ? (
          <Link
            to="/explore/metrics"
            search={{ expr: [`count by (__name__) ({job=~"(.*/)?${escapeRegExp(s.name)}"})`], view: "table" }}
            aria-label={`Metrics of ${s.name}`}
          >
            metrics
          </Link>
        ) : null}
      </span>
    ),
  },
  {
    id: "seen",
    title: "Last seen",
    right: true,
    sort: (s) => Date.parse(s.last_seen),
    cell: (s) => <Ago time={s.last_seen} />,
  },
];

/** A regular expression that matches the text, inside a PromQL string. */
function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\\\$&").replaceAll('"', '\\"');
}

function ErrorRatio({ ratio }: { ratio: number | undefined }) {
  if (ratio === undefined) return <span className="faint">–</span>;
  if (ratio >= errorBad) return <Pill tone="bad">{formatValue(ratio, "ratio")}</Pill>;
  if (ratio >= errorWarn) return <Pill tone="warn">{formatValue(ratio, "ratio")}</Pill>;
  return <Value v={ratio} unit="ratio" />;
}

/** Services as their telemetry names them, with rate, failures and durations from spans. */
export function ServicesPage() {
  useTitle("Services");
  const { q = "" } = useSearch({ from: "/services" });
  const navigate = useNavigate({ from: "/services" });
  const { window: w } = useTime();
  const query = useQuery({
    queryKey: ["services", w.startMs, w.endMs],
    queryFn: ({ signal }) => api.get("/api/v1/services", { query: windowQuery(w), signal }),
    ...windowed,
  });
  return (
    <div className={ui.page}>
      <PageHead title="Services">{query.data ? <p>{query.data.items.length} seen in this range</p> : null}</PageHead>
      <div className={ui.toolbar}>
        <TextInput
          data-search
          className={ui.grow}
          style={{ maxWidth: 380 }}
          aria-label="Filter services"
          placeholder="Filter by name"
          leftSection={<Icon name="search" size={14} />}
          value={q}
          onChange={(e) => {
            const value = e.currentTarget.value;
            void navigate({ search: (s) => ({ ...s, q: value || undefined }), replace: true });
          }}
        />
      </div>
      <Panel label="Services" flush>
        <QueryView query={query} warnings={(d) => d.warnings}>
          {(d) => {
            const rows = d.items.filter((s) => s.name.toLowerCase().includes(q.toLowerCase()));
            if (d.items.length === 0) {
              return (
                <Empty title="No service has reported in this range" action={<Link to="/start">Connect a sender</Link>}>
                  Services are named by the resource attribute service.name of logs, spans and metrics.
                </Empty>
              );
            }
            if (rows.length === 0) return <Empty title={`No service matches “${q}”`} />;
            return (
              <DataTable
                label="Services"
                rows={rows}
                columns={columns}
                rowKey={(s) => s.name}
                initialSort={{ id: "rate", descending: true }}
                keyboard
                onOpen={(s) =>
                  void (s.signals.includes("spans")
                    ? navigate({ to: "/traces", search: { service: s.name } })
                    : navigate({ to: "/logs", search: { service: [s.name] } }))
                }
              />
            );
          }}
        </QueryView>
      </Panel>
    </div>
  );
}
