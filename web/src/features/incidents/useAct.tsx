import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type InfiniteData, useMutation, useQueryClient } from "@tanstack/react-query";
import { asApiError } from "@/api/errors";
import { api } from "@/api/runtime";
import type { CommandAnswer, FeedbackKind, Incident, IncidentBrief, Page } from "@/api/types";
import { useSession } from "@/app/session";
import { type Act, expected } from "./expected";

/** A key that tells one request from another; not randomUUID, which pages over plain HTTP do not have. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Mantine leaves the button that closes a notice without a name. */
export const closeNotice = { "aria-label": "Close" };

interface Actions {
  act: (a: Act) => void;
  judge: (id: string, kind: FeedbackKind, target: string, done: string, text?: string, until?: string) => void;
  revoke: (id: string, feedback: string) => void;
  busy: boolean;
}

/** What people do with incidents: shown at once, sent to the brain, told in a notice with a way back. */
export function useAct(): Actions {
  const client = useQueryClient();
  const me = useSession().data?.user ?? "";
  const settled = (id: string) => {
    void client.invalidateQueries({ queryKey: ["incidents"] });
    void client.invalidateQueries({ queryKey: ["incident", id] });
  };
  // The brain takes commands at its next mark, up to five seconds later: until then the page shows what was asked for.
  const show = (a: Act) => {
    const at = new Date().toISOString();
    client.setQueryData<Incident>(["incident", a.id], (i) => i && expected(i, a, me, at));
    client.setQueriesData<InfiniteData<Page<IncidentBrief>>>({ queryKey: ["incidents"] }, (d) => {
      if (!d?.pages) return d;
      const items = (p: Page<IncidentBrief>) => p.items.map((i) => (i.id === a.id ? expected(i, a, me, at) : i));
      return { ...d, pages: d.pages.map((p) => ({ ...p, items: items(p) })) };
    });
  };
  const failed = (error: unknown, id: string) => {
    const e = asApiError(error);
    notifications.show({
      color: "red",
      title: e.message,
      message: e.hint ?? `code ${e.code}`,
      closeButtonProps: closeNotice,
    });
    settled(id);
  };
  const tell = (answer: CommandAnswer, done: string, undo?: () => void) => {
    const key = answer.command_id;
    const queued = answer.status === "queued";
    notifications.show({
      id: key,
      closeButtonProps: closeNotice,
      color: queued ? "yellow" : undefined,
      title: queued ? `Queued: ${done}` : done,
      message: queued ? (
        "The brain does not answer now; it does this when it is back."
      ) : undo ? (
        <Button
          variant="default"
          size="compact-xs"
          onClick={() => {
            notifications.hide(key);
            undo();
          }}
        >
          Undo
        </Button>
      ) : null,
      autoClose: undo ? 12_000 : 5_000,
    });
  };
  const command = useMutation({
    mutationFn: (a: Act) => api.actOnIncident(a.id, a.action, a.body ?? {}, newKey()),
    onMutate: show,
    onSuccess: (answer, a) => {
      settled(a.id);
      const back = a.undo;
      tell(answer, a.done, back ? () => command.mutate({ id: a.id, action: back.action, done: back.done }) : undefined);
    },
    onError: (error, a) => failed(error, a.id),
  });
  const revocation = useMutation({
    mutationFn: (r: { id: string; feedback: string }) => api.revokeFeedback(r.id, r.feedback),
    onSuccess: (answer, r) => {
      settled(r.id);
      tell(answer, "Taken back");
    },
    onError: (error, r) => failed(error, r.id),
  });
  const judgement = useMutation({
    mutationFn: (j: { id: string; body: object; done: string }) =>
      api.actOnIncident(j.id, "feedback", j.body, newKey()),
    onSuccess: (answer, j) => {
      settled(j.id);
      const feedback = answer.feedback_id;
      tell(answer, j.done, feedback ? () => revocation.mutate({ id: j.id, feedback }) : undefined);
    },
    onError: (error, j) => failed(error, j.id),
  });
  return {
    act: command.mutate,
    judge: (id, kind, target, done, text, until) => judgement.mutate({ id, body: { kind, target, text, until }, done }),
    revoke: (id, feedback) => revocation.mutate({ id, feedback }),
    busy: command.isPending || judgement.isPending || revocation.isPending,
  };
}

/** Acknowledging and resolving, as list and page offer them. */
export function acknowledge(i: { id: string; acknowledged?: object }): Act {
  if (i.acknowledged) return { id: i.id, action: "unacknowledge", done: "Acknowledgement taken back" };
  return {
    id: i.id,
    action: "acknowledge",
    done: "Acknowledged",
    undo: { action: "unacknowledge", done: "Acknowledgement taken back" },
  };
}

export function resolve(i: { id: string; state: string }): Act {
  if (i.state === "resolved") return { id: i.id, action: "reopen", done: "Reopened" };
  return { id: i.id, action: "resolve", done: "Resolved", undo: { action: "reopen", done: "Reopened" } };
}
