import { Link } from "@tanstack/react-router";
import type { LogRecord } from "@/api/types";
import { useHostName } from "@/app/hostnames";
import { useZone } from "@/app/time";
import { formatTime, zoneName } from "@/lib/time";
import { attributeText, CopyIcon, KeyValues } from "@/ui/atoms";
import css from "./logs.module.css";

/** Everything known of one line, with the ways on from it. */
export function LogDetails({ row }: { row: LogRecord }) {
  const zone = useZone();
  const hostName = useHostName();
  const entries = (record: Record<string, unknown>) =>
    Object.entries(record)
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
  const attributes = entries(row.attributes);
  const resource = entries(row.resource);
  return (
    <div className={css.details}>
      <div className={css.detailsBody}>
        <pre>{row.body}</pre>
        <CopyIcon value={row.body} label="Copy the line" />
      </div>
      <div className={css.ways}>
        {row.trace_id ? (
          <Link to="/traces/$traceId" params={{ traceId: row.trace_id }} search={{ span: row.span_id || undefined }}>
            Show trace {row.trace_id.slice(0, 8)}…
          </Link>
        ) : null}
        {row.trace_id ? (
          <Link to="/logs" search={{ trace: row.trace_id }}>
            Lines of this trace
          </Link>
        ) : null}
        {row.service ? (
          <Link to="/logs" search={{ service: [row.service] }}>
            Only {row.service}
          </Link>
        ) : null}
        {row.host ? (
          <Link to="/logs" search={{ host: [row.host] }}>
            Only {hostName(row.host)}
          </Link>
        ) : null}
      </div>
      <div className={css.detailsGrid}>
        <section>
          <h3>Line</h3>
          <KeyValues
            items={[
              ["time", `${formatTime(Date.parse(row.time), zone, "full-ms")} ${zoneName(zone)}`],
              [
                "time, exact",
                <span key="t" className="mono">
                  {row.time}
                </span>,
              ],
              ["severity", `${row.severity_text || "none"} (${row.severity})`],
              ["service", row.service || "–"],
              ["host", row.host ? hostName(row.host) : "–"],
              ...(row.trace_id
                ? ([
                    [
                      "trace",
                      <span key="tr" className="mono">
                        {row.trace_id}
                      </span>,
                    ],
                  ] as const)
                : []),
              ...(row.span_id
                ? ([
                    [
                      "span",
                      <span key="sp" className="mono">
                        {row.span_id}
                      </span>,
                    ],
                  ] as const)
                : []),
              ...(row.shape
                ? ([
                    [
                      "shape",
                      <span key="sh" className="mono">
                        {String(row.shape)}
                      </span>,
                    ],
                  ] as const)
                : []),
            ]}
          />
        </section>
        {attributes.length > 0 ? (
          <section>
            <h3>Attributes</h3>
            <KeyValues items={attributes} />
          </section>
        ) : null}
        {resource.length > 0 ? (
          <section>
            <h3>Resource</h3>
            <KeyValues items={resource} />
          </section>
        ) : null}
      </div>
    </div>
  );
}
