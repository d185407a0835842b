import { createContext, type ReactNode, use, useEffect, useMemo, useRef } from "react";
import { KeyMatcher } from "@/lib/keymatch";

/** One keyboard action: keys are "g h" (one after the other), "mod+k" or a single key; shown in the help under its group. */
export interface KeyBinding {
  keys: string;
  label: string;
  group: string;
  run: () => void;
  /** Also while a text field has the focus. */
  whileTyping?: boolean;
}

interface KeyRegistry {
  add: (bindings: () => readonly KeyBinding[]) => () => void;
  all: () => KeyBinding[];
}

const KeyContext = createContext<KeyRegistry | undefined>(undefined);

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

function inDialog(target: EventTarget | null): boolean {
  if (document.querySelector('[aria-modal="true"]')) return true;
  return target instanceof HTMLElement && target.closest('[role="dialog"],[role="listbox"],[role="menu"]') !== null;
}

/** Listens once for the whole page and gives each key to the binding that was added last. */
export function KeyProvider({ children }: { children: ReactNode }) {
  const sources = useRef<(() => readonly KeyBinding[])[]>([]);
  const registry = useMemo<KeyRegistry>(
    () => ({
      add: (source) => {
        sources.current.push(source);
        return () => {
          sources.current = sources.current.filter((s) => s !== source);
        };
      },
      all: () => sources.current.flatMap((s) => s()),
    }),
    [],
  );
  useEffect(() => {
    const matcher = new KeyMatcher();
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      const typing = isTyping(event.target);
      const usable = registry
        .all()
        .reverse()
        .filter((b) => (!typing || b.whileTyping) && (!inDialog(event.target) || b.whileTyping));
      const hit = matcher.press(event, usable);
      if (!hit) return;
      event.preventDefault();
      hit.run();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [registry]);
  return <KeyContext value={registry}>{children}</KeyContext>;
}

/** Adds bindings while the component is mounted; the newest closures are always the ones that run. */
export function useKeys(bindings: readonly KeyBinding[]): void {
  const registry = use(KeyContext);
  const latest = useRef(bindings);
  useEffect(() => {
    latest.current = bindings;
  });
  useEffect(() => registry?.add(() => latest.current), [registry]);
}

/** All bindings that work now, for the help and the command menu. */
export function useKeyRegistry(): KeyRegistry {
  const registry = use(KeyContext);
  if (!registry) throw new Error("useKeyRegistry needs a KeyProvider above it");
  return registry;
}
