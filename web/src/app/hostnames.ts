import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { api } from "@/api/runtime";

const namesKey = ["hosts", "names"] as const;

/** All hosts with their names, for menus and to show names instead of ids; refreshed once a minute. */
export function useHosts() {
  return useQuery({
    queryKey: namesKey,
    queryFn: ({ signal }) => api.get("/api/v1/hosts", { signal }),
    staleTime: 60_000,
    retry: false,
  });
}

/** Gives the name of a host id; telemetry names hosts by id where the sender gave one, and people by name. */
export function useHostName(): (id: string) => string {
  const items = useHosts().data?.items;
  return useCallback((id) => items?.find((h) => h.id === id)?.name || id, [items]);
}
