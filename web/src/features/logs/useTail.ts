import { useEffect, useRef, useState } from "react";
import { queryString } from "@/api/client";
import type { LogRecord } from "@/api/types";
import type { LogChoice } from "./filter";

/** Lines kept while following; more would only slow the page down. */
const keptLines = 2_000;
/** New lines reach the screen four times a second, however many come. */
const flushMs = 250;

export interface Tail {
  lines: LogRecord[];
  state: "connecting" | "open" | "lost";
  /** Lines that the server left out because they came faster than they could be sent. */
  dropped: number;
  /** Lines that wait behind the pause. */
  waiting: number;
}

/** Follows new log lines over server-sent events, newest first. */
export function useTail(choice: LogChoice, enabled: boolean, paused: boolean): Tail {
  const [tail, setTail] = useState<Tail>({ lines: [], state: "connecting", dropped: 0, waiting: 0 });
  const pausedRef = useRef(paused);
  useEffect(() => {
    pausedRef.current = paused;
  }, [paused]);
  const address = `/api/v1/logs/tail${queryString(choice)}`;

  useEffect(() => {
    if (!enabled) return;
    setTail({ lines: [], state: "connecting", dropped: 0, waiting: 0 });
    let buffer: LogRecord[] = [];
    let dropped = 0;
    const source = new EventSource(address);
    source.onopen = () => setTail((t) => ({ ...t, state: "open" }));
    source.onerror = () => setTail((t) => ({ ...t, state: "lost" }));
    source.addEventListener("log", (event) => {
      const record = parse<LogRecord>(event.data);
      if (!record) return;
      buffer.unshift(record);
      if (buffer.length > keptLines) buffer.length = keptLines;
    });
    source.addEventListener("dropped", (event) => {
      dropped += parse<{ count: number }>(event.data)?.count ?? 0;
    });
    const timer = window.setInterval(() => {
      if (pausedRef.current) {
        setTail((t) =>
          t.waiting === buffer.length && t.dropped === dropped ? t : { ...t, waiting: buffer.length, dropped },
        );
        return;
      }
      const fresh = buffer;
      buffer = [];
      setTail((t) => {
        if (fresh.length === 0 && t.dropped === dropped && t.waiting === 0) return t;
        return { ...t, lines: [...fresh, ...t.lines].slice(0, keptLines), dropped, waiting: 0 };
      });
    }, flushMs);
    return () => {
      window.clearInterval(timer);
      source.close();
    };
  }, [address, enabled]);
  return tail;
}

/** An event's data; a line that is not JSON is left out rather than ending the stream. */
function parse<T>(data: unknown): T | undefined {
  try {
    return JSON.parse(String(data)) as T;
  } catch {
    return undefined;
  }
}
