import { useElementSize } from "@mantine/hooks";
import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import { useZone } from "@/app/time";
import { formatTime, type TimeWindow } from "@/lib/time";
import { formatValue, type Unit } from "@/lib/units";
import "uplot/dist/uPlot.min.css";
import css from "./charts.module.css";
import { type Frame, stack } from "./frame";
import { buildOptions, type ChartKind } from "./options";
import { drawOverlay, type Overlay } from "./overlay";
import { summarise } from "./summary";
import { useChartTheme } from "./theme";

interface Props {
  title: string;
  frame: Frame;
  colors: readonly string[];
  unit: Unit;
  kind?: ChartKind;
  height?: number;
  max?: number;
  window: TimeWindow;
  hidden?: ReadonlySet<string>;
  syncKey?: string;
  /** Expected band, and times (unix seconds) to mark, drawn over the lines. */
  overlay?: Overlay;
  onZoom?: (window: TimeWindow) => void;
  onZoomOut?: () => void;
}

interface Hover {
  index: number;
  left: number;
}

/** Rows of the tooltip; the largest values are what one looks for. */
const tipRows = 10;

/** The one wrapper of uPlot: draws a frame, reports zooms, moves its cursor with the arrow keys and says what is under it. */
export function Chart(props: Props) {
  const { frame, unit, kind = "line", height = 180, colors, title, hidden } = props;
  const zone = useZone();
  const theme = useChartTheme();
  const size = useElementSize();
  const width = Math.floor(size.width);
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const [hover, setHover] = useState<Hover | undefined>();
  const callbacks = useRef(props);
  useEffect(() => {
    callbacks.current = props;
  });

  const visible = useMemo(() => {
    const shown = frame.series
      .map((s, i) => ({ s, color: colors[i] ?? "#888888" }))
      .filter(({ s }) => !hidden?.has(s.key));
    // stack() puts its first series on top; a reader expects the first one at the bottom, where it is easiest to read.
    return kind === "stack" ? shown.reverse() : shown;
  }, [frame, colors, hidden, kind]);

  const data = useMemo<uPlot.AlignedData>(() => {
    const shown = visible.map((v) => v.s);
    const columns = kind === "stack" || kind === "bars" ? stack(shown) : shown.map((s) => s.values);
    return [frame.t, ...columns];
  }, [frame, kind, visible]);

  // A new plot is built only when its shape changes; new values are set into the old one.
  const shape = JSON.stringify([
    visible.map((v) => [v.s.label, v.color]),
    unit,
    kind,
    zone,
    props.max,
    height,
    theme.axis,
  ]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: shape stands for everything the options are built of
  useEffect(() => {
    if (!host.current || width < 20) return;
    const window = callbacks.current.window;
    const options = buildOptions({
      width,
      height,
      kind,
      unit,
      zone,
      lines: visible.map((v) => ({ label: v.s.label, color: v.color })),
      range: { start: window.startMs / 1000, end: window.endMs / 1000 },
      theme,
      max: props.max,
      syncKey: props.syncKey,
      bars: uPlot.paths.bars?.({ size: [0.9, 60], align: 1 }),
    });
    const scales = options.scales ?? {};
    options.scales = {
      ...scales,
      x: { time: true, range: () => [callbacks.current.window.startMs / 1000, callbacks.current.window.endMs / 1000] },
    };
    options.hooks = {
      drawAxes: [(u) => drawOverlay(u, callbacks.current.overlay, theme)],
      setCursor: [
        (u) => {
          const index = u.cursor.idx;
          const left = u.cursor.left ?? -1;
          setHover(
            index === null || index === undefined || left < 0
              ? undefined
              : { index, left: left + u.bbox.left / devicePixelRatio },
          );
        },
      ],
      setSelect: [
        (u) => {
          if (u.select.width < 6) return;
          const startMs = u.posToVal(u.select.left, "x") * 1000;
          const endMs = u.posToVal(u.select.left + u.select.width, "x") * 1000;
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (endMs - startMs >= 1000) callbacks.current.onZoom?.({ startMs, endMs });
        },
      ],
    };
    options.cursor = {
      ...options.cursor,
      bind: {
        dblclick: () => () => {
          callbacks.current.onZoomOut?.();
          return null;
        },
      },
    };
    const u = new uPlot(options, data, host.current);
    plot.current = u;
    return () => {
      plot.current = undefined;
      u.destroy();
      setHover(undefined);
    };
  }, [shape, width]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the window is read from the callbacks when the scale is computed
  useEffect(() => {
    plot.current?.setData(data);
  }, [data, props.window.startMs, props.window.endMs]);

  const onKey = (event: React.KeyboardEvent) => {
    const u = plot.current;
    if (!u || (event.key !== "ArrowLeft" && event.key !== "ArrowRight") || event.altKey) return;
    event.preventDefault();
    const last = frame.t.length - 1;
    const from = hover?.index ?? (event.key === "ArrowLeft" ? last + 1 : -1);
    const index = Math.max(0, Math.min(last, from + (event.key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? 10 : 1)));
    u.setCursor({ left: u.valToPos(frame.t[index] ?? 0, "x"), top: 10 });
  };

  const summary = useMemo(() => summarise(title, frame, unit, zone), [title, frame, unit, zone]);
  return (
    <div className={css.wrap} ref={size.ref}>
      <div
        ref={host}
        className={css.plot}
        style={{ height }}
        role="img"
        aria-label={summary}
        tabIndex={0}
        onKeyDown={onKey}
      />
      {hover ? <Tip hover={hover} visible={visible} t={frame.t} unit={unit} width={width} /> : null}
    </div>
  );
}

function Tip({
  hover,
  visible,
  t,
  unit,
  width,
}: {
  hover: Hover;
  visible: { s: { key: string; label: string; values: (number | null)[] }; color: string }[];
  t: number[];
  unit: Unit;
  width: number;
}) {
  const zone = useZone();
  const rows = visible
    .map((v) => ({ ...v, value: v.s.values[hover.index] ?? null }))
    .filter((r) => r.value !== null)
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  const at = t[hover.index];
  if (at === undefined) return null;
  const side = hover.left > width / 2 ? { right: width - hover.left + 10 } : { left: hover.left + 10 };
  return (
    <div className={css.tip} style={side} role="status">
      <div className={css.tipTime}>{formatTime(at * 1000, zone)}</div>
      {rows.length === 0 ? <div className={css.tipLabel}>no sample here</div> : null}
      {rows.slice(0, tipRows).map((r) => (
        <div key={r.s.key + r.s.label} className={css.tipRow}>
          <span style={{ width: 9, height: 9, borderRadius: 2, background: r.color, flex: "none" }} />
          <span className={css.tipLabel}>{r.s.label}</span>
          <span className={css.tipValue}>{formatValue(r.value, unit)}</span>
        </div>
      ))}
      {rows.length > tipRows ? <div className={css.tipTime}>and {rows.length - tipRows} more</div> : null}
    </div>
  );
}
