import type { IncidentState, PersonAct } from "@/api/types";

export interface Act {
  id: string;
  action: string;
  body?: { text?: string; assignee?: string; other?: string; findings?: string[] };
  /** What was done, in a sentence for the notice. */
  done: string;
  /** The action that takes it back. */
  undo?: { action: string; done: string };
}

interface Changeable {
  state: IncidentState;
  end?: string;
  acknowledged?: PersonAct;
  assignee?: string;
  comments?: PersonAct[];
}

/** The incident as it will be when the brain has done what was asked; what cannot be foreseen stays as it is. */
export function expected<T extends Changeable>(i: T, a: Act, who: string, at: string): T {
  const act = { at, who, text: a.body?.text ?? "" };
  switch (a.action) {
    case "acknowledge":
      return { ...i, acknowledged: act };
    case "unacknowledge":
      return { ...i, acknowledged: undefined };
    case "assign":
      return { ...i, assignee: a.body?.assignee || undefined };
    case "resolve":
      return { ...i, state: "resolved", end: at };
    case "reopen":
      return { ...i, state: "open", end: undefined };
    case "comment":
      return i.comments ? { ...i, comments: [...i.comments, act] } : i;
    default:
      return i;
  }
}
