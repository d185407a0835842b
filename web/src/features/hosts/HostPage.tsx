import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { ApiError } from "@/api/errors";
import { api } from "@/api/runtime";
import type { HostDetail } from "@/api/types";
import { windowed, windowQuery } from "@/app/query";
import { type HostTab, hostTabs } from "@/app/router";
import { useNow, useTime } from "@/app/time";
import { useTitle } from "@/app/title";
import { PromPanel, useStep } from "@/charts/PromPanel";
import { LogList } from "@/features/logs/LogList";
import { rateWindow } from "@/lib/time";
import { formatDurationMs, formatValue } from "@/lib/units";
import { Ago, Pill, Stat } from "@/ui/atoms";
import { QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import ui from "@/ui/ui.module.css";
import { Filesystems } from "./Filesystems";
import css from "./hosts.module.css";
import { Inventory } from "./Inventory";
import { Processes } from "./Processes";
import { hostCharts } from "./queries";

const tabNames: Record<HostTab, string> = {
  charts: "Charts",
  processes: "Processes",
  filesystems: "File systems",
  logs: "Logs",
  inventory: "Inventory",
};

/** One host: how it is now, its charts, processes, disks, logs and facts. */
export function HostPage() {
  const { hostId } = useParams({ from: "/hosts/$hostId" });
  const { tab = "charts" } = useSearch({ from: "/hosts/$hostId" });
  const navigate = useNavigate({ from: "/hosts/$hostId" });
  const { window: w } = useTime();
  const host = useQuery({
    queryKey: ["host", hostId, w.startMs, w.endMs],
    queryFn: ({ signal }) => api.get("/api/v1/hosts/{id}", { ids: { id: hostId }, query: windowQuery(w), signal }),
    ...windowed,
  });
  useTitle(host.data?.name ?? "Host");
  if (host.error instanceof ApiError && host.error.status === 404) {
    return (
      <div className={ui.page}>
        <h1>Host not found</h1>
        <Empty title={`No host has the id ${hostId}`} action={<Link to="/hosts">All hosts</Link>}>
          It may never have reported, or its data is older than the retention.
        </Empty>
      </div>
    );
  }
  return (
    <div className={ui.page}>
      <nav aria-label="Breadcrumb" className={css.crumbs}>
        <Link to="/hosts">Hosts</Link>
      </nav>
      <QueryView query={host} height={110}>
        {(h) => <Summary host={h} />}
      </QueryView>
      <Tabs
        value={tab}
        onChange={(v) =>
          void navigate({
            search: (s) => ({ ...s, tab: hostTabs.find((t) => t === v && t !== "charts") }),
            replace: true,
          })
        }
        keepMounted={false}
      >
        <Tabs.List>
          {hostTabs.map((t) => (
            <Tabs.Tab key={t} value={t}>
              {tabNames[t]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="charts" pt="sm">
          <Charts hostId={hostId} />
        </Tabs.Panel>
        <Tabs.Panel value="processes" pt="sm">
          <Processes hostId={hostId} />
        </Tabs.Panel>
        <Tabs.Panel value="filesystems" pt="sm">
          <QueryView query={host}>{(h) => <Filesystems host={h} />}</QueryView>
        </Tabs.Panel>
        <Tabs.Panel value="logs" pt="sm">
          <QueryView query={host}>
            {(h) => (
              <LogList
                filter={{ host: h.name && h.name !== h.id ? [h.id, h.name] : [h.id] }}
                height={560}
                title="Logs of this host"
                emptyHint="The agent reads journald and the files it is told to; nothing arrived from this host in this range."
              />
            )}
          </QueryView>
        </Tabs.Panel>
        <Tabs.Panel value="inventory" pt="sm">
          <QueryView query={host}>{(h) => <Inventory host={h} />}</QueryView>
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}

function Charts({ hostId }: { hostId: string }) {
  const step = useStep();
  const specs = useMemo(() => hostCharts(hostId, rateWindow(step)), [hostId, step]);
  return (
    <div className={css.grid}>
      {specs.map((spec) => (
        <PromPanel key={spec.id} spec={spec} step={step} syncKey={`host-${hostId}`} />
      ))}
    </div>
  );
}

function Summary({ host }: { host: HostDetail }) {
  const now = useNow(30_000);
  const booted = host.boot_time ? Date.parse(host.boot_time) : Number.NaN;
  return (
    <div className={css.summary}>
      <div className={ui.pageHead}>
        <h1>{host.name || host.id}</h1>
        {host.up ? <Pill tone="ok">up</Pill> : <Pill tone="bad">silent</Pill>}
        <p>
          {[host.os, host.kernel, host.arch].filter(Boolean).join(" · ")} · last seen{" "}
          <Ago time={host.last_seen} every={1_000} />
        </p>
      </div>
      <div className={ui.stats}>
        <Stat label="CPU" value={formatValue(host.cpu_ratio, "ratio")} note={`${host.cpus} logical CPUs`} />
        <Stat label="Load, 1 min" value={formatValue(host.load1, "none")} note="runnable tasks" />
        <Stat
          label="Memory"
          value={formatValue(host.memory_ratio, "ratio")}
          note={`of ${formatValue(host.memory_bytes, "bytes")}`}
        />
        <Stat label="Fullest disk" value={formatValue(host.disk_ratio, "ratio")} note={fullest(host)} />
        <Stat label="Network" value={formatValue(host.network_bytes_per_second, "bytes/s")} note="in and out" />
        <Stat
          label="Up since boot"
          value={Number.isNaN(booted) ? "–" : formatDurationMs(now - booted)}
          note={<Ago time={host.boot_time} />}
        />
      </div>
    </div>
  );
}

function fullest(host: HostDetail): string {
  const top = [...host.filesystems].sort((a, b) => b.used_ratio - a.used_ratio)[0];
  return top ? top.mountpoint : "no file system known";
}
