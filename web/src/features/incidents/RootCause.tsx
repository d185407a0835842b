import { Button } from "@mantine/core";
import type { Candidate, Feedback, Incident } from "@/api/types";
import { useZone } from "@/app/time";
import { formatTime } from "@/lib/time";
import { Icon } from "@/ui/Icon";
import { Panel } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import ui from "@/ui/ui.module.css";
import { EvidenceList } from "./Evidence";
import css from "./incidents.module.css";
import { Confidence, EntityLink, EntityName } from "./parts";
import { useAct } from "./useAct";
import { causeWords, entityText, unitOf } from "./words";

/** The offered causes, best first, and the evidence for and against the one that is looked at. */
export function RootCause({
  incident: i,
  chosen,
  choose,
}: {
  incident: Incident;
  chosen: number;
  choose: (n: number) => void;
}) {
  const v = i.verdict;
  const candidate = v.candidates[chosen];
  return (
    <Panel
      title="Root cause"
      note={v.candidates.length > 1 ? `${v.candidates.length} candidates, best first` : undefined}
    >
      {v.sentence ? <p className={css.sentence}>{v.sentence}</p> : null}
      {v.candidates.length === 0 ? <NoCause incident={i} /> : null}
      {v.candidates.length > 1 ? (
        <ol className={css.candidates}>
          {v.candidates.map((c, n) => (
            <li key={n}>
              <button type="button" aria-pressed={n === chosen} className={css.candidate} onClick={() => choose(n)}>
                <kbd>{n + 1}</kbd>
                <span className={css.candidateName}>
                  <span className="faint">{c.entity.kind}</span> <EntityName entity={c.entity} />
                </span>
                <span className={ui.pill}>{causeWords[c.kind] ?? c.kind}</span>
                <Confidence value={c.confidence} />
              </button>
            </li>
          ))}
        </ol>
      ) : null}
      {candidate ? <Details incident={i} candidate={candidate} /> : null}
    </Panel>
  );
}

function NoCause({ incident: i }: { incident: Incident }) {
  if (!i.verdict.at) {
    return (
      <Empty title="The cause is being looked for">
        A first answer takes about a minute after the incident was noticed.
      </Empty>
    );
  }
  return (
    <Empty title="No clear cause">
      The evidence is too weak to name one. Checked:
      <ul className={css.checked}>
        {i.verdict.checked.map((c) => (
          <li key={c}>{c}</li>
        ))}
      </ul>
    </Empty>
  );
}

/** The judgement that holds on a target, if any. */
function judged(feedback: readonly Feedback[], target: string): Feedback | undefined {
  return feedback.findLast((f) => f.target === target && !f.revoked);
}

function Details({ incident: i, candidate: c }: { incident: Incident; candidate: Candidate }) {
  const { judge, revoke, busy } = useAct();
  const zone = useZone();
  const target = `candidate:${entityText(c.entity)}`;
  const said = judged(i.feedback, target);
  const unit = unitOf(c.signal?.unit, c.signal?.role);
  return (
    <div className={css.details}>
      <div className={css.headLine}>
        <EntityLink entity={c.entity} />
        <span className={ui.pill}>{causeWords[c.kind] ?? c.kind}</span>
        <Confidence value={c.confidence} />
        {c.signal ? <code>{c.signal.name}</code> : null}
        <span className="faint">since {formatTime(Date.parse(c.onset), zone)}</span>
      </div>
      {c.why ? <p>{c.why}</p> : null}
      <div className={css.two}>
        <section aria-label="Evidence for it">
          <h3 className={css.small}>For</h3>
          <EvidenceList items={c.for} unit={unit} onset={c.onset} none="Nothing is stated." />
        </section>
        <section aria-label="Evidence against it">
          <h3 className={css.small}>Against</h3>
          <EvidenceList items={c.against} unit={unit} onset={c.onset} against none="Nothing speaks against it." />
        </section>
      </div>
      <div className={css.actions}>
        {said ? (
          <>
            <span>
              <Icon name={said.kind === "confirm" ? "check" : "close"} size={13} /> {said.who} said that this is{" "}
              {said.kind === "confirm" ? "the cause" : "not the cause"}.
            </span>
            <Button
              size="compact-sm"
              variant="default"
              disabled={busy}
              leftSection={<Icon name="undo" size={13} />}
              onClick={() => revoke(i.id, said.id)}
            >
              Undo
            </Button>
          </>
        ) : (
          <>
            <Button
              size="compact-sm"
              variant="default"
              disabled={busy}
              onClick={() => judge(i.id, "confirm", target, `${c.entity.name} is the cause`)}
            >
              This is the cause
            </Button>
            <Button
              size="compact-sm"
              variant="default"
              disabled={busy}
              onClick={() => judge(i.id, "reject", target, `${c.entity.name} is not the cause`)}
            >
              Not this
            </Button>
          </>
        )}
      </div>
    </div>
  );
}
