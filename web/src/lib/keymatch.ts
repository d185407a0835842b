interface Pressed {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/** How long the second key of a sequence may take, ms; long enough to look for the letter. */
const sequenceMs = 1500;

/** Writes a key press in the notation of the bindings: "mod+k", "?", "ArrowLeft". */
export function chord(event: Pressed): string {
  const mod = event.ctrlKey || event.metaKey ? "mod+" : "";
  const alt = event.altKey ? "alt+" : "";
  const key = event.key.length === 1 && mod ? event.key.toLowerCase() : event.key;
  return mod + alt + key;
}

/** Matches single keys and sequences of two ("g h"). */
export class KeyMatcher {
  #pending: { key: string; at: number } | undefined;

  press<T extends { keys: string }>(event: Pressed, bindings: readonly T[], nowMs = Date.now()): T | undefined {
    const key = chord(event);
    if (key === "Shift" || key === "mod+Control" || key === "mod+Meta" || key === "alt+Alt") return undefined;
    const pending = this.#pending && nowMs - this.#pending.at < sequenceMs ? this.#pending.key : undefined;
    this.#pending = undefined;
    if (pending) {
      const hit = bindings.find((b) => b.keys === `${pending} ${key}`);
      if (hit) return hit;
    }
    const single = bindings.find((b) => b.keys === key);
    if (single) return single;
    if (bindings.some((b) => b.keys.startsWith(`${key} `))) this.#pending = { key, at: nowMs };
    return undefined;
  }
}
