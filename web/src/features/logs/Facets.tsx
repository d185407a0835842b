import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/runtime";
import type { FacetValue } from "@/api/types";
import { useHostName } from "@/app/hostnames";
import { windowed, windowQuery } from "@/app/query";
import { type SeverityName, severities } from "@/app/router";
import { useTime } from "@/app/time";
import { severityOf, severityToken } from "@/lib/severity";
import { formatValue } from "@/lib/units";
import { Panel, QueryView } from "@/ui/Panel";
import type { LogChoice } from "./filter";
import css from "./logs.module.css";

interface Props {
  filter: LogChoice;
  severity: SeverityName | undefined;
  onService: (value: string) => void;
  onHost: (value: string) => void;
  onSeverity: (value: SeverityName | undefined) => void;
}

/** Values one can narrow by, with their counts in the range. */
export function Facets({ filter, severity, onService, onHost, onSeverity }: Props) {
  const { window: w } = useTime();
  const hostName = useHostName();
  const query = useQuery({
    queryKey: ["logs", "facets", filter, w.startMs, w.endMs],
    queryFn: ({ signal }) => api.get("/api/v1/logs/facets", { query: { ...filter, ...windowQuery(w) }, signal }),
    ...windowed,
  });
  return (
    <Panel label="Filters" flush>
      <QueryView query={query}>
        {(d) => (
          <div className={css.facets}>
            <section>
              <h2>Severity, at least</h2>
              {severities.map((s) => (
                <button
                  key={s}
                  type="button"
                  className={css.facet}
                  aria-pressed={severity === s}
                  onClick={() => onSeverity(severity === s ? undefined : s)}
                >
                  <span className={css.dot} style={{ background: `var(${severityToken(s)})` }} />
                  <span className={css.facetName}>{s}</span>
                  <span className={css.facetCount}>{formatValue(countOf(d.severity_text, s), "count")}</span>
                </button>
              ))}
            </section>
            <FacetList title="Service" values={d.service} chosen={filter.service} onToggle={onService} />
            <FacetList title="Host" values={d.host} chosen={filter.host} onToggle={onHost} name={hostName} />
          </div>
        )}
      </QueryView>
    </Panel>
  );
}

function countOf(values: readonly FacetValue[], severity: SeverityName): number {
  return values.filter((v) => severityOf(undefined, v.value) === severity).reduce((n, v) => n + v.count, 0);
}

const shownValues = 12;

function FacetList({
  title,
  values,
  chosen,
  onToggle,
  name = (value) => value,
}: {
  title: string;
  values: readonly FacetValue[];
  chosen: readonly string[] | undefined;
  onToggle: (value: string) => void;
  name?: (value: string) => string;
}) {
  const [all, setAll] = useState(false);
  // A chosen value stays in the list although nothing of it is in the range, so that it can be taken out again.
  const missing = (chosen ?? [])
    .filter((c) => !values.some((v) => v.value === c))
    .map((value) => ({ value, count: 0 }));
  const full = [...missing, ...values];
  const shown = all ? full : full.slice(0, shownValues);
  if (full.length === 0) return null;
  return (
    <section>
      <h2>{title}</h2>
      {shown.map((v) => (
        <button
          key={v.value}
          type="button"
          className={css.facet}
          aria-pressed={chosen?.includes(v.value) ?? false}
          onClick={() => onToggle(v.value)}
          title={v.value}
        >
          <span className={css.facetName}>{name(v.value) || "(none)"}</span>
          <span className={css.facetCount}>{formatValue(v.count, "count")}</span>
        </button>
      ))}
      {full.length > shownValues ? (
        <button type="button" className={css.more} onClick={() => setAll(!all)}>
          {all ? "Fewer" : `${full.length - shownValues} more`}
        </button>
      ) : null}
    </section>
  );
}
