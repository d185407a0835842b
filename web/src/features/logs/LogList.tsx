import { useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { api } from "@/api/runtime";
import { windowed, windowQuery } from "@/app/query";
import { useTime } from "@/app/time";
import { formatInteger, formatValue } from "@/lib/units";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import type { LogChoice } from "./filter";
import { LogTable } from "./LogTable";
import css from "./logs.module.css";

const pageSize = 200;

interface Props {
  filter: LogChoice;
  height: number | string;
  title: string;
  emptyHint: string;
  emptyAction?: React.ReactNode;
  actions?: React.ReactNode;
}

/** The newest lines first; older ones are fetched by cursor as one scrolls. */
export function LogList({ filter, height, title, emptyHint, emptyAction, actions }: Props) {
  const { window: w } = useTime();
  const query = useInfiniteQuery({
    queryKey: ["logs", filter, w.startMs, w.endMs],
    queryFn: ({ pageParam, signal }) =>
      api.get("/api/v1/logs", {
        query: { ...filter, ...windowQuery(w), limit: pageSize, cursor: pageParam || undefined },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor || undefined,
    ...windowed,
  });
  const rows = useMemo(() => query.data?.pages.flatMap((p) => p.items) ?? [], [query.data]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage, isFetchNextPageError } = query;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage]);
  const stats = query.data?.pages[0]?.stats;
  const footer = (
    <div className={css.footer}>
      {isFetchNextPageError ? (
        <button type="button" onClick={() => void fetchNextPage()}>
          Older lines could not be fetched. Try again
        </button>
      ) : isFetchingNextPage ? (
        "Fetching older lines…"
      ) : hasNextPage ? (
        ""
      ) : (
        `Start of the range. ${formatInteger(rows.length)} lines.`
      )}
    </div>
  );
  return (
    <Panel
      title={title}
      note={
        stats
          ? `${formatInteger(rows.length)}${hasNextPage ? "+" : ""} lines · read ${formatValue(stats.rows_read, "count")} rows, ${formatValue(stats.bytes_read, "bytes")} in ${formatValue(stats.elapsed_ms, "ms")}`
          : null
      }
      flush
      actions={actions}
    >
      <QueryView query={query} height={240} warnings={(d) => d.pages.flatMap((p) => p.warnings ?? [])}>
        {() =>
          rows.length === 0 ? (
            <Empty title="No lines in this range" action={emptyAction}>
              {emptyHint}
            </Empty>
          ) : (
            <LogTable
              rows={rows}
              query={filter.query}
              height={height}
              onEnd={onEnd}
              footer={footer}
              hideHost={filter.host !== undefined}
            />
          )
        }
      </QueryView>
    </Panel>
  );
}
