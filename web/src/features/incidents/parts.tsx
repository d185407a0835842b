import { Link } from "@tanstack/react-router";
import type { Entity, IncidentSeverity, IncidentState } from "@/api/types";
import { useHostName } from "@/app/hostnames";
import { formatValue } from "@/lib/units";
import { Icon } from "@/ui/Icon";
import ui from "@/ui/ui.module.css";
import css from "./incidents.module.css";
import { confidenceWord, entityText, severityWords, stateWords } from "./words";

const toneClass = { neutral: "", ok: ui.pillOk, warn: ui.pillWarn, bad: ui.pillBad };

/** Severity as icon, word and colour. */
export function SeverityBadge({ severity }: { severity: IncidentSeverity }) {
  const w = severityWords[severity] ?? severityWords.low;
  return (
    <span className={`${ui.pill} ${toneClass[w.tone]}`} title={w.hint}>
      <Icon name={w.icon} size={12} /> {w.word}
    </span>
  );
}

export function StateBadge({ state }: { state: IncidentState }) {
  const w = stateWords[state] ?? stateWords.open;
  return (
    <span className={`${ui.pill} ${toneClass[w.tone]}`} title={w.hint}>
      <Icon name={w.icon} size={12} /> {w.word}
    </span>
  );
}

/** What people call an entity: hosts are known by a number where their sender gave one. */
export function EntityName({ entity }: { entity: Entity }) {
  const hostName = useHostName();
  return <>{entity.kind === "host" ? hostName(entity.name) : entity.name}</>;
}

/** An entity, leading to where more is known of it. */
export function EntityLink({ entity }: { entity: Entity }) {
  const text = (
    <>
      <span className="faint">{entity.kind}</span> <EntityName entity={entity} />
    </>
  );
  if (entity.kind === "host") {
    return (
      <Link to="/hosts/$hostId" params={{ hostId: entity.name }} search={{}} className={css.entity}>
        {text}
      </Link>
    );
  }
  return (
    <Link
      to="/incidents"
      search={{ entity: entityText(entity), view: "all" }}
      className={css.entity}
      title="Incidents that concern it"
    >
      {text}
    </Link>
  );
}

/** Calibrated confidence as bar, number and word. */
export function Confidence({ value }: { value: number }) {
  return (
    <span className={css.confidence} title="Of causes offered with this confidence, about this share is right">
      <span className={css.confidenceTrack} aria-hidden="true">
        <span
          className={css.confidenceFill}
          style={{ width: `${Math.round(Math.min(1, Math.max(0, value)) * 100)}%` }}
        />
      </span>
      {formatValue(value, "ratio")} <span className="faint">{confidenceWord(value)}</span>
    </span>
  );
}
