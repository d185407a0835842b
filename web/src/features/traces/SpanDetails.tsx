import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Trace } from "@/api/types";
import { useHostName } from "@/app/hostnames";
import { formatDurationMs } from "@/lib/units";
import { attributeText, CopyIcon, IconButton, KeyValues, Pill } from "@/ui/atoms";
import css from "./traces.module.css";
import { nsBetween, type SpanNode } from "./tree";

type Entry = readonly [string, ReactNode];

function entries(record: Record<string, unknown>): Entry[] {
  return Object.entries(record)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(
      ([k, v]) =>
        [
          k,
          <span key={k} className="mono">
            {attributeText(v)}
          </span>,
        ] as const,
    );
}

/** All that is known of one span. */
export function SpanDetails({
  node,
  color,
  trace,
  onClose,
  onSelect,
}: {
  node: SpanNode;
  color: string | undefined;
  trace: Trace;
  onClose: () => void;
  onSelect: (id: string) => void;
}) {
  const { span } = node;
  const hostName = useHostName();
  const facts: Entry[] = [
    ["duration", formatDurationMs(node.durationNs / 1e6)],
    ["own time", formatDurationMs(node.selfNs / 1e6)],
    ["starts after", formatDurationMs(node.startNs / 1e6)],
    ["kind", span.kind || "–"],
    ["service", span.service],
    ["host", span.host ? hostName(span.host) : "–"],
    [
      "span id",
      <span key="id" className="mono">
        {span.span_id} <CopyIcon value={span.span_id} label="Copy span id" />
      </span>,
    ],
    [
      "parent",
      node.parent ? (
        <button
          key="p"
          type="button"
          className={css.textButton}
          onClick={() => onSelect(node.parent?.span.span_id ?? "")}
        >
          {node.parent.span.name}
        </button>
      ) : span.parent_span_id ? (
        <span key="p" className="mono">
          {span.parent_span_id} (not here)
        </span>
      ) : (
        "none, this is a root"
      ),
    ],
  ];
  const attributes = entries(span.attributes);
  const resource = entries(span.resource);
  return (
    <aside className={css.details} aria-label="Span">
      <header>
        <span className={css.serviceBar} style={{ background: color }} />
        <h2>{span.name}</h2>
        <IconButton icon="close" label="Close the span (Esc)" onClick={onClose} />
      </header>
      <div className={css.detailsBody}>
        <div style={{ display: "flex", gap: 6, flexWrap: "wrap" }}>
          {node.error ? <Pill tone="bad">error</Pill> : <Pill>{span.status || "unset"}</Pill>}
          {node.critical ? <Pill title="This span held up the end of the trace">on the critical path</Pill> : null}
          {node.orphan ? <Pill tone="warn">parent missing</Pill> : null}
        </div>
        {span.status_message ? <p className={css.statusMessage}>{span.status_message}</p> : null}
        <KeyValues items={facts} />
        <Link
          to="/logs"
          search={{
            trace: trace.trace_id,
            service: [span.service],
            from: String(Math.floor(nsBetween(0, span.start_ns) / 1e6 - 60_000)),
            to: String(Math.ceil(nsBetween(0, span.start_ns) / 1e6 + node.durationNs / 1e6 + 60_000)),
          }}
        >
          Logs of {span.service} in this trace
        </Link>
        {span.events.length > 0 ? (
          <section>
            <h3>Events</h3>
            {span.events.map((e, i) => (
              <div key={i} className={css.eventBox}>
                <div>
                  <strong>{e.name}</strong>{" "}
                  <span className="faint">after {formatDurationMs(nsBetween(span.start_ns, e.time_ns) / 1e6)}</span>
                </div>
                <KeyValues items={entries(e.attributes)} />
              </div>
            ))}
          </section>
        ) : null}
        {attributes.length > 0 ? (
          <section>
            <h3>Attributes</h3>
            <KeyValues items={attributes} />
          </section>
        ) : null}
        {span.links.length > 0 ? (
          <section>
            <h3>Links</h3>
            {span.links.map((l, i) => (
              <div key={i}>
                <Link
                  to="/traces/$traceId"
                  params={{ traceId: l.trace_id }}
                  search={{ span: l.span_id }}
                  className="mono"
                >
                  {l.trace_id}
                </Link>
                <KeyValues items={entries(l.attributes)} />
              </div>
            ))}
          </section>
        ) : null}
        {resource.length > 0 ? (
          <section>
            <h3>Resource</h3>
            <KeyValues items={resource} />
          </section>
        ) : null}
      </div>
    </aside>
  );
}
