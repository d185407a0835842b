import { useQuery } from "@tanstack/react-query";
import { api } from "@/api/runtime";

/** State of the server; every page watches it for the banner. */
export function useSystem() {
  return useQuery({
    queryKey: ["system"],
    queryFn: ({ signal }) => api.get("/api/v1/system", { signal }),
    refetchInterval: 10_000,
    retry: false,
  });
}
