import type { Span, Trace } from "@/api/types";

/** A span placed in its trace; times in ns relative to the start of the trace. */
export interface SpanNode {
  span: Span;
  depth: number;
  parent: SpanNode | undefined;
  children: SpanNode[];
  startNs: number;
  durationNs: number;
  /** Time in which no child ran. */
  selfNs: number;
  /** The parent is named but not in the trace. */
  orphan: boolean;
  error: boolean;
  /** Spans below this one, without it. */
  descendants: number;
  errorsBelow: number;
  critical: boolean;
}

export interface TraceTree {
  roots: SpanNode[];
  byId: Map<string, SpanNode>;
  durationNs: number;
  orphans: number;
  /** No span without a parent exists. */
  missingRoot: boolean;
  errors: number;
  /** Spans that named themselves as ancestor; cut out of the circle and shown as roots. */
  cycles: number;
}

/** Unix nanoseconds as two numbers, exact where a single double is not. */
function splitNs(value: number | string): { ms: number; ns: number } {
  if (typeof value === "number") return { ms: Math.floor(value / 1e6), ns: value % 1e6 };
  const padded = value.padStart(7, "0");
  return { ms: Number(padded.slice(0, -6)), ns: Number(padded.slice(-6)) };
}

export function nsBetween(from: number | string, to: number | string): number {
  const a = splitNs(from);
  const b = splitNs(to);
  return (b.ms - a.ms) * 1e6 + (b.ns - a.ns);
}

export function isError(span: Span): boolean {
  return /error/i.test(span.status);
}

/**
 * Builds the tree of a trace: children by start, orphans and cut circles as further roots.
 * O(n log n); each span appears exactly once, whatever its parent says.
 */
export function buildTree(trace: Trace): TraceTree {
  const byId = new Map<string, SpanNode>();
  const nodes: SpanNode[] = [];
  for (const span of trace.spans) {
    const node: SpanNode = {
      span,
      depth: 0,
      parent: undefined,
      children: [],
      startNs: nsBetween(trace.start_ns, span.start_ns),
      durationNs: Math.max(0, Number(span.duration_ns)),
      selfNs: 0,
      orphan: false,
      error: isError(span),
      descendants: 0,
      errorsBelow: 0,
      critical: false,
    };
    nodes.push(node);
    if (!byId.has(span.span_id)) byId.set(span.span_id, node);
  }
  const roots: SpanNode[] = [];
  let orphans = 0;
  for (const node of nodes) {
    const parentId = node.span.parent_span_id;
    const parent = parentId ? byId.get(parentId) : undefined;
    if (parentId && !parent) {
      node.orphan = true;
      orphans++;
    }
    if (parent && parent !== node) {
      node.parent = parent;
      parent.children.push(node);
    } else {
      roots.push(node);
    }
  }
  const cycles = cutCycles(nodes, roots);
  const order = (a: SpanNode, b: SpanNode) => a.startNs - b.startNs || b.durationNs - a.durationNs;
  roots.sort(order);
  const sorted = preorder(roots, (n) => n.children.sort(order));
  // Children come after their parents, so that backwards every child is finished before its parent.
  for (const node of sorted) node.depth = node.parent ? node.parent.depth + 1 : 0;
  for (const node of [...sorted].reverse()) {
    node.selfNs = Math.max(0, node.durationNs - covered(node));
    if (!node.parent) continue;
    node.parent.descendants += node.descendants + 1;
    node.parent.errorsBelow += node.errorsBelow + (node.error ? 1 : 0);
  }
  for (const root of roots) markCritical(root);
  const end = nodes.reduce((m, n) => Math.max(m, n.startNs + n.durationNs), 0);
  return {
    roots,
    byId,
    durationNs: Math.max(end, Number(trace.duration_ns) || 0, 1),
    orphans,
    missingRoot: nodes.length > 0 && !nodes.some((n) => !n.span.parent_span_id),
    errors: nodes.filter((n) => n.error).length,
    cycles,
  };
}

/** Spans that no root reaches hang in a circle: the earliest of each becomes a root. */
function cutCycles(nodes: readonly SpanNode[], roots: SpanNode[]): number {
  const reached = new Set(preorder(roots));
  let cycles = 0;
  for (const node of nodes) {
    if (reached.has(node)) continue;
    if (node.parent) node.parent.children = node.parent.children.filter((c) => c !== node);
    node.parent = undefined;
    node.orphan = true;
    roots.push(node);
    cycles++;
    for (const n of preorder([node])) reached.add(n);
  }
  return cycles;
}

function preorder(roots: readonly SpanNode[], visit?: (n: SpanNode) => void): SpanNode[] {
  const result: SpanNode[] = [];
  const stack = [...roots].reverse();
  for (let node = stack.pop(); node; node = stack.pop()) {
    visit?.(node);
    result.push(node);
    for (let i = node.children.length - 1; i >= 0; i--) {
      const child = node.children[i];
      if (child) stack.push(child);
    }
  }
  return result;
}

/** Part of a span's time during which at least one child ran; children are sorted by start. */
function covered(node: SpanNode): number {
  let sum = 0;
  let end = node.startNs;
  const limit = node.startNs + node.durationNs;
  for (const c of node.children) {
    const from = Math.max(c.startNs, end);
    const to = Math.min(c.startNs + c.durationNs, limit);
    if (to > from) {
      sum += to - from;
      end = to;
    }
  }
  return sum;
}

/** Walks back from the end of the span: at each instant the child that ended last held the parent up. */
function markCritical(root: SpanNode): void {
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    node.critical = true;
    let end = node.startNs + node.durationNs;
    const byEnd = [...node.children].sort((a, b) => b.startNs + b.durationNs - (a.startNs + a.durationNs));
    for (const child of byEnd) {
      if (child.startNs + child.durationNs > end || child.durationNs === 0) continue;
      stack.push(child);
      end = child.startNs;
    }
  }
}

/** Rows in drawing order; what is below a collapsed span is left out. */
export function visibleRows(tree: TraceTree, collapsed: ReadonlySet<string>): SpanNode[] {
  const result: SpanNode[] = [];
  const stack = [...tree.roots].reverse();
  for (let node = stack.pop(); node; node = stack.pop()) {
    result.push(node);
    if (collapsed.has(node.span.span_id)) continue;
    for (let i = node.children.length - 1; i >= 0; i--) {
      const child = node.children[i];
      if (child) stack.push(child);
    }
  }
  return result;
}

/** Spans whose name, service, id or an attribute contains the text, case ignored. */
export function matching(tree: TraceTree, text: string): Set<string> {
  const wanted = text.trim().toLowerCase();
  const hits = new Set<string>();
  if (wanted === "") return hits;
  for (const [id, node] of tree.byId) {
    const s = node.span;
    const haystack = `${s.name}\n${s.service}\n${s.span_id}\n${s.kind}\n${s.status}\n${s.status_message ?? ""}\n${JSON.stringify(s.attributes)}`;
    if (haystack.toLowerCase().includes(wanted)) hits.add(id);
  }
  return hits;
}

/** Time of a span that goes to each service, by self time; the sum of parallel work can exceed the duration. */
export function selfByService(tree: TraceTree): { service: string; selfNs: number; spans: number; errors: number }[] {
  const sums = new Map<string, { service: string; selfNs: number; spans: number; errors: number }>();
  for (const node of preorder(tree.roots)) {
    const s = sums.get(node.span.service) ?? { service: node.span.service, selfNs: 0, spans: 0, errors: 0 };
    s.selfNs += node.selfNs;
    s.spans++;
    if (node.error) s.errors++;
    sums.set(node.span.service, s);
  }
  return [...sums.values()].sort((a, b) => b.selfNs - a.selfNs);
}
