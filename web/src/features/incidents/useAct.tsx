import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { asApiError } from "@/api/errors";
import { api } from "@/api/runtime";
import type { CommandAnswer, FeedbackKind } from "@/api/types";

/** A key that tells one request from another; not randomUUID, which pages over plain HTTP do not have. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
}

export interface Act {
  id: string;
  action: string;
  body?: object;
  /** What was done, in a sentence for the notice. */
  done: string;
  /** The action that takes it back. */
  undo?: { action: string; done: string };
}

interface Actions {
  act: (a: Act) => void;
  judge: (id: string, kind: FeedbackKind, target: string, done: string, text?: string, until?: string) => void;
  revoke: (id: string, feedback: string) => void;
  busy: boolean;
}

/** What people do with incidents: sent to the brain, told in a notice with a way back. */
export function useAct(): Actions {
  const client = useQueryClient();
  const settled = (id: string) => {
    void client.invalidateQueries({ queryKey: ["incidents"] });
    void client.invalidateQueries({ queryKey: ["incident", id] });
  };
  const failed = (error: unknown) => {
    const e = asApiError(error);
    notifications.show({ color: "red", title: e.message, message: e.hint ?? `code ${e.code}` });
  };
  const tell = (answer: CommandAnswer, done: string, undo?: () => void) => {
    const key = answer.command_id;
    const queued = answer.status === "queued";
    notifications.show({
      id: key,
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
    onSuccess: (answer, a) => {
      settled(a.id);
      const back = a.undo;
      tell(answer, a.done, back ? () => command.mutate({ id: a.id, action: back.action, done: back.done }) : undefined);
    },
    onError: failed,
  });
  const revocation = useMutation({
    mutationFn: (r: { id: string; feedback: string }) => api.revokeFeedback(r.id, r.feedback),
    onSuccess: (answer, r) => {
      settled(r.id);
      tell(answer, "Taken back");
    },
    onError: failed,
  });
  const judgement = useMutation({
    mutationFn: (j: { id: string; body: object; done: string }) =>
      api.actOnIncident(j.id, "feedback", j.body, newKey()),
    onSuccess: (answer, j) => {
      settled(j.id);
      const feedback = answer.feedback_id;
      tell(answer, j.done, feedback ? () => revocation.mutate({ id: j.id, feedback }) : undefined);
    },
    onError: failed,
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
