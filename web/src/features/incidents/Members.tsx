import { Button, Checkbox, Menu, Select, Textarea } from "@mantine/core";
import { useMemo, useState } from "react";
import type { Incident, IncidentMember } from "@/api/types";
import { plural } from "@/lib/plural";
import { Ago, Pill } from "@/ui/atoms";
import { type Column, DataTable } from "@/ui/DataTable";
import { Icon } from "@/ui/Icon";
import { Panel } from "@/ui/Panel";
import { Dialog } from "./Dialog";
import css from "./incidents.module.css";
import { EntityLink } from "./parts";
import { useAct } from "./useAct";
import { entityText } from "./words";

/** What belongs to the incident and why, with a way to say that it does not. */
export function Members({ incident: i }: { incident: Incident }) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [muting, setMuting] = useState<IncidentMember | undefined>();
  const { act, judge, busy } = useAct();
  const columns = useMemo<Column<IncidentMember>[]>(() => {
    const toggle = (id: string) =>
      setChosen((before) => {
        const next = new Set(before);
        if (!next.delete(id)) next.add(id);
        return next;
      });
    return [
      {
        id: "choose",
        title: "",
        width: 34,
        cell: (m) => (
          <Checkbox
            size="xs"
            aria-label={`Choose ${m.name} of ${m.entity.name}`}
            checked={chosen.has(m.finding_id)}
            onChange={() => toggle(m.finding_id)}
          />
        ),
      },
      {
        id: "entity",
        title: "Entity",
        sort: (m) => entityText(m.entity),
        cell: (m) => <EntityLink entity={m.entity} />,
      },
      { id: "signal", title: "Signal", sort: (m) => m.name, cell: (m) => <code className={css.signal}>{m.name}</code> },
      { id: "reason", title: "Why it belongs here", cell: (m) => m.reason },
      {
        id: "state",
        title: "State",
        sort: (m) => Number(m.open),
        cell: (m) =>
          m.held ? <Pill>{m.held}</Pill> : m.open ? <Pill tone="bad">lasts</Pill> : <Pill tone="ok">ended</Pill>,
      },
      { id: "times", title: "Times", right: true, sort: (m) => m.times, cell: (m) => m.times },
      {
        id: "joined",
        title: "Joined",
        right: true,
        sort: (m) => Date.parse(m.joined),
        cell: (m) => <Ago time={m.joined} />,
      },
      {
        id: "judge",
        title: "",
        cell: (m) => (
          <Menu position="bottom-end" shadow="md">
            <Menu.Target>
              <Button size="compact-xs" variant="default" aria-label={`Judge ${m.name} of ${m.entity.name}`}>
                Judge
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item
                onClick={() => judge(i.id, "not_related", `finding:${m.finding_id}`, `${m.name} is not related`)}
              >
                Does not belong here
              </Menu.Item>
              <Menu.Item onClick={() => judge(i.id, "expected", `finding:${m.finding_id}`, `${m.name} is expected`)}>
                Expected at this time
              </Menu.Item>
              <Menu.Item onClick={() => judge(i.id, "reject", `finding:${m.finding_id}`, `${m.name} is no finding`)}>
                This is normal
              </Menu.Item>
              <Menu.Item onClick={() => setMuting(m)}>Mute…</Menu.Item>
            </Menu.Dropdown>
          </Menu>
        ),
      },
    ];
  }, [chosen, i.id, judge]);
  const split = () => {
    act({ id: i.id, action: "split", body: { findings: [...chosen] }, done: "Split into an incident of its own" });
    setChosen(new Set());
  };
  return (
    <Panel
      title="Members"
      note={`${plural(i.member_count, "finding")}, ${i.open_count} still ${i.open_count === 1 ? "lasts" : "last"}`}
      flush
      actions={
        chosen.size > 0 ? (
          <Button size="compact-xs" variant="default" disabled={busy || chosen.size >= i.member_count} onClick={split}>
            Split {chosen.size} out
          </Button>
        ) : null
      }
    >
      <DataTable label="Members" rows={i.members} columns={columns} rowKey={(m) => m.finding_id} maxHeight={420} />
      {muting ? (
        <MuteDialog
          member={muting}
          onClose={() => setMuting(undefined)}
          onMute={(text, until) => {
            const target = `signal:${entityText(muting.entity)}/${muting.name}`;
            judge(i.id, "mute", target, `${muting.name} is muted`, text, until);
            setMuting(undefined);
          }}
        />
      ) : null}
    </Panel>
  );
}

const mutes = [
  { value: "now+1h", label: "one hour" },
  { value: "now+1d", label: "one day" },
  { value: "now+7d", label: "seven days" },
  { value: "", label: "for ever" },
];

function MuteDialog({
  member,
  onClose,
  onMute,
}: {
  member: IncidentMember;
  onClose: () => void;
  onMute: (text: string, until?: string) => void;
}) {
  const [text, setText] = useState("");
  const [until, setUntil] = useState<string | null>("now+1d");
  return (
    <Dialog title={`Mute ${member.name}`} onClose={onClose}>
      <p>
        What is found in this signal of <EntityLink entity={member.entity} /> opens nothing until the mute ends. It can
        be taken back.
      </p>
      <Select label="For" data={mutes} value={until} onChange={setUntil} allowDeselect={false} mt="sm" />
      <Textarea
        label="Why"
        required
        mt="sm"
        maxLength={4000}
        value={text}
        onChange={(e) => setText(e.currentTarget.value)}
        data-autofocus
      />
      <div className={css.actions} style={{ marginTop: 12 }}>
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button
          leftSection={<Icon name="eyeOff" size={13} />}
          disabled={text.trim() === ""}
          onClick={() => onMute(text.trim(), until || undefined)}
        >
          Mute
        </Button>
      </div>
    </Dialog>
  );
}
