import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { asApiError } from "@/api/errors";
import { api, queryClient } from "@/api/runtime";
import type { DeadLetter } from "@/api/types";
import { useTime } from "@/app/time";
import { formatInteger } from "@/lib/units";
import { Ago, Value } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";

const pageSize = 50;
const refreshMs = 15_000;

/** Batches that could not be stored, with the reason; each can be put back on its stream. */
export function DeadLetters() {
  const { live } = useTime();
  const query = useInfiniteQuery({
    queryKey: ["dead-letters"],
    queryFn: ({ pageParam, signal }) =>
      api.get("/api/v1/dead-letters", { query: { limit: pageSize, cursor: pageParam || undefined }, signal }),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor || undefined,
    refetchInterval: live ? refreshMs : false,
  });
  const rows = query.data?.pages.flatMap((p) => p.items) ?? [];
  return (
    <Panel title="Dead letters" note="batches that could not be stored" flush>
      <QueryView query={query}>
        {() =>
          rows.length === 0 ? (
            <Empty title="No dead letters">Every batch so far could be stored.</Empty>
          ) : (
            <>
              <DataTable
                label="Dead letters"
                rows={rows}
                columns={columns}
                rowKey={(d) => String(d.seq)}
                initialSort={{ id: "received", descending: true }}
              />
              {query.hasNextPage ? (
                <div style={{ padding: 10 }}>
                  <Button
                    variant="default"
                    loading={query.isFetchingNextPage}
                    onClick={() => void query.fetchNextPage()}
                  >
                    More
                  </Button>
                </div>
              ) : null}
            </>
          )
        }
      </QueryView>
    </Panel>
  );
}

const columns: Column<DeadLetter>[] = [
  {
    id: "seq",
    title: "No.",
    right: true,
    sort: (d) => d.seq,
    cell: (d) => <span className="mono">{d.seq}</span>,
    width: 70,
  },
  {
    id: "received",
    title: "Received",
    sort: (d) => Date.parse(d.received_at),
    cell: (d) => <Ago time={d.received_at} />,
  },
  { id: "signal", title: "Signal", sort: (d) => d.signal, cell: (d) => d.signal },
  { id: "source", title: "Source", sort: (d) => d.source, cell: (d) => d.source },
  {
    id: "reason",
    title: "Reason",
    sort: (d) => d.reason,
    cell: (d) => <span style={{ overflowWrap: "anywhere" }}>{d.reason}</span>,
  },
  { id: "items", title: "Items", right: true, sort: (d) => d.items, cell: (d) => formatInteger(d.items) },
  {
    id: "size",
    title: "Size",
    right: true,
    sort: (d) => d.size_bytes,
    cell: (d) => <Value v={d.size_bytes} unit="bytes" />,
  },
  { id: "replay", title: "", right: true, cell: (d) => <Replay letter={d} /> },
];

function Replay({ letter }: { letter: DeadLetter }) {
  const replay = useMutation({
    // The key names the letter, so that pressing twice, or a retry on the way, replays it once.
    mutationFn: () => api.replayDeadLetter(letter.seq, `replay-${letter.seq}-${letter.received_at}`),
    onSuccess: () => {
      notifications.show({
        title: `Batch ${letter.seq} is back on its stream`,
        message: `${formatInteger(letter.items)} ${letter.signal} items will be stored, or come back here with a reason.`,
      });
      void queryClient.invalidateQueries({ queryKey: ["dead-letters"] });
      void queryClient.invalidateQueries({ queryKey: ["ledger"] });
    },
    onError: (error) => {
      const e = asApiError(error);
      notifications.show({
        color: "red",
        title: `Batch ${letter.seq} was not replayed`,
        message: [e.message, e.hint].filter(Boolean).join(" "),
      });
    },
  });
  return (
    <Button
      variant="default"
      size="compact-xs"
      loading={replay.isPending}
      disabled={replay.isSuccess}
      onClick={() => replay.mutate()}
      aria-label={`Replay batch ${letter.seq}`}
    >
      {replay.isSuccess ? "Replayed" : "Replay"}
    </Button>
  );
}
