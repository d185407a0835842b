import { TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/runtime";
import type { Process } from "@/api/types";
import { useTime } from "@/app/time";
import { formatValue } from "@/lib/units";
import { Ago, Value } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Icon } from "@/ui/Icon";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import css from "./hosts.module.css";

const columns: Column<Process>[] = [
  {
    id: "pid",
    title: "PID",
    right: true,
    sort: (p) => p.pid,
    cell: (p) => <span className="mono">{p.pid}</span>,
    width: 70,
  },
  {
    id: "name",
    title: "Process",
    sort: (p) => p.name,
    cell: (p) => (
      <div className={css.command} title={p.command}>
        <strong>{p.name}</strong> <span className="faint mono">{p.command}</span>
      </div>
    ),
  },
  { id: "user", title: "User", sort: (p) => p.user, cell: (p) => p.user },
  {
    id: "cpu",
    title: "CPU",
    right: true,
    sort: (p) => p.cpu_ratio,
    hint: "100 % is one whole CPU",
    cell: (p) => <Value v={p.cpu_ratio} unit="ratio" />,
  },
  {
    id: "memory",
    title: "Memory",
    right: true,
    sort: (p) => p.memory_bytes,
    cell: (p) => <Value v={p.memory_bytes} unit="bytes" />,
  },
  {
    id: "threads",
    title: "Threads",
    right: true,
    sort: (p) => p.threads,
    cell: (p) => formatValue(p.threads, "count"),
  },
  {
    id: "started",
    title: "Started",
    right: true,
    sort: (p) => Date.parse(p.started_at ?? ""),
    cell: (p) => <Ago time={p.started_at} />,
  },
];

const refreshMs = 10_000;

export function Processes({ hostId }: { hostId: string }) {
  const { live } = useTime();
  const [filter, setFilter] = useState("");
  const query = useQuery({
    queryKey: ["processes", hostId],
    queryFn: ({ signal }) => api.get("/api/v1/hosts/{id}/processes", { ids: { id: hostId }, signal }),
    refetchInterval: live ? refreshMs : false,
  });
  const match = (p: Process) =>
    `${p.name} ${p.command} ${p.user} ${p.pid}`.toLowerCase().includes(filter.toLowerCase());
  return (
    <Panel
      title="Processes"
      note={
        query.data?.collected_at ? (
          <>
            top by CPU and memory, collected <Ago time={query.data.collected_at} every={1_000} />
          </>
        ) : null
      }
      flush
      actions={
        <TextInput
          data-search
          aria-label="Filter processes"
          placeholder="Filter"
          leftSection={<Icon name="search" size={13} />}
          value={filter}
          onChange={(e) => setFilter(e.currentTarget.value)}
        />
      }
    >
      <QueryView query={query}>
        {(d) =>
          d.items.length === 0 ? (
            <Empty title="No processes known">
              The agent of this host has not sent its process list yet; it does so about every 10 s.
            </Empty>
          ) : (
            <DataTable
              label="Processes"
              rows={d.items.filter(match)}
              columns={columns}
              rowKey={(p) => p.id || String(p.pid)}
              initialSort={{ id: "cpu", descending: true }}
              keyboard
            />
          )
        }
      </QueryView>
    </Panel>
  );
}
