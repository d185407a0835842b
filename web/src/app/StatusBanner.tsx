import { Link } from "@tanstack/react-router";
import { ApiError } from "@/api/errors";
import { formatTime, zoneName } from "@/lib/time";
import { formatValue } from "@/lib/units";
import { Icon } from "@/ui/Icon";
import css from "./shell.module.css";
import { useSystem } from "./system";
import { useZone } from "./time";

interface Notice {
  key: string;
  tone: "warn" | "bad";
  text: string;
  hint?: string;
}

/** Says on every page what is wrong with the server itself: unreachable, disk filling, warnings. */
export function StatusBanner() {
  const system = useSystem();
  const zone = useZone();
  const notices: Notice[] = [];
  if (system.error) {
    const down = system.error instanceof ApiError && system.error.transient;
    const since = system.dataUpdatedAt
      ? ` What you see is from ${formatTime(system.dataUpdatedAt, zone, "time")} ${zoneName(zone)} or before.`
      : "";
    notices.push({
      key: "unreachable",
      tone: "bad",
      text: down
        ? `Server unreachable.${since}`
        : `The state of the server is not known: ${system.error.message}${since}`,
      hint: "Trying again every 10 s.",
    });
  }
  const s = system.data;
  if (s && s.disk.state !== "ok") {
    const full = s.disk.state === "full";
    notices.push({
      key: "disk",
      tone: full ? "bad" : "warn",
      text: s.disk.message || `The disk of ${s.disk.path} is ${formatValue(s.disk.used_ratio, "ratio")} full.`,
      hint: `${formatValue(s.disk.free_bytes, "bytes")} free of ${formatValue(s.disk.total_bytes, "bytes")}.`,
    });
  }
  for (const w of s?.warnings ?? []) {
    notices.push({ key: w.code, tone: "warn", text: w.message, hint: w.hint });
  }
  if (notices.length === 0) return null;
  return (
    <div className={css.banners} role="status" aria-label="Server status">
      {notices.map((n) => (
        <div key={n.key} className={css.banner} data-tone={n.tone} data-notice={n.key}>
          <Icon name={n.tone === "bad" ? "error" : "warn"} size={15} />
          <span>
            <strong>{n.text}</strong> {n.hint}
          </span>
          {n.key === "disk" ? (
            <Link to="/ingest" className={css.bannerLink}>
              Storage
            </Link>
          ) : null}
        </div>
      ))}
    </div>
  );
}
