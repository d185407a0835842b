import { Button, Group, Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/runtime";
import type { Incident } from "@/api/types";
import { Failure } from "@/ui/states";
import { Dialog } from "./Dialog";
import { useAct } from "./useAct";

/** Chooses the incident that this one and another become. */
export function MergeDialog({ incident, onClose }: { incident: Incident; onClose: () => void }) {
  const { act } = useAct();
  const [other, setOther] = useState<string | null>(null);
  const query = useQuery({
    queryKey: ["incidents", "to-merge"],
    queryFn: ({ signal }) =>
      api.get("/api/v1/incidents", { query: { start: "now-7d", end: "now", limit: 200 }, signal }),
  });
  const choices = (query.data?.items ?? [])
    .filter((i) => i.id !== incident.id)
    .map((i) => ({ value: i.id, label: `${i.title} (${i.state})` }));
  return (
    <Dialog title="Merge with another incident" onClose={onClose}>
      {query.isError ? <Failure error={query.error} onRetry={() => void query.refetch()} compact /> : null}
      <Select
        label="Other incident"
        description="The older of the two stays; the link of the other leads to it."
        placeholder="Of the last seven days"
        searchable
        nothingFoundMessage="No other incident"
        value={other}
        data={choices}
        onChange={setOther}
      />
      <Group mt="md" justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button
          disabled={!other}
          onClick={() => {
            if (other) act({ id: incident.id, action: "merge", body: { other }, done: "Merged" });
            onClose();
          }}
        >
          Merge
        </Button>
      </Group>
    </Dialog>
  );
}
