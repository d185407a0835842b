/** A piece of a template: words that all its lines share, or a slot for what varies. */
export interface Piece {
  text: string;
  slot: boolean;
}

const slot = /<(?:\*|num|hex|uuid|ip|path|url|time|size|duration|quoted|email|bool)>/g;

/** Parts the text of a template at its slots. */
export function pieces(template: string): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  for (const m of template.matchAll(slot)) {
    if (m.index > at) out.push({ text: template.slice(at, m.index), slot: false });
    out.push({ text: m[0].slice(1, -1), slot: true });
    at = m.index + m[0].length;
  }
  if (at < template.length) out.push({ text: template.slice(at), slot: false });
  return out;
}

/** A log search for the lines of a template: its longest runs of words, each as a phrase. */
export function searchFor(template: string): string {
  return pieces(template)
    .filter((p) => !p.slot)
    .map((p) => p.text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, ""))
    .filter((t) => t.length > 3)
    .sort((a, b) => b.length - a.length)
    .slice(0, 3)
    .map((t) => `"${t.replace(/["\\]/g, "\\$&")}"`)
    .join(" ");
}
