import { Button, Skeleton } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";
import { asApiError } from "@/api/errors";
import { Icon } from "./Icon";
import css from "./ui.module.css";

/** The shape of what will come; appears after 150 ms, so that fast answers do not flicker. */
export function Loading({ lines = 5, height }: { lines?: number; height?: number }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setShown(true), 150);
    return () => window.clearTimeout(timer);
  }, []);
  return (
    <div className={css.skeleton} style={{ minHeight: height }} aria-busy="true" role="status" aria-label="Loading">
      {shown && height ? <Skeleton height={height - 24} radius="sm" /> : null}
      {shown && !height
        ? Array.from({ length: lines }, (_, i) => (
            <Skeleton key={i} height={14} width={`${94 - ((i * 17) % 38)}%`} radius="sm" />
          ))
        : null}
    </div>
  );
}

/** Nothing to show: says why, and offers one next step. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={css.state} data-state="empty">
      <div className={css.stateHead}>
        <span className="faint" style={{ display: "flex" }}>
          <Icon name="info" />
        </span>
        {title}
      </div>
      {children ? <div className={css.stateText}>{children}</div> : null}
      {action}
    </div>
  );
}

/** A failed request: the sentence, the code, the hint, the request id and a retry. */
export function Failure({ error, onRetry, compact }: { error: unknown; onRetry?: () => void; compact?: boolean }) {
  const e = asApiError(error);
  return (
    <div className={css.state} role="alert" data-state="error" style={compact ? { padding: "8px 12px" } : undefined}>
      <div className={`${css.stateHead} ${css.bad}`}>
        <Icon name="error" />
        <span style={{ overflowWrap: "anywhere" }}>{e.message}</span>
      </div>
      {e.details.length > 0 ? (
        <ul className={css.stateText} style={{ margin: 0, paddingLeft: 18 }}>
          {e.details.map((d, i) => (
            <li key={i}>
              {d.location ? <code>{d.location}</code> : null} {d.message}
            </li>
          ))}
        </ul>
      ) : null}
      {e.hint ? <div className={css.stateText}>{e.hint}</div> : null}
      <div className="faint mono">
        code {e.code}
        {e.status > 0 ? ` · status ${e.status}` : ""}
        {e.requestId ? ` · request ${e.requestId}` : ""}
      </div>
      {onRetry ? (
        <Button variant="default" size="compact-xs" onClick={onRetry} leftSection={<Icon name="refresh" size={13} />}>
          Try again
        </Button>
      ) : null}
    </div>
  );
}

/** Parts are missing, and the answer says which. */
export function PartialNote({ warnings }: { warnings: readonly string[] | undefined }) {
  if (!warnings || warnings.length === 0) return null;
  return (
    <div className={css.note} role="status" data-state="partial">
      <Icon name="warn" size={14} />
      <div>
        <strong>Incomplete.</strong> {warnings.join(" · ")}
      </div>
    </div>
  );
}
