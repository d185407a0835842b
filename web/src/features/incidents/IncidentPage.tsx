import { Button, Menu } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { ApiError } from "@/api/errors";
import { api } from "@/api/runtime";
import type { Incident } from "@/api/types";
import { useKeys } from "@/app/keys";
import { useSession } from "@/app/session";
import { useNow, useZone } from "@/app/time";
import { useTitle } from "@/app/title";
import { formatTime, zoneName } from "@/lib/time";
import { formatDurationMs } from "@/lib/units";
import { Ago } from "@/ui/atoms";
import { Icon } from "@/ui/Icon";
import { Panel, QueryView } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import ui from "@/ui/ui.module.css";
import { EvidenceList } from "./Evidence";
import css from "./incidents.module.css";
import { Members } from "./Members";
import { MergeDialog } from "./MergeDialog";
import { toMarkdown } from "./markdown";
import { People } from "./People";
import { EntityLink, SeverityBadge, StateBadge } from "./parts";
import { RootCause } from "./RootCause";
import { Timeline } from "./Timeline";
import { acknowledge, closeNotice, resolve, useAct } from "./useAct";
import { useIncidentStream } from "./useIncidentStream";

/** One incident as a story: why, what failed first, who is affected, what happened when, what belongs to it, what people say. */
export function IncidentPage() {
  const { id } = useParams({ from: "/incidents/$id" });
  useIncidentStream(id);
  const query = useQuery({
    queryKey: ["incident", id],
    queryFn: ({ signal }) => api.get("/api/v1/incidents/{id}", { ids: { id }, signal }),
    refetchInterval: 60_000,
  });
  useTitle(query.data?.title ?? "Incident");
  if (query.error instanceof ApiError && query.error.status === 404) {
    return (
      <div className={ui.page}>
        <h1>Incident not found</h1>
        <Empty title={`No incident has the id ${id}`} action={<Link to="/incidents">All incidents</Link>}>
          It may be older than the retention.
        </Empty>
      </div>
    );
  }
  return (
    <div className={ui.page}>
      <nav aria-label="Breadcrumb" className={css.crumbs}>
        <Link to="/incidents">Incidents</Link>
      </nav>
      <QueryView query={query} height={200}>
        {(i) => <Story incident={i} />}
      </QueryView>
    </div>
  );
}

function Story({ incident: i }: { incident: Incident }) {
  const { cause } = useSearch({ from: "/incidents/$id" });
  const navigate = useNavigate({ from: "/incidents/$id" });
  const chosen = Math.min(Number(cause ?? "1"), Math.max(1, i.verdict.candidates.length)) - 1;
  const choose = (n: number) =>
    void navigate({ search: (s) => ({ ...s, cause: n === 0 ? undefined : String(n + 1) }), replace: true });
  const { judge } = useAct();
  useKeys([
    ...i.verdict.candidates.map((_, n) => ({
      keys: String(n + 1),
      label: `Look at cause ${n + 1}`,
      group: "Incident",
      run: () => choose(n),
    })),
    {
      keys: "y",
      label: "It is right that this is an incident",
      group: "Incident",
      run: () => judge(i.id, "confirm", "incident", "Judged as right"),
    },
    {
      keys: "n",
      label: "It is wrong that this is an incident",
      group: "Incident",
      run: () => judge(i.id, "reject", "incident", "Judged as wrong"),
    },
  ]);
  return (
    <div className={css.story}>
      <Head incident={i} />
      <RootCause incident={i} chosen={chosen} choose={choose} />
      <div className={css.two}>
        <Panel title="First failure" note="The earliest symptom that somebody would have seen">
          <EvidenceList items={i.verdict.first_failure} none="No symptom at users or callers was found." />
        </Panel>
        <Panel title="Impact" note="Who is affected">
          <EvidenceList
            items={i.verdict.impact}
            none="Nobody who calls from outside is affected, as far as is known."
          />
          <div className={css.chips}>
            {i.entities.slice(0, 40).map((e) => (
              <EntityLink key={`${e.kind}:${e.name}`} entity={e} />
            ))}
            {i.entities.length > 40 ? <span className="faint">and {i.entities.length - 40} more</span> : null}
          </div>
        </Panel>
      </div>
      <Timeline incident={i} />
      <Members incident={i} />
      <People incident={i} />
    </div>
  );
}

function Head({ incident: i }: { incident: Incident }) {
  const { act, judge, busy } = useAct();
  const [merging, mergeDialog] = useDisclosure(false);
  const session = useSession();
  const zone = useZone();
  const me = session.data?.user ?? "";
  const over = i.state === "resolved" || i.state === "merged";
  const toggleAck = () => act(acknowledge(i));
  const toggleResolve = () => act(resolve(i));
  const assign = (to: string) =>
    act({ id: i.id, action: "assign", body: { assignee: to }, done: to ? `Assigned to ${to}` : "Assigned to nobody" });
  const copy = () => {
    void navigator.clipboard
      ?.writeText(toMarkdown(i, window.location.href, zone, Date.now()))
      .then(() => notifications.show({ title: "Copied as Markdown", message: null, closeButtonProps: closeNotice }));
  };
  useKeys([
    {
      keys: "a",
      label: i.acknowledged ? "Take the acknowledgement back" : "Acknowledge",
      group: "Incident",
      run: toggleAck,
    },
    { keys: "r", label: i.state === "resolved" ? "Reopen" : "Resolve", group: "Incident", run: toggleResolve },
    { keys: "i", label: "Assign to me", group: "Incident", run: () => assign(me) },
    { keys: "c", label: "Copy as Markdown", group: "Incident", run: copy },
  ]);
  return (
    <header className={css.head}>
      <div className={css.headLine}>
        <SeverityBadge severity={i.severity} />
        <StateBadge state={i.state} />
        <h1>{i.title}</h1>
      </div>
      <StatusLine incident={i} />
      {i.merged_into ? (
        <div className={ui.note}>
          <Icon name="link" size={14} />
          <div>
            This became part of{" "}
            <Link to="/incidents/$id" params={{ id: i.merged_into }} search={{}}>
              another incident
            </Link>
            .
          </div>
        </div>
      ) : null}
      <div className={css.actions}>
        <Button
          size="compact-sm"
          variant={i.acknowledged ? "default" : "filled"}
          disabled={over || busy}
          onClick={toggleAck}
        >
          {i.acknowledged ? "Take acknowledgement back" : "Acknowledge"}
        </Button>
        <Button size="compact-sm" variant="default" disabled={i.state === "merged" || busy} onClick={toggleResolve}>
          {i.state === "resolved" ? "Reopen" : "Resolve"}
        </Button>
        <Button size="compact-sm" variant="default" disabled={busy} onClick={() => assign(i.assignee === me ? "" : me)}>
          {i.assignee === me ? "Give it back" : "Assign to me"}
        </Button>
        <Button size="compact-sm" variant="default" leftSection={<Icon name="copy" size={13} />} onClick={copy}>
          Copy as Markdown
        </Button>
        <Menu position="bottom-end" shadow="md">
          <Menu.Target>
            <Button size="compact-sm" variant="default" rightSection={<Icon name="chevronDown" size={12} />}>
              More
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => judge(i.id, "confirm", "incident", "Judged as right")}>
              This is an incident (y)
            </Menu.Item>
            <Menu.Item onClick={() => judge(i.id, "reject", "incident", "Judged as wrong")}>This is none (n)</Menu.Item>
            <Menu.Item onClick={() => judge(i.id, "expected", "incident", "Judged as expected")}>
              Expected at this time
            </Menu.Item>
            <Menu.Divider />
            <Menu.Item disabled={i.state === "merged"} onClick={mergeDialog.open}>
              Merge with another…
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
      {merging ? <MergeDialog incident={i} onClose={mergeDialog.close} /> : null}
    </header>
  );
}

function StatusLine({ incident: i }: { incident: Incident }) {
  const now = useNow(5_000);
  const zone = useZone();
  const start = Date.parse(i.start);
  const end = i.end ? Date.parse(i.end) : now;
  const parts: ReactNode[] = [
    <>
      began <Ago time={i.start} /> ({formatTime(start, zone)} {zoneName(zone)})
    </>,
    <>
      {i.end ? "lasted" : "lasts for"} {formatDurationMs(end - start)}
    </>,
    <>noticed after {formatDurationMs(Math.max(0, Date.parse(i.detected) - start))}</>,
    i.paged ? <>pages</> : <>does not page</>,
    i.quiet && !i.end ? (
      <>
        quiet since <Ago time={i.quiet} />
      </>
    ) : null,
    i.acknowledged ? (
      <>
        acknowledged by {i.acknowledged.who} <Ago time={i.acknowledged.at} />
      </>
    ) : (
      <>not acknowledged</>
    ),
    i.assignee ? <>assigned to {i.assignee}</> : null,
    i.resolution ? <>resolution: {i.resolution}</> : null,
    <span key="id" className="mono">
      {i.id}
    </span>,
  ].filter((p) => p !== null);
  return (
    <p className={css.status}>
      {parts.map((p, n) => (
        <span key={n}>{p}</span>
      ))}
    </p>
  );
}
