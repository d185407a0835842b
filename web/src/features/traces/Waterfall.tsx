import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import { formatDurationMs } from "@/lib/units";
import { Icon } from "@/ui/Icon";
import css from "./traces.module.css";
import { nsBetween, type SpanNode, type TraceTree } from "./tree";

const rowPx = 26;
/** Deeper levels are drawn at this depth; the number says the rest. */
const drawnDepth = 24;
const indentPx = 12;

interface Props {
  tree: TraceTree;
  colors: ReadonlyMap<string, string>;
  rows: readonly SpanNode[];
  collapsed: ReadonlySet<string>;
  selected: string | undefined;
  hits: ReadonlySet<string>;
  onSelect: (id: string) => void;
  onToggle: (id: string) => void;
}

/** Spans as bars over time; only rows in sight exist, so that thousands of spans scroll smoothly. */
export function Waterfall({ tree, colors, rows, collapsed, selected, hits, onSelect, onToggle }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    getItemKey: (i) => rows[i]?.span.span_id ?? i,
    overscan: 20,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a new choice scrolls, not new rows
  useEffect(() => {
    const index = rows.findIndex((r) => r.span.span_id === selected);
    if (index >= 0) virtual.scrollToIndex(index, { align: "auto" });
  }, [selected]);
  return (
    <div className={css.waterfall}>
      <Ruler durationNs={tree.durationNs} />
      <div ref={scroller} className={css.rows} tabIndex={0} role="region" aria-label="Spans">
        <div
          style={{ height: virtual.getTotalSize(), position: "relative" }}
          role="tree"
          aria-label="Spans of the trace"
        >
          {virtual.getVirtualItems().map((item) => {
            const node = rows[item.index];
            if (!node) return null;
            const id = node.span.span_id;
            return (
              <Row
                key={item.key}
                node={node}
                color={colors.get(node.span.service)}
                top={item.start}
                totalNs={tree.durationNs}
                collapsed={collapsed.has(id)}
                selected={selected === id}
                faded={hits.size > 0 && !hits.has(id)}
                onSelect={onSelect}
                onToggle={onToggle}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Ruler({ durationNs }: { durationNs: number }) {
  const marks = [0, 0.25, 0.5, 0.75, 1];
  return (
    <div className={css.ruler} aria-hidden="true">
      <span className={css.nameCol}>Span</span>
      <span className={css.barCol}>
        {marks.map((m) => (
          <span key={m} style={{ left: `${m * 100}%`, transform: `translateX(${-m * 100}%)` }}>
            {formatDurationMs((durationNs * m) / 1e6)}
          </span>
        ))}
      </span>
    </div>
  );
}

interface RowProps {
  node: SpanNode;
  color: string | undefined;
  top: number;
  totalNs: number;
  collapsed: boolean;
  selected: boolean;
  faded: boolean;
  onSelect: (id: string) => void;
  onToggle: (id: string) => void;
}

function Row({ node, color, top, totalNs, collapsed, selected, faded, onSelect, onToggle }: RowProps) {
  const { span } = node;
  const id = span.span_id;
  const left = (node.startNs / totalNs) * 100;
  const width = Math.max((node.durationNs / totalNs) * 100, 0.08);
  const duration = formatDurationMs(node.durationNs / 1e6);
  const label = labelPlace(left, width);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard moves the choice by j, k and the arrows for the whole tree
    // biome-ignore lint/a11y/useFocusableInteractive: the scrolling region has the focus; the choice is aria-selected
    <div
      className={css.row}
      role="treeitem"
      aria-level={node.depth + 1}
      aria-selected={selected}
      aria-expanded={node.children.length > 0 ? !collapsed : undefined}
      data-faded={faded}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onSelect(id)}
    >
      <span className={css.nameCol} style={{ paddingLeft: 6 + Math.min(node.depth, drawnDepth) * indentPx }}>
        {node.children.length > 0 ? (
          <button
            type="button"
            className={css.fold}
            tabIndex={-1}
            aria-label={collapsed ? `Expand, ${node.descendants} spans below` : "Collapse"}
            onClick={(e) => {
              e.stopPropagation();
              onToggle(id);
            }}
          >
            <Icon name={collapsed ? "chevronRight" : "chevronDown"} size={12} />
          </button>
        ) : (
          <span className={css.fold} />
        )}
        <span className={css.serviceBar} style={{ background: color }} />
        {node.error || (collapsed && node.errorsBelow > 0) ? (
          <span className={css.errorMark}>
            <Icon name="error" size={13} label="error" />
          </span>
        ) : null}
        <span className={css.service}>{span.service}</span>
        <span className={css.name}>{span.name}</span>
        {node.orphan ? <span className={css.orphan}>parent missing</span> : null}
        {collapsed ? <span className={css.orphan}>+{node.descendants}</span> : null}
      </span>
      <span className={css.barCol}>
        <span
          className={css.bar}
          data-critical={node.critical}
          data-error={node.error}
          style={{ left: `${left}%`, width: `${width}%`, background: color }}
        />
        {span.events.map((e, i) => (
          <span
            key={i}
            className={css.event}
            data-error={/exception|error/i.test(e.name)}
            style={{
              left: `${Math.min(100, Math.max(0, ((nsBetween(span.start_ns, e.time_ns) + node.startNs) / totalNs) * 100))}%`,
            }}
          />
        ))}
        <span className={css.barLabel} data-inside={label.inside} style={label.style}>
          {duration}
        </span>
      </span>
    </div>
  );
}

/** Right of the bar, else left of it, else on it: a label never covers the names, nor leaves the row. */
function labelPlace(left: number, width: number): { inside: boolean; style: React.CSSProperties } {
  if (left + width < 82) return { inside: false, style: { left: `calc(${left + width}% + 6px)` } };
  if (left > 20) return { inside: false, style: { right: `calc(${100 - left}% + 6px)` } };
  return { inside: true, style: { right: `calc(${Math.max(0, 100 - left - width)}% + 6px)` } };
}
