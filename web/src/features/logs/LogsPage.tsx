import { Button, TextInput } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { useKeys } from "@/app/keys";
import type { LogsSearch } from "@/app/router";
import { useTitle } from "@/app/title";
import { parseLogQuery } from "@/lib/logquery";
import { formatInteger } from "@/lib/units";
import { PageHead, Pill } from "@/ui/atoms";
import { Icon } from "@/ui/Icon";
import { Panel } from "@/ui/Panel";
import { Empty } from "@/ui/states";
import ui from "@/ui/ui.module.css";
import { Facets } from "./Facets";
import { fromSearch, type LogChoice, toggled } from "./filter";
import { Histogram } from "./Histogram";
import { LogList } from "./LogList";
import { LogTable } from "./LogTable";
import css from "./logs.module.css";
import { useTail } from "./useTail";

/** Logs: search, narrow, look at the shape over time, follow. */
export function LogsPage() {
  useTitle("Logs");
  const search = useSearch({ from: "/logs" });
  const navigate = useNavigate({ from: "/logs" });
  const set = (change: Partial<LogsSearch>) => void navigate({ search: (s) => ({ ...s, ...change }) });
  const filter = useMemo(() => fromSearch(search), [search]);
  const narrowed = search.q || search.service || search.host || search.severity || search.trace;
  const live = search.live === true;
  const wide = useMediaQuery("(min-width: 901px)", true, { getInitialValueInEffect: false });
  useKeys([
    {
      keys: "l",
      label: live ? "Stop following" : "Follow live",
      group: "Logs",
      run: () => set({ live: !live || undefined }),
    },
  ]);
  return (
    <div className={ui.page}>
      <PageHead title="Logs" />
      <div className={ui.toolbar}>
        <SearchBox value={search.q ?? ""} onSearch={(q) => set({ q: q || undefined })} />
        {search.trace ? (
          <Button
            variant="default"
            onClick={() => set({ trace: undefined })}
            rightSection={<Icon name="close" size={12} />}
          >
            trace {search.trace.slice(0, 8)}…
          </Button>
        ) : null}
        {narrowed ? (
          <Button
            variant="subtle"
            onClick={() =>
              set({ q: undefined, service: undefined, host: undefined, severity: undefined, trace: undefined })
            }
          >
            Clear filters
          </Button>
        ) : null}
        <Button
          variant={live ? "filled" : "default"}
          onClick={() => set({ live: !live || undefined })}
          aria-pressed={live}
          leftSection={<Icon name={live ? "pause" : "play"} size={12} />}
        >
          {live ? "Stop following" : "Follow live"}
        </Button>
      </div>
      <div className={css.columns}>
        <details className={css.filters} open={wide || undefined}>
          <summary>Filters</summary>
          <Facets
            filter={filter}
            severity={search.severity}
            onService={(v) => set({ service: toggled(search.service, v) })}
            onHost={(v) => set({ host: toggled(search.host, v) })}
            onSeverity={(severity) => set({ severity })}
          />
        </details>
        <div className={css.main}>
          {live ? (
            <LivePanel filter={filter} />
          ) : (
            <>
              <Histogram filter={filter} />
              <LogList
                filter={filter}
                height="max(420px, calc(100vh - 340px))"
                title="Lines"
                emptyHint={
                  narrowed
                    ? "Nothing matches this search in this range. Widen the range, or clear the filters."
                    : "No log line has arrived in this range."
                }
                emptyAction={narrowed ? undefined : <Link to="/start">Connect a sender</Link>}
              />
            </>
          )}
        </div>
      </div>
    </div>
  );
}

function SearchBox({ value, onSearch }: { value: string; onSearch: (q: string) => void }) {
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  const problem = parseLogQuery(draft).problem;
  return (
    <form
      className={ui.grow}
      data-search
      onSubmit={(e) => {
        e.preventDefault();
        if (!problem) onSearch(draft.trim());
      }}
    >
      <TextInput
        aria-label="Search logs"
        placeholder='words, "a phrase", -without, service:cart level>=warn duration>500ms (a OR b)'
        leftSection={<Icon name="search" size={14} />}
        value={draft}
        error={problem}
        onChange={(e) => setDraft(e.currentTarget.value)}
        spellCheck={false}
        className={css.searchBox}
      />
    </form>
  );
}

function LivePanel({ filter }: { filter: LogChoice }) {
  const [paused, setPaused] = useState(false);
  const tail = useTail(filter, true, paused);
  useKeys([{ keys: "p", label: paused ? "Resume" : "Pause", group: "Logs", run: () => setPaused(!paused) }]);
  return (
    <Panel
      title="Live"
      flush
      note={
        <span style={{ display: "inline-flex", gap: 8, alignItems: "center" }}>
          {tail.state === "open" ? (
            <Pill tone="ok">following</Pill>
          ) : tail.state === "lost" ? (
            <Pill tone="bad">connection lost, trying again</Pill>
          ) : (
            <Pill>connecting</Pill>
          )}
          {formatInteger(tail.lines.length)} lines
        </span>
      }
      actions={
        <Button
          variant="default"
          size="compact-xs"
          onClick={() => setPaused(!paused)}
          aria-pressed={paused}
          leftSection={<Icon name={paused ? "play" : "pause"} size={11} />}
        >
          {paused ? `Resume${tail.waiting ? `, ${formatInteger(tail.waiting)} new` : ""}` : "Pause"}
        </Button>
      }
    >
      {tail.dropped > 0 ? (
        <div className={ui.note} role="status" data-notice="dropped">
          <Icon name="warn" size={14} />
          <div>
            <strong>{formatInteger(tail.dropped)} lines were left out</strong> because they came faster than they could
            be sent. They are stored; narrow the filter to see all of them live.
          </div>
        </div>
      ) : null}
      {tail.lines.length === 0 ? (
        <Empty title="Waiting for new lines">
          {tail.state === "lost"
            ? "The connection ended; it is opened again by itself."
            : "Lines appear here as they arrive and match the filters."}
        </Empty>
      ) : (
        <LogTable rows={tail.lines} query={filter.query} height="max(420px, calc(100vh - 220px))" />
      )}
    </Panel>
  );
}
