import { useNavigate, useSearch } from "@tanstack/react-router";
import { createContext, type ReactNode, use, useCallback, useEffect, useMemo, useState } from "react";
import { loadPreference, savePreference } from "@/lib/storage";
import {
  defaultRange,
  isRelative,
  parseDuration,
  resolveRange,
  type TimeRange,
  type TimeWindow,
  type Zone,
} from "@/lib/time";

export const refreshChoices = ["off", "5s", "15s", "30s", "1m", "5m"] as const;
export const defaultRefresh = "15s";

interface TimeState {
  range: TimeRange;
  /** The range against the clock at the last tick; all panels of a page share it, so their axes agree. */
  window: TimeWindow;
  refresh: string;
  zone: Zone;
  live: boolean;
  setRange: (range: TimeRange) => void;
  setRefresh: (refresh: string) => void;
  setZone: (zone: Zone) => void;
  tick: () => void;
}

const TimeContext = createContext<TimeState | undefined>(undefined);

export function useTime(): TimeState {
  const state = use(TimeContext);
  if (!state) throw new Error("useTime needs a TimeProvider above it");
  return state;
}

export function useZone(): Zone {
  return useTime().zone;
}

function usePageVisible(): boolean {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const update = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", update);
    return () => document.removeEventListener("visibilitychange", update);
  }, []);
  return visible;
}

/** Keeps the one time range of the page: the URL holds it, a timer moves it on when it is relative. */
export function TimeProvider({ children }: { children: ReactNode }) {
  const search = useSearch({ strict: false });
  const navigate = useNavigate();
  const from = typeof search.from === "string" ? search.from : defaultRange.from;
  const to = typeof search.to === "string" ? search.to : defaultRange.to;
  const refresh = typeof search.refresh === "string" ? search.refresh : defaultRefresh;
  const [zone, setZoneState] = useState<Zone>(() => (loadPreference("zone") === "utc" ? "utc" : "local"));
  const [nowMs, setNowMs] = useState(() => Date.now());
  const visible = usePageVisible();
  const range = useMemo(() => ({ from, to }), [from, to]);
  const live = isRelative(range) && refresh !== "off";

  const tick = useCallback(() => setNowMs(Date.now()), []);

  useEffect(() => {
    const every = parseDuration(refresh);
    if (!live || !visible || every === undefined) return;
    // Coming back to a hidden tab refreshes at once.
    tick();
    const timer = window.setInterval(tick, every);
    return () => window.clearInterval(timer);
  }, [live, visible, refresh, tick]);

  const value = useMemo<TimeState>(() => {
    const resolved = resolveRange(range, nowMs, zone) ?? { startMs: nowMs - 3_600_000, endMs: nowMs };
    return {
      range,
      window: resolved,
      refresh,
      zone,
      live,
      setRange: (next) => {
        setNowMs(Date.now());
        void navigate({ to: ".", search: (old) => ({ ...old, from: next.from, to: next.to }) });
      },
      setRefresh: (next) => void navigate({ to: ".", search: (old) => ({ ...old, refresh: next }), replace: true }),
      setZone: (next) => {
        savePreference("zone", next);
        setZoneState(next);
      },
      tick,
    };
  }, [range, nowMs, zone, refresh, live, navigate, tick]);

  return <TimeContext value={value}>{children}</TimeContext>;
}

/** A clock for relative times ("12 s ago"), shared cost of one timer per user of it. */
export function useNow(everyMs = 5_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), everyMs);
    return () => window.clearInterval(timer);
  }, [everyMs]);
  return now;
}
