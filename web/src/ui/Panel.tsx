import type { UseQueryResult } from "@tanstack/react-query";
import { Component, type ErrorInfo, type ReactNode } from "react";
import { asApiError } from "@/api/errors";
import { useNow } from "@/app/time";
import { formatAgo } from "@/lib/time";
import { Icon } from "./Icon";
import { Failure, Loading, PartialNote } from "./states";
import css from "./ui.module.css";

/** Keeps a fault of one panel from taking its neighbours with it. */
export class PanelBoundary extends Component<{ children: ReactNode }, { error?: Error }> {
  state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  componentDidCatch(error: Error, info: ErrorInfo) {
    console.error("panel failed", error, info.componentStack);
  }

  render() {
    if (!this.state.error) return this.props.children;
    return <Failure error={this.state.error} onRetry={() => this.setState({ error: undefined })} />;
  }
}

interface PanelProps {
  title?: ReactNode;
  note?: ReactNode;
  actions?: ReactNode;
  flush?: boolean;
  children: ReactNode;
  label?: string;
  style?: React.CSSProperties;
}

export function Panel({ title, note, actions, flush, children, label, style }: PanelProps) {
  const name = label ?? (typeof title === "string" ? title : undefined);
  return (
    <section className={css.panel} aria-label={name} style={style}>
      {title || actions ? (
        <header className={css.panelHead}>
          {title ? <h2 className={css.panelTitle}>{title}</h2> : null}
          {note ? <div className={css.panelNote}>{note}</div> : null}
          {actions ? <div className={css.panelActions}>{actions}</div> : null}
        </header>
      ) : null}
      <div className={flush ? `${css.panelBody} ${css.flush}` : css.panelBody}>
        <PanelBoundary>{children}</PanelBoundary>
      </div>
    </section>
  );
}

/** Age of the data on screen while the newest attempt to refresh it failed. */
export function StaleBadge({ at, error, onRetry }: { at: number; error: unknown; onRetry: () => void }) {
  const now = useNow(1_000);
  const e = asApiError(error);
  return (
    <button
      type="button"
      className={`${css.pill} ${css.pillWarn}`}
      style={{ cursor: "pointer", margin: "0 12px 8px", border: 0 }}
      onClick={onRetry}
      title={`${e.message} (${e.code}) Press to try again.`}
      data-state="stale"
    >
      <Icon name="clock" size={12} /> stale, from {formatAgo(at, now)}
    </button>
  );
}

type Answer<T> = Pick<
  UseQueryResult<T>,
  "data" | "error" | "isPending" | "isPlaceholderData" | "dataUpdatedAt" | "refetch" | "isError"
>;

/** The states of every panel: skeleton, error, then the data, dimmed while it is the previous answer, marked when stale. */
export function QueryView<T>({
  query,
  children,
  height,
  warnings,
}: {
  query: Answer<T>;
  children: (data: T) => ReactNode;
  height?: number;
  warnings?: (data: T) => readonly string[] | undefined;
}) {
  const retry = () => void query.refetch();
  if (query.data === undefined) {
    if (query.isError) return <Failure error={query.error} onRetry={retry} />;
    return <Loading height={height} />;
  }
  return (
    <>
      {query.isError ? <StaleBadge at={query.dataUpdatedAt} error={query.error} onRetry={retry} /> : null}
      <PartialNote warnings={warnings?.(query.data)} />
      <div className={query.isPlaceholderData ? css.dim : undefined}>{children(query.data)}</div>
    </>
  );
}
