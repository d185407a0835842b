import type { Evidence, Incident } from "@/api/types";
import { formatTime, type Zone, zoneName } from "@/lib/time";
import { formatDurationMs } from "@/lib/units";
import { causeWords, confidenceWord, entityText, targetText } from "./words";

/** Text that cannot be taken for markup: names and messages come from telemetry, that is, from anybody. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]<>#|~]/g, "\\$&").replace(/\s+/g, " ");
}

function evidence(items: readonly Evidence[]): string[] {
  return items.map((e) => `- ${escapeMarkdown(e.text)}${e.query ? ` (\`${e.query.replaceAll("`", "'")}\`)` : ""}`);
}

/** The incident as a text for a chat or a post-mortem. */
export function toMarkdown(i: Incident, address: string, zone: Zone, nowMs: number): string {
  const at = (t: string) => `${formatTime(Date.parse(t), zone)} ${zoneName(zone)}`;
  const end = i.end ? Date.parse(i.end) : nowMs;
  const lines = [
    `# ${escapeMarkdown(i.title)}`,
    "",
    `**${i.severity}**, ${i.state} · began ${at(i.start)} · ${i.end ? "lasted" : "lasts for"} ${formatDurationMs(end - Date.parse(i.start))} · [${i.id}](${address})`,
    "",
    "## Root cause",
  ];
  const v = i.verdict;
  if (v.sentence) lines.push("", escapeMarkdown(v.sentence));
  v.candidates.forEach((c, n) => {
    const sure = `${Math.round(c.confidence * 100)} %, ${confidenceWord(c.confidence)}`;
    lines.push("", `${n + 1}. **${escapeMarkdown(entityText(c.entity))}**, ${causeWords[c.kind] ?? c.kind} (${sure})`);
    if (c.why) lines.push(`   ${escapeMarkdown(c.why)}`);
    lines.push(...evidence(c.for).map((l) => `   ${l}`));
    lines.push(...evidence(c.against).map((l) => `   ${l.replace("- ", "- *against:* ")}`));
  });
  if (v.candidates.length === 0) {
    lines.push(
      "",
      v.unknown ? "No clear cause. Checked:" : "Not looked for yet.",
      ...v.checked.map((c) => `- ${escapeMarkdown(c)}`),
    );
  }
  if (v.first_failure.length > 0) lines.push("", "## First failure", "", ...evidence(v.first_failure));
  if (v.impact.length > 0) lines.push("", "## Impact", "", ...evidence(v.impact));
  lines.push("", "## Members", "");
  lines.push(
    ...i.members.map(
      (m) => `- ${escapeMarkdown(entityText(m.entity))} ${escapeMarkdown(m.name)}: ${escapeMarkdown(m.reason)}`,
    ),
  );
  const people = [
    ...i.comments.map((c) => ({ at: c.at, text: `${c.who}: ${c.text}` })),
    ...i.feedback
      .filter((f) => !f.revoked)
      .map((f) => ({
        at: f.at,
        text: `${f.who} said ${f.kind} of ${targetText(f.target, i.members)}${f.text ? `: ${f.text}` : ""}`,
      })),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  if (people.length > 0)
    lines.push("", "## People", "", ...people.map((p) => `- ${at(p.at)} ${escapeMarkdown(p.text)}`));
  if (i.resolution) lines.push("", `Resolution: ${escapeMarkdown(i.resolution)}`);
  return `${lines.join("\n")}\n`;
}
