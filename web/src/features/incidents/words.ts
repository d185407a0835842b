import type { Entity, FeedbackKind, IncidentSeverity, IncidentState } from "@/api/types";
import type { Unit } from "@/lib/units";
import type { Tone } from "@/ui/atoms";
import type { IconName } from "@/ui/Icon";

/** Severity as icon, word and tone; it comes from who is affected. */
export const severityWords: Record<IncidentSeverity, { word: string; icon: IconName; tone: Tone; hint: string }> = {
  critical: { word: "critical", icon: "error", tone: "bad", hint: "Entry points fail, or most of a fleet is gone" },
  high: { word: "high", icon: "warn", tone: "warn", hint: "Users are affected in part, or will be soon" },
  medium: { word: "medium", icon: "info", tone: "neutral", hint: "Something is broken that has a reserve" },
  low: { word: "low", icon: "down", tone: "neutral", hint: "Unusual, without effect that could be seen" },
};

export const stateWords: Record<IncidentState, { word: string; icon: IconName; tone: Tone; hint: string }> = {
  open: { word: "open", icon: "error", tone: "bad", hint: "Something still lasts" },
  quiet: {
    word: "quiet",
    icon: "clock",
    tone: "warn",
    hint: "Nothing lasts any more; it ends by itself when it stays so",
  },
  resolved: { word: "resolved", icon: "check", tone: "ok", hint: "It is over" },
  merged: { word: "merged", icon: "link", tone: "neutral", hint: "Another incident took this one in" },
};

const ranks: Record<IncidentSeverity, number> = { critical: 4, high: 3, medium: 2, low: 1 };

/** For sorting: the most severe is the largest. */
export function severityRank(s: IncidentSeverity): number {
  return ranks[s] ?? 0;
}

export const causeWords: Record<string, string> = {
  deploy: "deployment",
  traffic: "traffic",
  saturation: "saturation",
  exhaustion: "ran out",
  network: "network",
  dependency: "dependency",
  host: "host",
  crash: "crash",
  code: "behaviour",
  certificate: "certificate",
  job: "scheduled job",
  clock: "clock",
  unknown: "unknown",
};

export const feedbackWords: Record<FeedbackKind, string> = {
  confirm: "right",
  reject: "wrong",
  not_related: "not related",
  expected: "expected",
  mute: "muted",
};

export function entityText(e: Entity): string {
  return `${e.kind}:${e.name}`;
}

/** How sure, in words that do not claim more than the number. */
export function confidenceWord(c: number): string {
  if (c >= 0.9) return "almost sure";
  if (c >= 0.7) return "likely";
  if (c >= 0.4) return "possible";
  return "weak";
}

/** The unit in which a signal's values are printed. */
export function unitOf(unit: string | undefined, role: string | undefined): Unit {
  switch (unit) {
    case "s":
    case "seconds":
      return "seconds";
    case "ms":
      return "ms";
    case "By":
    case "bytes":
      return "bytes";
    case "1":
    case "ratio":
      return role === "errors" || role === "success" || role === "utilization" ? "ratio" : "none";
    default:
      return "none";
  }
}

/** What feedback is about, in words. */
export function targetText(target: string, members: readonly { finding_id: string; name: string }[]): string {
  if (target === "incident") return "this incident";
  if (target.startsWith("finding:")) {
    const id = target.slice("finding:".length);
    return members.find((m) => m.finding_id === id)?.name ?? `finding ${id}`;
  }
  if (target.startsWith("candidate:")) return `cause ${target.slice("candidate:".length)}`;
  return target;
}
