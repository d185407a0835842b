import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api } from "@/api/runtime";
import type { Brain } from "@/api/types";
import type { IncidentsSearch } from "@/app/router";
import { useTime } from "@/app/time";
import { formatInteger, formatValue } from "@/lib/units";
import { Ago, Pill } from "@/ui/atoms";
import { Empty } from "@/ui/states";

export function useBrain() {
  return useQuery({
    queryKey: ["brain"],
    queryFn: ({ signal }) => api.get("/api/v1/brain", { signal }),
    refetchInterval: 10_000,
  });
}

/** Whether somebody watches, and up to when everything was judged. */
export function BrainLine() {
  const brain = useBrain();
  if (!brain.data) return null;
  if (!brain.data.healthy) return <Pill tone="warn">{brain.data.message}</Pill>;
  return (
    <p>
      checked up to <Ago time={brain.data.checked_at} every={1_000} />
    </p>
  );
}

function watched(b: Brain): string {
  const parts = [
    `${formatInteger(b.series)} series of ${formatInteger(b.entities)} entities`,
    `${formatInteger(b.templates)} kinds of log lines`,
  ];
  return `${parts.join(", ")} are watched.`;
}

/** Nothing to show: says what was checked and when, so that silence is not taken for health. */
export function NoIncidents({ search, clear }: { search: IncidentsSearch; clear: () => void }) {
  const brain = useBrain();
  const { setRange } = useTime();
  const b = brain.data;
  const narrowed = search.q || search.severity || search.entity || search.assignee;
  if (narrowed) {
    return (
      <Empty
        title="No incident matches these filters"
        action={
          <Button variant="default" size="compact-xs" onClick={clear}>
            Clear filters
          </Button>
        }
      >
        Others may be there.
      </Empty>
    );
  }
  if (search.view === "resolved" || search.view === "all") {
    return (
      <Empty
        title="No incident in this range"
        action={
          <Button variant="default" size="compact-xs" onClick={() => setRange({ from: "now-30d", to: "now" })}>
            Look at the last 30 days
          </Button>
        }
      >
        Incidents are listed when they lasted at any time of the range.
      </Empty>
    );
  }
  if (b && b.checked_at === undefined) {
    return (
      <Empty title="Nothing watches for incidents" action={<Link to="/ingest">See what arrives</Link>}>
        {b.message}
      </Empty>
    );
  }
  return (
    <Empty title="Nothing is wrong in what is watched" action={<Link to="/start">Connect more senders</Link>}>
      {b ? (
        <>
          Everything was checked up to <Ago time={b.checked_at} every={1_000} />. {watched(b)}{" "}
          {b.unwatched > 0 ? `${formatInteger(b.unwatched)} more series are counted only. ` : ""}
          {b.judged.precision !== null
            ? `Of ${b.judged.right + b.judged.wrong} incidents that people judged in ${b.judged.days} days, ${formatValue(b.judged.precision, "ratio")} were right. `
            : ""}
          {b.healthy ? "" : b.message}
        </>
      ) : (
        "How the brain fares is not known."
      )}
    </Empty>
  );
}
