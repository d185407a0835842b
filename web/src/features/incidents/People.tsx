import { Button, Textarea } from "@mantine/core";
import { useRef, useState } from "react";
import type { Incident } from "@/api/types";
import { useKeys } from "@/app/keys";
import { Ago } from "@/ui/atoms";
import { Icon } from "@/ui/Icon";
import { Panel } from "@/ui/Panel";
import css from "./incidents.module.css";
import { useAct } from "./useAct";
import { feedbackWords, targetText } from "./words";

/** Comments, and what people judged, each with a way back. */
export function People({ incident: i }: { incident: Incident }) {
  return (
    <div className={css.two}>
      <Panel title="Comments" note={i.comments.length === 0 ? "none yet" : undefined}>
        <ul className={css.comments}>
          {i.comments.map((c, n) => (
            <li key={n}>
              <strong>{c.who}</strong> <Ago time={c.at} />
              <div className={css.entryMore}>{c.text}</div>
            </li>
          ))}
        </ul>
        <CommentForm id={i.id} />
      </Panel>
      <Judgements incident={i} />
    </div>
  );
}

function CommentForm({ id }: { id: string }) {
  const [text, setText] = useState("");
  const { act, busy } = useAct();
  const field = useRef<HTMLTextAreaElement>(null);
  useKeys([{ keys: "m", label: "Write a comment", group: "Incident", run: () => field.current?.focus() }]);
  const send = () => {
    act({ id, action: "comment", body: { text: text.trim() }, done: "Commented" });
    setText("");
  };
  return (
    <form
      className={css.form}
      onSubmit={(e) => {
        e.preventDefault();
        if (text.trim() !== "") send();
      }}
    >
      <Textarea
        ref={field}
        aria-label="Comment"
        placeholder="What do you see, what do you try?"
        autosize
        minRows={2}
        maxRows={8}
        maxLength={4000}
        value={text}
        onChange={(e) => setText(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && text.trim() !== "") {
            e.preventDefault();
            send();
          }
        }}
      />
      <Button type="submit" size="compact-sm" disabled={busy || text.trim() === ""}>
        Comment
      </Button>
    </form>
  );
}

function Judgements({ incident: i }: { incident: Incident }) {
  const { judge, revoke, busy } = useAct();
  return (
    <Panel title="Was this right?" note="Judgements change what follows, and can be taken back">
      <div className={css.actions}>
        <Button
          size="compact-sm"
          variant="default"
          disabled={busy}
          leftSection={<Icon name="check" size={13} />}
          onClick={() => judge(i.id, "confirm", "incident", "Judged as right")}
        >
          Right
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          disabled={busy}
          leftSection={<Icon name="close" size={13} />}
          onClick={() => judge(i.id, "reject", "incident", "Judged as wrong")}
        >
          Wrong
        </Button>
      </div>
      <ul className={css.comments} aria-label="Judgements">
        {i.feedback.map((f) => (
          <li key={f.id} data-revoked={f.revoked !== undefined}>
            <strong>{f.who}</strong>: {targetText(f.target, i.members)} is {feedbackWords[f.kind] ?? f.kind}{" "}
            <span className="faint">
              <Ago time={f.at} />
              {f.until ? (
                <>
                  , until <Ago time={f.until} />
                </>
              ) : null}
            </span>{" "}
            {f.revoked ? (
              <span className="faint">
                taken back <Ago time={f.revoked} />
              </span>
            ) : (
              <Button
                size="compact-xs"
                variant="default"
                disabled={busy}
                aria-label={`Undo: ${targetText(f.target, i.members)} is ${feedbackWords[f.kind] ?? f.kind}`}
                onClick={() => revoke(i.id, f.id)}
              >
                Undo
              </Button>
            )}
            {f.text ? <div className={css.entryMore}>{f.text}</div> : null}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
