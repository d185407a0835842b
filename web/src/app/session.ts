import { useMutation, useQuery } from "@tanstack/react-query";
import { ApiError } from "@/api/errors";
import { api, queryClient, sessionKey } from "@/api/runtime";
import type { Session } from "@/api/types";

/** The session: undefined while unknown, null when signed out. */
export function useSession() {
  return useQuery<Session | null>({
    queryKey: sessionKey,
    queryFn: async ({ signal }) => {
      try {
        return await api.get("/api/v1/session", { signal });
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return null;
        throw error;
      }
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: Number.POSITIVE_INFINITY,
    refetchInterval: (query) => (query.state.error ? 3_000 : false),
  });
}

export function useSignOut() {
  return useMutation({
    mutationFn: () => api.signOut(),
    onSuccess: () => {
      // The session's own query stays: what shows the sign-in is watching it.
      queryClient.setQueryData(sessionKey, null);
      queryClient.removeQueries({ predicate: (q) => q.queryKey[0] !== sessionKey[0] });
    },
  });
}
