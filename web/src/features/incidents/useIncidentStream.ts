import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

/** Changes reach the screen at most so often, however many come. */
const flushMs = 400;

/**
 * Follows incidents while a page shows them: what changed is asked for again. After every connect everything is asked for again,
 * since what happened in between is not sent twice.
 */
export function useIncidentStream(id?: string): "connecting" | "live" | "lost" {
  const client = useQueryClient();
  const [state, setState] = useState<"connecting" | "live" | "lost">("connecting");
  useEffect(() => {
    let timer: number | undefined;
    const refresh = () => {
      timer ??= window.setTimeout(() => {
        timer = undefined;
        void client.invalidateQueries({ queryKey: ["incidents"] });
        if (id) void client.invalidateQueries({ queryKey: ["incident", id] });
      }, flushMs);
    };
    const source = new EventSource("/api/v1/incidents/stream");
    let opened = false;
    source.onopen = () => {
      setState("live");
      if (opened) refresh();
      opened = true;
    };
    source.onerror = () => setState("lost");
    source.addEventListener("incident", (event) => {
      if (!id || eventId(event.data) === id) refresh();
    });
    for (const name of ["resync", "dropped"]) source.addEventListener(name, refresh);
    return () => {
      window.clearTimeout(timer);
      source.close();
    };
  }, [client, id]);
  return state;
}

/** The incident that an event speaks of; undefined refreshes nothing. */
export function eventId(data: unknown): string | undefined {
  try {
    const value: unknown = JSON.parse(String(data));
    return typeof value === "object" && value !== null && "id" in value ? String(value.id) : undefined;
  } catch {
    return undefined;
  }
}
