import type { Filesystem, HostDetail } from "@/api/types";
import { Meter, Value } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Panel } from "@/ui/Panel";
import { Empty } from "@/ui/states";

const columns: Column<Filesystem>[] = [
  {
    id: "mount",
    title: "Mounted at",
    sort: (f) => f.mountpoint,
    cell: (f) => <span className="mono">{f.mountpoint}</span>,
  },
  {
    id: "used",
    title: "Used",
    right: true,
    sort: (f) => f.used_ratio,
    cell: (f) => <Meter ratio={f.used_ratio} warn={0.8} bad={0.9} />,
  },
  {
    id: "free",
    title: "Free",
    right: true,
    sort: (f) => f.total_bytes * (1 - f.used_ratio),
    cell: (f) => <Value v={f.total_bytes * (1 - f.used_ratio)} unit="bytes" />,
  },
  {
    id: "size",
    title: "Size",
    right: true,
    sort: (f) => f.total_bytes,
    cell: (f) => <Value v={f.total_bytes} unit="bytes" />,
  },
  {
    id: "inodes",
    title: "Inodes used",
    right: true,
    sort: (f) => f.inodes_used_ratio,
    cell: (f) => <Meter ratio={f.inodes_used_ratio} warn={0.8} bad={0.9} />,
  },
  { id: "type", title: "Type", sort: (f) => f.type, cell: (f) => f.type },
  { id: "device", title: "Device", sort: (f) => f.device, cell: (f) => <span className="mono">{f.device}</span> },
];

export function Filesystems({ host }: { host: HostDetail }) {
  return (
    <Panel title="File systems" flush>
      {host.filesystems.length === 0 ? (
        <Empty title="No file systems known">The agent of this host has not reported any in this range.</Empty>
      ) : (
        <DataTable
          label="File systems"
          rows={host.filesystems}
          columns={columns}
          rowKey={(f) => f.mountpoint + f.device}
          initialSort={{ id: "used", descending: true }}
          keyboard
        />
      )}
    </Panel>
  );
}
