import { Button, Popover, SegmentedControl, Select, TextInput } from "@mantine/core";
import { useState } from "react";
import {
  absoluteRange,
  describeRange,
  formatTime,
  isRelative,
  relativePresets,
  resolveRange,
  shiftWindow,
  zoneName,
  zoneOffset,
  zoomOut,
} from "@/lib/time";
import { IconButton } from "@/ui/atoms";
import { Icon } from "@/ui/Icon";
import css from "./shell.module.css";
import { refreshChoices, useTime } from "./time";

/** The one time range of the page: relative presets, exact ends, zone, refresh. */
export function TimePicker() {
  const time = useTime();
  const [open, setOpen] = useState(false);
  const { window: w, range, zone } = time;
  const now = Date.now();
  return (
    <div className={css.time}>
      <span className={css.wideOnly}>
        <IconButton
          icon="chevronLeft"
          label="Half a range back (t ←)"
          onClick={() => time.setRange(absoluteRange(shiftWindow(w, -1)))}
        />
      </span>
      <Popover opened={open} onChange={setOpen} position="bottom-end" width={340} shadow="md" trapFocus returnFocus>
        <Popover.Target>
          <Button
            variant="default"
            leftSection={<Icon name="clock" size={14} />}
            onClick={() => setOpen(!open)}
            aria-label={`Time range: ${describeRange(range, now, zone)} ${zoneOffset(zone, w.endMs)}`}
            aria-haspopup="dialog"
            className={css.timeButton}
            data-testid="time-range"
          >
            <span className={css.timeText}>{describeRange(range, now, zone)}</span>{" "}
            <span className={css.zone}>{zoneOffset(zone, w.endMs)}</span>
          </Button>
        </Popover.Target>
        <Popover.Dropdown aria-label="Time range">
          {open ? <PickerBody close={() => setOpen(false)} /> : null}
        </Popover.Dropdown>
      </Popover>
      <span className={css.wideOnly}>
        <IconButton
          icon="chevronRight"
          label="Half a range forward (t →)"
          onClick={() => time.setRange(absoluteRange(shiftWindow(w, 1)))}
        />
        <IconButton
          icon="zoomOut"
          label="Zoom out (t z)"
          onClick={() => time.setRange(absoluteRange(zoomOut(w, Date.now())))}
        />
      </span>
      <Select
        aria-label="Refresh every"
        className={css.refresh}
        data={refreshChoices.map((c) => ({ value: c, label: c === "off" ? "off" : c }))}
        value={time.refresh}
        onChange={(v) => v && time.setRefresh(v)}
        allowDeselect={false}
        disabled={!isRelative(range)}
        leftSection={<Icon name="refresh" size={13} />}
        leftSectionWidth={26}
        rightSectionWidth={18}
        comboboxProps={{ width: 90, position: "bottom-end" }}
        checkIconPosition="right"
      />
    </div>
  );
}

function PickerBody({ close }: { close: () => void }) {
  const time = useTime();
  const { window: w, range, zone } = time;
  const shown = (text: string, ms: number) => (text.startsWith("now") ? text : formatTime(ms, zone));
  const [from, setFrom] = useState(shown(range.from, w.startMs));
  const [to, setTo] = useState(shown(range.to, w.endMs));
  const now = Date.now();
  const resolved = resolveRange({ from, to }, now, zone);
  const fromOk = resolveRange({ from, to: String(now * 2) }, now, zone) !== undefined;
  const toOk = resolveRange({ from: "0000000001", to }, now, zone) !== undefined;
  const apply = () => {
    if (!resolved) return;
    // Absolute ends travel as milliseconds, so that a shared address means the same in every zone.
    const pin = (text: string, ms: number) => (text.trim().startsWith("now") ? text.trim() : String(ms));
    time.setRange({ from: pin(from, resolved.startMs), to: pin(to, resolved.endMs) });
    close();
  };
  return (
    <div className={css.picker}>
      <div className={css.presets}>
        {relativePresets.map((p) => (
          <button
            key={p.from}
            type="button"
            className={css.preset}
            aria-pressed={range.from === p.from && range.to === "now"}
            onClick={() => {
              time.setRange({ from: p.from, to: "now" });
              close();
            }}
          >
            {p.label.replace("Last ", "")}
          </button>
        ))}
      </div>
      <form
        className={css.exact}
        onSubmit={(e) => {
          e.preventDefault();
          apply();
        }}
      >
        <TextInput
          label="From"
          value={from}
          onChange={(e) => setFrom(e.currentTarget.value)}
          error={fromOk ? undefined : "Not a time"}
          spellCheck={false}
        />
        <TextInput
          label="To"
          value={to}
          onChange={(e) => setTo(e.currentTarget.value)}
          error={toOk ? undefined : "Not a time"}
          spellCheck={false}
        />
        <p className="faint">
          {resolved || !fromOk || !toOk
            ? "now-90m, 2026-11-22 14:00, RFC 3339 or Unix time"
            : "The start must be before the end."}
        </p>
        <Button type="submit" disabled={!resolved} fullWidth>
          Apply
        </Button>
        <SegmentedControl
          fullWidth
          aria-label="Time zone"
          value={zone}
          onChange={(v) => time.setZone(v === "utc" ? "utc" : "local")}
          data={[
            { value: "local", label: zoneName("local") },
            { value: "utc", label: "UTC" },
          ]}
        />
      </form>
    </div>
  );
}
