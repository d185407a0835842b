import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "@/api/runtime";
import type { Sender } from "@/api/types";
import { useTitle } from "@/app/title";
import { savePreference } from "@/lib/storage";
import { formatInteger } from "@/lib/units";
import { Ago, CodeBlock, PageHead, Pill } from "@/ui/atoms";
import { Icon } from "@/ui/Icon";
import { QueryView } from "@/ui/Panel";
import ui from "@/ui/ui.module.css";
import css from "./start.module.css";

const pollMs = 2_000;

/** First run: which senders are known, what to paste where, and what has arrived. */
export function StartPage() {
  useTitle("Getting started");
  const navigate = useNavigate();
  const senders = useQuery({
    queryKey: ["senders"],
    queryFn: ({ signal }) => api.get("/api/v1/senders", { signal }),
    refetchInterval: pollMs,
    staleTime: 0,
  });
  const finish = () => {
    savePreference("started", "yes");
    // An hour would be nearly empty at this point.
    void navigate({ to: "/hosts", search: { from: "now-15m", to: "now" } });
  };
  return (
    <div className={ui.page}>
      <PageHead title="Getting started">
        <p>Send something. Each sender below turns green when its first data arrives.</p>
      </PageHead>
      <QueryView query={senders} height={320}>
        {(data) => {
          const items = agentFirst(data.items);
          const arrived = items.filter((s) => !s.waiting).length;
          return (
            <>
              <div className={css.progress}>
                <span role="status">
                  <strong>{arrived}</strong> of {items.length} kinds of sender deliver data
                </span>
                <Button onClick={finish} variant={arrived > 0 ? "filled" : "default"}>
                  {arrived > 0 ? "Open the hosts" : "Skip for now"}
                </Button>
              </div>
              <div className={css.list}>
                {items.map((s, i) => (
                  <SenderCard key={s.protocol} sender={s} open={i === 0 || false} />
                ))}
              </div>
            </>
          );
        }}
      </QueryView>
      <p className="faint">
        Data that does not arrive is counted by reason under <Link to="/ingest">Ingest health</Link>.
      </p>
    </div>
  );
}

function agentFirst(items: readonly Sender[]): Sender[] {
  return [...items].sort((a, b) => Number(b.protocol === "agent") - Number(a.protocol === "agent"));
}

function SenderCard({ sender, open: initiallyOpen }: { sender: Sender; open: boolean }) {
  const [open, setOpen] = useState(initiallyOpen);
  const id = `sender-${sender.protocol}`;
  return (
    <section
      className={css.sender}
      data-waiting={sender.waiting}
      data-protocol={sender.protocol}
      aria-label={sender.title}
    >
      <button type="button" className={css.head} aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
        <span className={css.lamp} aria-hidden="true">
          {sender.waiting ? <span className={css.pulse} /> : <Icon name="check" size={14} />}
        </span>
        <span className={css.title}>{sender.title}</span>
        {sender.endpoint ? <code className={css.endpoint}>{sender.endpoint}</code> : null}
        <span className={css.state}>
          {sender.waiting ? (
            <span className="faint">waiting</span>
          ) : (
            <>
              <Pill tone="ok">receiving</Pill>
              <span className="faint">
                {formatInteger(sender.accepted)} items, last <Ago time={sender.last_seen} every={1_000} />
              </span>
            </>
          )}
        </span>
        <Icon name={open ? "chevronDown" : "chevronRight"} size={14} />
      </button>
      {open ? (
        <div id={id} className={css.body}>
          {sender.snippet ? <CodeBlock code={sender.snippet} label={`snippet for ${sender.title}`} /> : null}
          {sender.docs ? <SenderDocs docs={sender.docs} /> : null}
        </div>
      ) : null}
    </section>
  );
}

/** The server sends either a sentence or an address of a page; only addresses become links. */
function SenderDocs({ docs }: { docs: string }) {
  if (/^(https?:\/\/|\/)/.test(docs)) {
    return (
      <a href={docs} target="_blank" rel="noreferrer" className={css.docs}>
        Documentation
      </a>
    );
  }
  return <p className="faint">{docs}</p>;
}
