import { TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { api } from "@/api/runtime";
import type { Host } from "@/api/types";
import { windowed, windowQuery } from "@/app/query";
import { useTime } from "@/app/time";
import { useTitle } from "@/app/title";
import { Sparkline } from "@/charts/Sparkline";
import { formatValue } from "@/lib/units";
import { Ago, Meter, PageHead, Pill, Value } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Icon } from "@/ui/Icon";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import ui from "@/ui/ui.module.css";

const columns: Column<Host>[] = [
  {
    id: "name",
    title: "Host",
    sort: (h) => h.name,
    cell: (h) => (
      <Link to="/hosts/$hostId" params={{ hostId: h.id }} className={ui.rowLink}>
        {h.name || h.id}
      </Link>
    ),
  },
  {
    id: "state",
    title: "State",
    sort: (h) => (h.up ? 1 : 0),
    cell: (h) => (h.up ? <Pill tone="ok">up</Pill> : <Pill tone="bad">silent</Pill>),
  },
  {
    id: "cpu",
    title: "CPU",
    right: true,
    sort: (h) => h.cpu_ratio,
    cell: (h) => <Meter ratio={h.cpu_ratio} warn={0.85} bad={0.95} />,
  },
  {
    id: "spark",
    title: "CPU over range",
    width: 110,
    cell: (h) => (
      <Sparkline data={h.sparkline} max={1} label={`CPU of ${h.name}, now ${formatValue(h.cpu_ratio, "ratio")}`} />
    ),
  },
  {
    id: "memory",
    title: "Memory",
    right: true,
    sort: (h) => h.memory_ratio,
    cell: (h) => <Meter ratio={h.memory_ratio} warn={0.9} bad={0.97} />,
  },
  {
    id: "disk",
    title: "Fullest disk",
    right: true,
    sort: (h) => h.disk_ratio,
    cell: (h) => <Meter ratio={h.disk_ratio} warn={0.8} bad={0.9} />,
  },
  {
    id: "load",
    title: "Load 1 min",
    right: true,
    sort: (h) => h.load1,
    hint: "Runnable tasks, mean over one minute; compare with the number of CPUs",
    cell: (h) => (
      <span style={{ whiteSpace: "nowrap" }}>
        {formatValue(h.load1, "none")} <span className="faint">/ {h.cpus} cpu</span>
      </span>
    ),
  },
  {
    id: "net",
    title: "Network",
    right: true,
    sort: (h) => h.network_bytes_per_second,
    cell: (h) => <Value v={h.network_bytes_per_second} unit="bytes/s" />,
  },
  {
    id: "os",
    title: "System",
    sort: (h) => h.os,
    cell: (h) => (
      <span className="faint" style={{ whiteSpace: "nowrap" }}>
        {[h.os, h.arch].filter(Boolean).join(" · ")}
      </span>
    ),
  },
  {
    id: "seen",
    title: "Last seen",
    right: true,
    sort: (h) => Date.parse(h.last_seen),
    cell: (h) => <Ago time={h.last_seen} />,
  },
];

/** All hosts with their state now. */
export function HostsPage() {
  useTitle("Hosts");
  const { q = "" } = useSearch({ from: "/hosts" });
  const navigate = useNavigate({ from: "/hosts" });
  const { window: w } = useTime();
  const hosts = useQuery({
    queryKey: ["hosts", w.startMs, w.endMs],
    queryFn: ({ signal }) => api.get("/api/v1/hosts", { query: windowQuery(w), signal }),
    ...windowed,
  });
  const all = hosts.data?.items;
  const rows = useMemo(() => filterHosts(all ?? [], q), [all, q]);
  const up = all?.filter((h) => h.up).length ?? 0;
  return (
    <div className={ui.page}>
      <PageHead title="Hosts">
        {all ? (
          <p>
            {up} up{all.length > up ? `, ${all.length - up} silent` : ""}
            {q ? `, ${rows.length} shown` : ""}
          </p>
        ) : null}
      </PageHead>
      <div className={ui.toolbar}>
        <TextInput
          className={ui.grow}
          style={{ maxWidth: 380 }}
          data-search
          aria-label="Filter hosts"
          placeholder="Filter by name, address, system"
          leftSection={<Icon name="search" size={14} />}
          value={q}
          onChange={(e) => {
            const value = e.currentTarget.value;
            void navigate({ search: (s) => ({ ...s, q: value || undefined }), replace: true });
          }}
        />
      </div>
      <Panel label="Hosts" flush>
        <QueryView query={hosts} warnings={(d) => d.warnings}>
          {() => {
            if (!all || all.length === 0) {
              return (
                <Empty title="No host has reported in this range" action={<Link to="/start">Connect a sender</Link>}>
                  Hosts appear when an agent, or any OTLP sender with a host name, delivers its first metrics.
                </Empty>
              );
            }
            if (rows.length === 0)
              return <Empty title={`No host matches “${q}”`}>{all.length} hosts are hidden by the filter.</Empty>;
            return (
              <DataTable
                label="Hosts"
                rows={rows}
                columns={columns}
                rowKey={(h) => h.id}
                initialSort={{ id: "name", descending: false }}
                keyboard
                onOpen={(h) => void navigate({ to: "/hosts/$hostId", params: { hostId: h.id }, search: {} })}
              />
            );
          }}
        </QueryView>
      </Panel>
    </div>
  );
}

/** Hosts of which every word of the filter is in the name, an address, the system or the cloud id. */
function filterHosts(hosts: readonly Host[], filter: string): Host[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return hosts.filter((h) => {
    const text = [
      h.name,
      h.id,
      h.os,
      h.kernel,
      h.arch,
      ...h.addresses,
      h.cloud?.provider,
      h.cloud?.region,
      h.cloud?.instance_id,
    ]
      .join(" ")
      .toLowerCase();
    return words.every((w) => text.includes(w));
  });
}
