import { keepPreviousData } from "@tanstack/react-query";
import type { WindowQuery } from "@/api/types";
import type { TimeWindow } from "@/lib/time";

/** Options of queries over the page's window: the previous picture stays, dimmed, until the next one is there. */
export const windowed = { placeholderData: keepPreviousData, gcTime: 30_000, staleTime: 4_000 } as const;

/** The window as query parameters, RFC 3339. */
export function windowQuery(w: TimeWindow): WindowQuery {
  return { start: new Date(w.startMs).toISOString(), end: new Date(w.endMs).toISOString() };
}
