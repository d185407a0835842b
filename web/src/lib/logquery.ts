/** One part of a log search: a word or phrase that the line must (or must not) contain. */
export interface LogTerm {
  text: string;
  negated: boolean;
  phrase: boolean;
}

export interface ParsedLogQuery {
  terms: LogTerm[];
  /** What is wrong with the query, in words for the person who typed it. */
  problem?: string;
}

/** Parses words, "quoted phrases" and -exclusions, as the server does; a backslash protects a quote inside a phrase. */
export function parseLogQuery(query: string): ParsedLogQuery {
  const terms: LogTerm[] = [];
  let i = 0;
  while (i < query.length) {
    if (/\s/.test(query.charAt(i))) {
      i++;
      continue;
    }
    const negated = query.charAt(i) === "-" && i + 1 < query.length && !/\s/.test(query.charAt(i + 1));
    if (negated) i++;
    if (query.charAt(i) === '"') {
      const phrase = readPhrase(query, i + 1);
      if (!phrase) return { terms, problem: "A quote is not closed." };
      i = phrase.next;
      if (phrase.text !== "") terms.push({ text: phrase.text, negated, phrase: true });
      continue;
    }
    const start = i;
    while (i < query.length && !/\s/.test(query.charAt(i))) i++;
    terms.push({ text: query.slice(start, i), negated, phrase: false });
  }
  return { terms };
}

function readPhrase(query: string, from: number): { text: string; next: number } | undefined {
  let text = "";
  for (let i = from; i < query.length; i++) {
    const c = query.charAt(i);
    if (c === "\\" && i + 1 < query.length) {
      text += query.charAt(++i);
    } else if (c === '"') {
      return { text, next: i + 1 };
    } else {
      text += c;
    }
  }
  return undefined;
}

export interface Piece {
  text: string;
  hit: boolean;
}

/** Cuts a text into pieces that match a wanted term and pieces that do not; case is ignored, overlaps are joined. */
export function highlight(text: string, terms: readonly LogTerm[]): Piece[] {
  const wanted = terms.filter((t) => !t.negated && t.text !== "").map((t) => t.text.toLowerCase());
  if (wanted.length === 0) return [{ text, hit: false }];
  const lower = text.toLowerCase();
  // Some letters change their length in lower case; positions would be off then.
  if (lower.length !== text.length) return [{ text, hit: false }];
  const spans: [number, number][] = [];
  for (const w of wanted) {
    for (let at = lower.indexOf(w); at >= 0; at = lower.indexOf(w, at + w.length)) spans.push([at, at + w.length]);
  }
  spans.sort((a, b) => a[0] - b[0]);
  const pieces: Piece[] = [];
  let end = 0;
  for (const [from, to] of spans) {
    if (to <= end) continue;
    const start = Math.max(from, end);
    if (start > end) pieces.push({ text: text.slice(end, start), hit: false });
    const last = pieces.at(-1);
    if (last?.hit && start === end) last.text += text.slice(start, to);
    else pieces.push({ text: text.slice(start, to), hit: true });
    end = to;
  }
  if (end < text.length) pieces.push({ text: text.slice(end), hit: false });
  return pieces;
}

/** Writes a term so that parseLogQuery reads it back as the same. */
export function formatTerm(term: LogTerm): string {
  const quoted = term.phrase || /[\s"]/.test(term.text) || term.text.startsWith("-");
  const body = quoted ? `"${term.text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"` : term.text;
  return (term.negated ? "-" : "") + body;
}
