import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api } from "@/api/runtime";
import type { Ledger, LedgerEntry, StreamState } from "@/api/types";
import { useHostName } from "@/app/hostnames";
import { windowed, windowQuery } from "@/app/query";
import { useTime } from "@/app/time";
import { useTitle } from "@/app/title";
import { formatDurationMs, formatInteger } from "@/lib/units";
import { Ago, PageHead, Pill, Stat, Value } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import ui from "@/ui/ui.module.css";
import { DeadLetters } from "./DeadLetters";
import { Storage } from "./Storage";

/** A source that is later than this is behind. */
const lagWarnMs = 60_000;

const count = (
  id: "accepted" | "stored" | "dead_letter" | "in_stream",
  title: string,
  hint: string,
): Column<LedgerEntry> => ({
  id,
  title,
  hint,
  right: true,
  sort: (e) => e[id],
  cell: (e) =>
    id === "dead_letter" && e.dead_letter > 0 ? (
      <Pill tone="warn">{formatInteger(e.dead_letter)}</Pill>
    ) : (
      <span>{formatInteger(e[id])}</span>
    ),
});

const columns: Column<LedgerEntry>[] = [
  {
    id: "source",
    title: "Source",
    sort: (e) => e.source,
    cell: (e) => <Source name={e.source} />,
  },
  {
    id: "protocol",
    title: "Over",
    sort: (e) => e.protocol,
    cell: (e) => <span className="mono faint">{e.protocol}</span>,
  },
  { id: "signal", title: "Signal", sort: (e) => e.signal, cell: (e) => e.signal },
  {
    id: "sent",
    title: "Sent",
    hint: "Known for Faultline's own agent only",
    right: true,
    sort: (e) => e.sent,
    cell: (e) =>
      e.sent === undefined || e.sent === null ? <span className="faint">unknown</span> : formatInteger(e.sent),
  },
  count("accepted", "Accepted", "Taken over from the sender: from here on nothing may be lost"),
  count("stored", "Stored", "In the database"),
  count("dead_letter", "Dead letter", "Could not be stored; kept with the reason, can be replayed"),
  count("in_stream", "In stream", "Accepted and waiting to be written"),
  {
    id: "rejected",
    title: "Rejected",
    right: true,
    sort: rejectedSum,
    cell: (e) => <Rejected entry={e} />,
    hint: "Refused with a clear answer to the sender, by reason",
  },
  { id: "lag", title: "Lag", right: true, sort: (e) => e.lag_ms, cell: (e) => <Lag ms={e.lag_ms} /> },
  {
    id: "last",
    title: "Last received",
    right: true,
    sort: (e) => Date.parse(e.last_received_at ?? ""),
    cell: (e) => <Ago time={e.last_received_at} />,
  },
  { id: "balanced", title: "Balance", sort: (e) => (e.balanced ? 1 : 0), cell: (e) => <Balance entry={e} /> },
];

/** Our agents sign with the id of their host; people know the host by its name. */
function Source({ name }: { name: string }) {
  const hostName = useHostName();
  const id = name.startsWith("agent:") ? name.slice("agent:".length) : undefined;
  return (
    <strong style={{ fontWeight: 500, whiteSpace: "nowrap" }} title={name}>
      {id ? `agent on ${hostName(id)}` : name}
    </strong>
  );
}

function rejectedSum(e: LedgerEntry): number {
  return e.rejected.reduce((n, r) => n + r.count, 0);
}

function Rejected({ entry }: { entry: LedgerEntry }) {
  const sum = rejectedSum(entry);
  if (sum === 0) return <span className="faint">0</span>;
  return (
    <details style={{ display: "inline-block", textAlign: "right" }}>
      <summary style={{ cursor: "pointer" }}>{formatInteger(sum)}</summary>
      {entry.rejected.map((r) => (
        <div key={r.reason} style={{ whiteSpace: "nowrap", fontSize: 12 }}>
          <span className="faint">{r.reason.replaceAll("_", " ")}</span> {formatInteger(r.count)}
        </div>
      ))}
    </details>
  );
}

function Lag({ ms }: { ms: number }) {
  const text = formatDurationMs(ms);
  return ms > lagWarnMs ? <Pill tone="warn">{text}</Pill> : <span style={{ whiteSpace: "nowrap" }}>{text}</span>;
}

function Balance({ entry }: { entry: LedgerEntry }) {
  if (entry.balanced) return <Pill tone="ok">balanced</Pill>;
  const missing = entry.accepted - entry.stored - entry.dead_letter - entry.in_stream;
  return (
    <Pill tone="bad">{missing >= 0 ? `${formatInteger(missing)} missing` : `${formatInteger(-missing)} too many`}</Pill>
  );
}

/** Where everything that was sent has gone. */
export function IngestPage() {
  useTitle("Ingest health");
  const { window: w } = useTime();
  const ledger = useQuery({
    queryKey: ["ledger", w.startMs, w.endMs],
    queryFn: ({ signal }) => api.get("/api/v1/ledger", { query: windowQuery(w), signal }),
    ...windowed,
  });
  return (
    <div className={ui.page}>
      <PageHead title="Ingest health">
        <p>Everything accepted is stored, kept as dead letter, or still in the stream.</p>
      </PageHead>
      <QueryView query={ledger} height={80}>
        {(d) => <Totals ledger={d} />}
      </QueryView>
      <Panel title="Ledger" note="counts within the time range" flush>
        <QueryView query={ledger}>
          {(d) =>
            d.items.length === 0 ? (
              <Empty title="Nothing was received in this range" action={<Link to="/start">Connect a sender</Link>}>
                No source delivered anything, and nothing was refused.
              </Empty>
            ) : (
              <DataTable
                label="Ledger"
                rows={d.items}
                columns={columns}
                rowKey={(e) => `${e.source}|${e.protocol}|${e.signal}`}
                initialSort={{ id: "accepted", descending: true }}
                keyboard
              />
            )
          }
        </QueryView>
      </Panel>
      <Panel title="Streams" note="between receivers and storage" flush>
        <QueryView query={ledger}>{(d) => <Streams streams={d.streams} />}</QueryView>
      </Panel>
      <DeadLetters />
      <Storage />
    </div>
  );
}

function Totals({ ledger }: { ledger: Ledger }) {
  const sum = (pick: (e: LedgerEntry) => number) => formatInteger(ledger.items.reduce((n, e) => n + pick(e), 0));
  const worst = ledger.items.reduce((m, e) => Math.max(m, e.lag_ms), 0);
  return (
    <div className={ui.stats}>
      <Stat
        label="Balance"
        value={ledger.balanced ? <Pill tone="ok">balanced</Pill> : <Pill tone="bad">does not balance</Pill>}
        note={
          <>
            checked <Ago time={ledger.checked_at} every={1_000} />
          </>
        }
      />
      <Stat label="Accepted" value={sum((e) => e.accepted)} note="items" />
      <Stat label="Stored" value={sum((e) => e.stored)} note="items" />
      <Stat label="In stream" value={sum((e) => e.in_stream)} note="items" />
      <Stat label="Dead letter" value={sum((e) => e.dead_letter)} note="items" />
      <Stat label="Rejected" value={sum(rejectedSum)} note="items" />
      <Stat label="Longest lag" value={formatDurationMs(worst)} note="received to stored" />
    </div>
  );
}

const streamColumns: Column<StreamState>[] = [
  { id: "stream", title: "Stream", sort: (s) => s.stream, cell: (s) => <span className="mono">{s.stream}</span> },
  { id: "signal", title: "Signal", sort: (s) => s.signal, cell: (s) => s.signal },
  {
    id: "pending",
    title: "Waiting messages",
    right: true,
    sort: (s) => s.pending_messages,
    cell: (s) => formatInteger(s.pending_messages),
  },
  {
    id: "items",
    title: "Waiting items",
    right: true,
    sort: (s) => s.pending_items,
    cell: (s) => formatInteger(s.pending_items),
  },
  { id: "bytes", title: "Size", right: true, sort: (s) => s.bytes, cell: (s) => <Value v={s.bytes} unit="bytes" /> },
  {
    id: "oldest",
    title: "Oldest waiting",
    right: true,
    sort: (s) => s.oldest_ms,
    cell: (s) => (s.pending_messages > 0 ? <Lag ms={s.oldest_ms} /> : <span className="faint">–</span>),
  },
  {
    id: "seq",
    title: "Acknowledged",
    right: true,
    sort: (s) => s.ack_floor,
    cell: (s) => (
      <span className="mono">
        {formatInteger(s.ack_floor)} of {formatInteger(s.last_seq)}
      </span>
    ),
    hint: "Last message number up to which all are stored, of the last one received",
  },
];

function Streams({ streams }: { streams: readonly StreamState[] }) {
  if (streams.length === 0) return <Empty title="No streams yet">They are made when the first data arrives.</Empty>;
  return (
    <DataTable
      label="Streams"
      rows={streams}
      columns={streamColumns}
      rowKey={(s) => s.stream}
      initialSort={{ id: "stream", descending: false }}
    />
  );
}
