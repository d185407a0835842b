import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useMemo, useRef, useState } from "react";
import type { LogRecord } from "@/api/types";
import { useHostName } from "@/app/hostnames";
import { useKeys } from "@/app/keys";
import { useZone } from "@/app/time";
import { highlight, type LogTerm, parseLogQuery } from "@/lib/logquery";
import { severityOf, severityToken } from "@/lib/severity";
import { formatTime } from "@/lib/time";
import { Icon } from "@/ui/Icon";
import { LogDetails } from "./LogDetails";
import css from "./logs.module.css";

interface Props {
  rows: readonly LogRecord[];
  query?: string;
  height: number | string;
  /** Called when the last rows come into sight. */
  onEnd?: () => void;
  footer?: React.ReactNode;
  hideHost?: boolean;
}

const rowPx = 24;

/** Virtualised log lines; each can be opened to show everything that is known of it. */
export function LogTable({ rows, query, height, onEnd, footer, hideHost }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [active, setActive] = useState(-1);
  const terms = useMemo(() => parseLogQuery(query ?? "").terms, [query]);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    getItemKey: (i) => rows[i]?.id ?? i,
    overscan: 16,
  });
  const items = virtual.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (rows.length > 0 && lastShown >= rows.length - 8) onEnd?.();
  }, [lastShown, rows.length, onEnd]);

  const toggle = (id: string) =>
    setOpen((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  const move = (by: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, active + by));
    setActive(next);
    virtual.scrollToIndex(next);
  };
  const toggleActive = () => {
    const id = rows[active]?.id;
    if (id) toggle(id);
  };
  useKeys([
    { keys: "j", label: "Next line", group: "Logs", run: () => move(1) },
    { keys: "k", label: "Previous line", group: "Logs", run: () => move(-1) },
    { keys: "Enter", label: "Open or close the line", group: "Logs", run: toggleActive },
  ]);

  return (
    <div ref={scroller} className={css.scroller} style={{ height }} tabIndex={0} role="region" aria-label="Log lines">
      <div style={{ height: virtual.getTotalSize(), position: "relative" }} role="list">
        {items.map((item) => {
          const row = rows[item.index];
          if (!row) return null;
          return (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              role="listitem"
              className={css.rowBox}
              data-active={item.index === active}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <Line row={row} terms={terms} open={open.has(row.id)} onToggle={toggle} hideHost={hideHost} />
            </div>
          );
        })}
      </div>
      {footer}
    </div>
  );
}

const Line = memo(function Line({
  row,
  terms,
  open,
  onToggle,
  hideHost,
}: {
  row: LogRecord;
  terms: LogTerm[];
  open: boolean;
  onToggle: (id: string) => void;
  hideHost?: boolean;
}) {
  const zone = useZone();
  const hostName = useHostName();
  const severity = severityOf(row.severity, row.severity_text);
  const ms = Date.parse(row.time);
  return (
    <>
      <button type="button" className={css.line} aria-expanded={open} onClick={() => onToggle(row.id)}>
        <span className={css.edge} style={{ background: `var(${severityToken(severity)})` }} />
        <Icon name={open ? "chevronDown" : "chevronRight"} size={12} />
        <time className={css.time} title={formatTime(ms, zone, "full-ms")}>
          {formatTime(ms, zone, "time-ms")}
        </time>
        <span className={css.severity} data-severity={severity}>
          {severity}
        </span>
        <span className={css.origin} title={`${row.service} on ${hostName(row.host)}`}>
          {row.service || (hideHost ? "" : hostName(row.host)) || "–"}
        </span>
        <span className={css.bodyText}>
          {highlight(row.body.length > 600 ? row.body.slice(0, 600) : row.body, terms).map((p, i) =>
            p.hit ? <mark key={i}>{p.text}</mark> : <span key={i}>{p.text}</span>,
          )}
        </span>
      </button>
      {open ? <LogDetails row={row} /> : null}
    </>
  );
});
