import { ActionIcon, CopyButton, Tooltip } from "@mantine/core";
import type { ReactNode } from "react";
import { useNow, useZone } from "@/app/time";
import { formatAgo, formatTime, zoneName } from "@/lib/time";
import { formatValue, type Unit } from "@/lib/units";
import { Icon, type IconName } from "./Icon";
import css from "./ui.module.css";

/** A number with its unit. */
export function Value({ v, unit }: { v: number | null | undefined; unit: Unit }) {
  return <span style={{ whiteSpace: "nowrap" }}>{formatValue(v, unit)}</span>;
}

/** Relative time; the absolute one is in the tooltip and for screen readers. */
export function Ago({ time, every = 5_000 }: { time: string | number | undefined | null; every?: number }) {
  const now = useNow(every);
  const zone = useZone();
  if (time === undefined || time === null || time === "") return <span className="faint">never</span>;
  const ms = typeof time === "number" ? time : Date.parse(time);
  if (!Number.isFinite(ms) || ms <= 0) return <span className="faint">never</span>;
  return (
    <time
      dateTime={new Date(ms).toISOString()}
      title={`${formatTime(ms, zone)} ${zoneName(zone)}`}
      style={{ whiteSpace: "nowrap" }}
    >
      {formatAgo(ms, now)}
    </time>
  );
}

export type Tone = "neutral" | "ok" | "warn" | "bad";

const toneClass: Record<Tone, string | undefined> = {
  neutral: undefined,
  ok: css.pillOk,
  warn: css.pillWarn,
  bad: css.pillBad,
};
const toneIcon: Record<Tone, IconName | undefined> = { neutral: undefined, ok: "check", warn: "warn", bad: "error" };

/** State as icon, word and colour together. */
export function Pill({ tone = "neutral", children, title }: { tone?: Tone; children: ReactNode; title?: string }) {
  const icon = toneIcon[tone];
  return (
    <span className={`${css.pill} ${toneClass[tone] ?? ""}`} title={title}>
      {icon ? <Icon name={icon} size={12} /> : null}
      {children}
    </span>
  );
}

/** A ratio as bar and number; warn and bad are levels of use that mean trouble (nothing when not given). */
export function Meter({ ratio, warn, bad }: { ratio: number | undefined; warn?: number; bad?: number }) {
  if (ratio === undefined || ratio === null || Number.isNaN(ratio)) return <span className="faint">–</span>;
  const tone =
    bad !== undefined && ratio >= bad ? css.meterBad : warn !== undefined && ratio >= warn ? css.meterWarn : "";
  return (
    <span className={css.meter}>
      <span className={css.meterTrack} aria-hidden="true">
        <span className={`${css.meterFill} ${tone}`} style={{ width: `${Math.min(100, Math.max(0, ratio * 100))}%` }} />
      </span>
      <span className={css.meterText}>{formatValue(ratio, "ratio")}</span>
    </span>
  );
}

export function IconButton({
  icon,
  label,
  onClick,
  pressed,
  disabled,
  size = 26,
}: {
  icon: IconName;
  label: string;
  onClick?: () => void;
  pressed?: boolean;
  disabled?: boolean;
  size?: number;
}) {
  return (
    <Tooltip label={label}>
      <ActionIcon aria-label={label} aria-pressed={pressed} onClick={onClick} disabled={disabled} size={size}>
        <Icon name={icon} size={15} />
      </ActionIcon>
    </Tooltip>
  );
}

export function CopyIcon({ value, label = "Copy" }: { value: string; label?: string }) {
  return (
    <CopyButton value={value} timeout={1500}>
      {({ copied, copy }) => (
        <IconButton icon={copied ? "check" : "copy"} label={copied ? "Copied" : label} onClick={copy} />
      )}
    </CopyButton>
  );
}

export function CodeBlock({ code, label }: { code: string; label: string }) {
  return (
    <div className={css.code}>
      <pre tabIndex={0} role="region" aria-label={label}>
        {code}
      </pre>
      <span className={css.copy}>
        <CopyIcon value={code} label={`Copy ${label}`} />
      </span>
    </div>
  );
}

export function KeyValues({ items }: { items: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={css.kv}>
      {items.map(([k, v]) => (
        <div key={k} style={{ display: "contents" }}>
          <dt>{k}</dt>
          <dd>{v}</dd>
        </div>
      ))}
    </dl>
  );
}

/** An attribute value as text: strings as they are, the rest as JSON. */
export function attributeText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

export function Stat({ label, value, note }: { label: string; value: ReactNode; note?: ReactNode }) {
  return (
    <div className={css.stat}>
      <div className={css.statLabel}>{label}</div>
      <div className={css.statValue}>{value}</div>
      {note ? <div className={css.statNote}>{note}</div> : null}
    </div>
  );
}

export function PageHead({ title, children }: { title: ReactNode; children?: ReactNode }) {
  return (
    <div className={css.pageHead}>
      <h1>{title}</h1>
      {children}
    </div>
  );
}
