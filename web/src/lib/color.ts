/** Number of series colours in the tokens (--series-0 … --series-8): as many as stay apart by eye without red and amber, which mean state. */
export const seriesColors = 9;

/** FNV-1a over UTF-16 units, 32 bits, with an avalanche step so that near names land far apart. */
export function hashText(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    h ^= text.charCodeAt(i);
    h = Math.imul(h, 0x01000193);
  }
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  return h >>> 0;
}

export function colorIndex(text: string): number {
  return hashText(text) % seriesColors;
}

/** One slot per key: its hash, and the next free slot when another key of the same chart has it already. */
export function colorIndices(keys: readonly string[]): number[] {
  const taken = new Set<number>();
  const result = new Map<string, number>();
  // Sorted, so that the outcome does not depend on the order in which the server answers.
  for (const key of [...new Set(keys)].sort()) {
    let slot = colorIndex(key);
    if (taken.size < seriesColors) while (taken.has(slot)) slot = (slot + 1) % seriesColors;
    taken.add(slot);
    result.set(key, slot);
  }
  return keys.map((key) => result.get(key) ?? 0);
}

export function seriesToken(index: number): string {
  return `var(--series-${index % seriesColors})`;
}

/** Canonical text of a label set: sorted, quoted as PromQL does. */
export function labelKey(labels: Readonly<Record<string, string>>): string {
  const names = Object.keys(labels)
    .filter((n) => n !== "__name__")
    .sort();
  const inner = names.map((n) => `${n}=${JSON.stringify(labels[n])}`).join(", ");
  const name = labels.__name__ ?? "";
  return names.length === 0 ? name || "{}" : `${name}{${inner}}`;
}

/** Colour of each key as a token; two keys of one set differ as long as there are colours. */
export function colorMap(keys: readonly string[]): Map<string, string> {
  const unique = [...new Set(keys)];
  const indices = colorIndices(unique);
  return new Map(unique.map((key, i) => [key, seriesToken(indices[i] ?? 0)]));
}
