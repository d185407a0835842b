import type { System } from "@/api/types";
import { useSystem } from "@/app/system";
import { formatDurationMs, formatInteger, formatValue } from "@/lib/units";
import { Ago, KeyValues, Meter, Pill, Value } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import css from "./ingest.module.css";

type Table = System["storage"][number];

const columns: Column<Table>[] = [
  { id: "signal", title: "Signal", sort: (t) => t.signal, cell: (t) => t.signal },
  { id: "table", title: "Table", sort: (t) => t.table, cell: (t) => <span className="mono">{t.table}</span> },
  { id: "rows", title: "Rows", right: true, sort: (t) => t.rows, cell: (t) => formatInteger(t.rows) },
  {
    id: "disk",
    title: "On disk",
    right: true,
    sort: (t) => t.disk_bytes,
    cell: (t) => <Value v={t.disk_bytes} unit="bytes" />,
  },
  {
    id: "raw",
    title: "Uncompressed",
    right: true,
    sort: (t) => t.raw_bytes,
    cell: (t) => <Value v={t.raw_bytes} unit="bytes" />,
  },
  {
    id: "ratio",
    title: "Compression",
    right: true,
    sort: (t) => (t.disk_bytes > 0 ? t.raw_bytes / t.disk_bytes : 0),
    cell: (t) => (t.disk_bytes > 0 ? `${formatValue(t.raw_bytes / t.disk_bytes, "none")}×` : "–"),
  },
  {
    id: "row",
    title: "Per row",
    right: true,
    sort: (t) => (t.rows > 0 ? t.disk_bytes / t.rows : 0),
    cell: (t) => (t.rows > 0 ? <Value v={t.disk_bytes / t.rows} unit="bytes" /> : "–"),
  },
];

/** Disk, database, bus, retention. */
export function Storage() {
  const system = useSystem();
  return (
    <>
      <Panel
        title="Storage"
        note={
          system.data
            ? `${formatValue(
                system.data.storage.reduce((n, t) => n + t.disk_bytes, 0),
                "bytes",
              )} on disk`
            : null
        }
        flush
      >
        <QueryView query={system}>
          {(s) =>
            s.storage.length === 0 ? (
              <Empty title="No tables yet">The engine has not reported its tables.</Empty>
            ) : (
              <DataTable
                label="Storage"
                rows={s.storage}
                columns={columns}
                rowKey={(t) => t.table}
                initialSort={{ id: "disk", descending: true }}
              />
            )
          }
        </QueryView>
      </Panel>
      <div className={css.cards}>
        <Panel title="Disk">
          <QueryView query={system}>{(s) => <Disk system={s} />}</QueryView>
        </Panel>
        <Panel title="Retention">
          <QueryView query={system}>
            {(s) => (
              <KeyValues
                items={s.retention.map(
                  (r) =>
                    [
                      r.signal,
                      r.days > 0 ? `${formatInteger(r.days)} ${r.days === 1 ? "day" : "days"}` : "unlimited",
                    ] as const,
                )}
              />
            )}
          </QueryView>
        </Panel>
        <Panel title="Server">
          <QueryView query={system}>{(s) => <Server system={s} />}</QueryView>
        </Panel>
      </div>
    </>
  );
}

function Disk({ system }: { system: System }) {
  const { disk } = system;
  const tone = disk.state === "full" ? "bad" : disk.state === "warn" ? "warn" : "ok";
  return (
    <KeyValues
      items={[
        [
          "state",
          <Pill key="s" tone={tone}>
            {disk.state}
          </Pill>,
        ],
        [
          "data directory",
          <span key="p" className="mono">
            {disk.path}
          </span>,
        ],
        ["used", <Meter key="m" ratio={disk.used_ratio} warn={0.8} bad={0.9} />],
        ["free", `${formatValue(disk.free_bytes, "bytes")} of ${formatValue(disk.total_bytes, "bytes")}`],
        ["at 80 %", "a warning on every page"],
        ["at 90 %", "the oldest partitions are dropped, and it says so"],
      ]}
    />
  );
}

function Server({ system }: { system: System }) {
  const { engine, bus } = system;
  return (
    <KeyValues
      items={[
        [
          "version",
          <span key="v" className="mono">
            {system.version} {system.commit ? `(${system.commit.slice(0, 10)})` : ""}
          </span>,
        ],
        ["mode", system.mode],
        ["running for", formatDurationMs(system.uptime_seconds * 1000)],
        ["started", <Ago key="st" time={system.started_at} />],
        ["time zone", system.time_zone],
        [
          "engine",
          <span key="e">
            {engine.ready ? <Pill tone="ok">ready</Pill> : <Pill tone="bad">not ready</Pill>} {engine.version}
          </span>,
        ],
        ["engine memory", formatValue(engine.memory_bytes, "bytes")],
        [
          "bus",
          bus.ready ? (
            <Pill key="b" tone="ok">
              ready
            </Pill>
          ) : (
            <Pill key="b" tone="bad">
              not ready
            </Pill>
          ),
        ],
        [
          "streams",
          `${formatValue(bus.stream_bytes, "bytes")}${bus.stream_max_bytes > 0 ? ` of at most ${formatValue(bus.stream_max_bytes, "bytes")}` : ""}`,
        ],
      ]}
    />
  );
}
