import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Evidence } from "@/api/types";
import { Chart } from "@/charts/Chart";
import { useChartTheme } from "@/charts/theme";
import { guessUnit, type Unit } from "@/lib/units";
import { CopyIcon } from "@/ui/atoms";
import { Icon } from "@/ui/Icon";
import css from "./incidents.module.css";
import { EntityLink } from "./parts";

/** Facts, each with the data as it was and the query that shows it as it is now. */
export function EvidenceList({
  items,
  none,
  against,
  unit = "none",
  onset,
}: {
  items: readonly Evidence[];
  none?: string;
  against?: boolean;
  unit?: Unit;
  onset?: string;
}) {
  if (items.length === 0) return none ? <p className="faint">{none}</p> : null;
  return (
    <ul className={css.evidence}>
      {items.map((e, n) => (
        <li key={n}>
          <div className={css.fact}>
            <Icon name={against ? "close" : "check"} size={13} label={against ? "against" : "for"} />
            <span>{e.text}</span>
            {e.entity ? <EntityLink entity={e.entity} /> : null}
            <QueryLink evidence={e} />
          </div>
          {e.data.t.length > 1 ? <FrozenChart evidence={e} unit={unitOfEvidence(e, unit)} onset={onset} /> : null}
        </li>
      ))}
    </ul>
  );
}

function QueryLink({ evidence: e }: { evidence: Evidence }) {
  if (!e.query) return null;
  const range = { from: e.start, to: e.end };
  const label = `Run the query of: ${e.text}`;
  if (e.language === "promql") {
    return (
      <Link to="/explore/metrics" search={{ ...range, expr: [e.query] }} aria-label={label}>
        query
      </Link>
    );
  }
  return (
    <span className={css.query}>
      <code title={e.language}>{e.query}</code>
      <CopyIcon value={e.query} label={`Copy the ${e.language} query`} />
    </span>
  );
}

/** The data as it was when the cause was named, with the band in which it was expected and when it left it. */
/** Each fact may be about another signal than the candidate's: its query says in what it is measured, where its name does. */
function unitOfEvidence(e: Evidence, fallback: Unit): Unit {
  const guess = e.query ? guessUnit(e.query) : "none";
  return guess === "none" ? fallback : guess;
}

function FrozenChart({ evidence: e, unit, onset }: { evidence: Evidence; unit: Unit; onset?: string }) {
  const theme = useChartTheme();
  const frame = useMemo(
    () => ({
      t: e.data.t.map((t) => t / 1000),
      series: [{ key: e.text, label: e.entity?.name ?? "value", values: e.data.v }],
    }),
    [e],
  );
  const first = e.data.t[0] ?? 0;
  const last = e.data.t.at(-1) ?? first;
  return (
    <Chart
      title={e.text}
      frame={frame}
      colors={[theme.series[0] ?? "#888888"]}
      unit={unit}
      height={110}
      window={{ startMs: first, endMs: Math.max(last, first + 1000) }}
      overlay={{ low: e.low, high: e.high, marks: onset ? [{ at: Date.parse(onset) / 1000, label: "onset" }] : [] }}
    />
  );
}
