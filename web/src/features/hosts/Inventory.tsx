import type { ReactNode } from "react";
import type { Disk, HostDetail, NetworkInterface } from "@/api/types";
import { formatValue } from "@/lib/units";
import { Ago, attributeText, KeyValues, Meter, Value } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Panel } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import css from "./hosts.module.css";

/** Facts about the host as its agent found them. */
export function Inventory({ host }: { host: HostDetail }) {
  const facts: [string, ReactNode][] = [
    ["Name", host.name],
    [
      "Id",
      <span key="id" className="mono">
        {host.id}
      </span>,
    ],
    ["System", host.os],
    ["Kernel", host.kernel],
    ["Architecture", host.arch],
    ["Logical CPUs", String(host.cpus)],
    ["Memory", formatValue(host.memory_bytes, "bytes")],
    ["Booted", <Ago key="boot" time={host.boot_time} />],
    ["Addresses", host.addresses.join("\n") || "–"],
    [
      "Cloud",
      [host.cloud?.provider, host.cloud?.region, host.cloud?.instance_id].filter(Boolean).join(" · ") || "none seen",
    ],
    ["Agent", host.agent_version || "not an agent of Faultline"],
  ];
  const attributes = Object.entries(host.attributes).sort(([a], [b]) => a.localeCompare(b));
  return (
    <div className={css.grid}>
      <Panel title="Facts">
        <KeyValues items={facts} />
      </Panel>
      <Panel title="Disks" flush>
        {host.disks.length === 0 ? (
          <Empty title="No disks known">
            The host shows no block devices, or its agent has not reported them in this range.
          </Empty>
        ) : (
          <DataTable label="Disks" rows={host.disks} columns={diskColumns} rowKey={(d) => d.name} />
        )}
      </Panel>
      <Panel title="Network interfaces" flush>
        {host.interfaces.length === 0 ? (
          <Empty title="No interfaces known">The agent of this host has not reported any in this range.</Empty>
        ) : (
          <DataTable
            label="Network interfaces"
            rows={host.interfaces}
            columns={interfaceColumns}
            rowKey={(n) => n.name}
          />
        )}
      </Panel>
      {attributes.length > 0 ? (
        <Panel title="Resource attributes">
          <KeyValues
            items={attributes.map(([k, v]) => [
              k,
              <span key={k} className="mono">
                {attributeText(v)}
              </span>,
            ])}
          />
        </Panel>
      ) : null}
    </div>
  );
}

const diskColumns: Column<Disk>[] = [
  { id: "name", title: "Disk", sort: (d) => d.name, cell: (d) => <span className="mono">{d.name}</span> },
  {
    id: "size",
    title: "Size",
    right: true,
    sort: (d) => d.size_bytes,
    cell: (d) => <Value v={d.size_bytes} unit="bytes" />,
  },
  {
    id: "kind",
    title: "Kind",
    sort: (d) => d.model,
    cell: (d) => d.model || (d.rotational ? "rotating" : "solid state"),
  },
  {
    id: "read",
    title: "Reads",
    right: true,
    sort: (d) => d.read_bytes_per_second,
    cell: (d) => <Value v={d.read_bytes_per_second} unit="bytes/s" />,
  },
  {
    id: "write",
    title: "Writes",
    right: true,
    sort: (d) => d.write_bytes_per_second,
    cell: (d) => <Value v={d.write_bytes_per_second} unit="bytes/s" />,
  },
  { id: "busy", title: "Busy", right: true, sort: (d) => d.busy_ratio, cell: (d) => <Meter ratio={d.busy_ratio} /> },
];

const interfaceColumns: Column<NetworkInterface>[] = [
  { id: "name", title: "Interface", sort: (n) => n.name, cell: (n) => <span className="mono">{n.name}</span> },
  { id: "addresses", title: "Addresses", cell: (n) => <span className="mono">{n.addresses.join(", ") || "–"}</span> },
  {
    id: "in",
    title: "In",
    right: true,
    sort: (n) => n.receive_bytes_per_second,
    cell: (n) => <Value v={n.receive_bytes_per_second} unit="bytes/s" />,
  },
  {
    id: "out",
    title: "Out",
    right: true,
    sort: (n) => n.transmit_bytes_per_second,
    cell: (n) => <Value v={n.transmit_bytes_per_second} unit="bytes/s" />,
  },
  {
    id: "errors",
    title: "Errors",
    right: true,
    sort: (n) => n.errors_per_second,
    cell: (n) => <Value v={n.errors_per_second} unit="count/s" />,
  },
];
