import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { api } from "@/api/runtime";
import type { Incident, TimelineEntry, TimelineKind } from "@/api/types";
import { timelineShows } from "@/app/router";
import { useZone } from "@/app/time";
import { formatTime } from "@/lib/time";
import { Icon, type IconName } from "@/ui/Icon";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import ui from "@/ui/ui.module.css";
import css from "./incidents.module.css";
import { EntityLink } from "./parts";

const kinds: Record<TimelineKind, { word: string; icon: IconName; show: (typeof timelineShows)[number] }> = {
  finding: { word: "finding", icon: "warn", show: "system" },
  finding_end: { word: "normal again", icon: "check", show: "system" },
  change: { word: "change", icon: "play", show: "changes" },
  known: { word: "known", icon: "info", show: "system" },
  comment: { word: "comment", icon: "comment", show: "people" },
  acknowledged: { word: "acknowledged", icon: "eye", show: "people" },
  feedback: { word: "judgement", icon: "user", show: "people" },
  feedback_revoked: { word: "taken back", icon: "undo", show: "people" },
  command: { word: "action", icon: "user", show: "people" },
};

/** Findings, changes, what was known and what people did, in one list. */
export function Timeline({ incident }: { incident: Incident }) {
  const { show } = useSearch({ from: "/incidents/$id" });
  const navigate = useNavigate({ from: "/incidents/$id" });
  const query = useQuery({
    queryKey: ["incident", incident.id, "timeline", incident.updated],
    queryFn: ({ signal }) => api.get("/api/v1/incidents/{id}/timeline", { ids: { id: incident.id }, signal }),
    placeholderData: (before) => before,
  });
  return (
    <Panel
      title="Timeline"
      actions={
        <SegmentedControl
          aria-label="What the timeline shows"
          size="xs"
          value={show ?? "all"}
          data={[
            { value: "all", label: "All" },
            { value: "system", label: "System" },
            { value: "changes", label: "Changes" },
            { value: "people", label: "People" },
          ]}
          onChange={(v) =>
            void navigate({ search: (s) => ({ ...s, show: timelineShows.find((x) => x === v) }), replace: true })
          }
        />
      }
    >
      <QueryView query={query} warnings={(d) => d.warnings}>
        {(d) => {
          const items = d.items.filter((e) => !show || kinds[e.kind]?.show === show);
          if (items.length === 0) return <Empty title="Nothing of this kind happened" />;
          return (
            <ol className={css.timeline} aria-label="Timeline entries">
              {items.map((e, n) => (
                <Entry key={n} entry={e} first={items[n - 1]?.time.slice(0, 10) !== e.time.slice(0, 10)} />
              ))}
            </ol>
          );
        }}
      </QueryView>
    </Panel>
  );
}

function Entry({ entry: e, first }: { entry: TimelineEntry; first: boolean }) {
  const zone = useZone();
  const kind = kinds[e.kind] ?? kinds.known;
  return (
    <li className={css.entry} data-kind={e.kind}>
      <time dateTime={e.time} className={css.entryTime}>
        {formatTime(Date.parse(e.time), zone, first ? "full" : "time")}
      </time>
      <span className={css.entryKind}>
        <Icon name={kind.icon} size={13} /> {kind.word}
      </span>
      <div className={css.entryText}>
        {e.url?.startsWith("https://") || e.url?.startsWith("http://") ? (
          <a href={e.url} rel="noreferrer" target="_blank">
            {e.title}
          </a>
        ) : (
          e.title
        )}{" "}
        {e.cause ? <span className={`${ui.pill} ${ui.pillBad}`}>offered as the cause</span> : null}{" "}
        {e.refused ? <span className={`${ui.pill} ${ui.pillWarn}`}>refused</span> : null}{" "}
        {e.entity ? <EntityLink entity={e.entity} /> : null} {e.who ? <span className="faint">{e.who}</span> : null}
        {e.text ? <div className={css.entryMore}>{e.text}</div> : null}
      </div>
    </li>
  );
}
