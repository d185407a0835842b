import { QueryClient } from "@tanstack/react-query";
import { Client } from "./client";
import { ApiError } from "./errors";
import type { Session } from "./types";

export const sessionKey = ["session"] as const;

/** One query cache for the page; a query is tried twice more when the server may come back, never when it said no. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      gcTime: 60_000,
      refetchOnWindowFocus: false,
      retry: (failures, error) => failures < 2 && error instanceof ApiError && error.transient,
      retryDelay: (attempt) => Math.min(4_000, 500 * 2 ** attempt),
      networkMode: "always",
    },
    mutations: { retry: false, networkMode: "always" },
  },
});

/** The one client of the page: its CSRF token is the one of the session in the cache. */
export const api = new Client({
  csrfToken: () => queryClient.getQueryData<Session | null>(sessionKey)?.csrf_token,
  onUnauthenticated: () => queryClient.setQueryData(sessionKey, null),
});
