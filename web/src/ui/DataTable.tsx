import { type ReactNode, useMemo, useState } from "react";
import { useKeys } from "@/app/keys";
import { type SortState, sortRows } from "@/lib/sort";
import { Icon } from "./Icon";
import css from "./ui.module.css";

export interface Column<T> {
  id: string;
  title: string;
  cell: (row: T) => ReactNode;
  /** What the column sorts by; a column without it does not sort. */
  sort?: (row: T) => string | number | undefined | null;
  right?: boolean;
  width?: number | string;
  hint?: string;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  rowKey: (row: T) => string;
  initialSort?: SortState;
  /** Opens a row: Enter on the active row, or a click. */
  onOpen?: (row: T) => void;
  /** Gives this table j, k and Enter; one table of a page may have them. */
  keyboard?: boolean;
  maxHeight?: number;
  /** What single keys do to the active row, with keyboard. */
  rowKeys?: readonly { keys: string; label: string; run: (row: T) => void }[];
}

/** The table of all lists: sortable by column, movable by keyboard, scrolls sideways inside itself. */
export function DataTable<T>({
  label,
  rows,
  columns,
  rowKey,
  initialSort,
  onOpen,
  keyboard,
  maxHeight,
  rowKeys,
}: Props<T>) {
  const [sort, setSort] = useState<SortState | undefined>(initialSort);
  const [active, setActive] = useState(-1);
  const sorted = useMemo(() => {
    const by = columns.find((c) => c.id === sort?.id)?.sort;
    return sort && by ? sortRows(rows, by, sort.descending) : [...rows];
  }, [rows, columns, sort]);

  const move = (by: number) => {
    const next = Math.max(0, Math.min(sorted.length - 1, active + by));
    setActive(next);
    document.querySelector(`[data-table="${label}"] tr[data-row="${next}"]`)?.scrollIntoView({ block: "nearest" });
  };
  const activeRow = sorted[active];
  useKeys(
    keyboard
      ? [
          { keys: "j", label: "Next row", group: "Lists", run: () => move(1) },
          { keys: "k", label: "Previous row", group: "Lists", run: () => move(-1) },
          ...(onOpen && activeRow !== undefined
            ? [{ keys: "Enter", label: "Open row", group: "Lists", run: () => onOpen(activeRow) }]
            : []),
          ...(activeRow !== undefined ? (rowKeys ?? []) : []).map((k) => ({
            keys: k.keys,
            label: k.label,
            group: "Lists",
            run: () => activeRow !== undefined && k.run(activeRow),
          })),
        ]
      : [],
  );

  return (
    <div
      className={css.tableWrap}
      style={{ maxHeight, overflowY: maxHeight ? "auto" : undefined }}
      role="region"
      aria-label={`${label}, scrolls`}
      tabIndex={0}
    >
      <table className={css.table} data-table={label} aria-label={label}>
        <thead>
          <tr>
            {columns.map((c) => (
              <Header key={c.id} column={c} sort={sort} onSort={setSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row, i) => (
            <tr
              key={rowKey(row)}
              data-row={i}
              data-active={i === active}
              data-clickable={onOpen !== undefined}
              onClick={onOpen ? (e) => openUnlessSelecting(e, () => onOpen(row)) : undefined}
            >
              {columns.map((c) => (
                <td key={c.id} className={c.right ? css.right : undefined}>
                  {c.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function openUnlessSelecting(event: React.MouseEvent, open: () => void) {
  // Links and buttons act for themselves, and marking text to copy it is not a click.
  if (event.target instanceof Element && event.target.closest("a,button")) return;
  if (window.getSelection()?.toString()) return;
  open();
}

function Header<T>({
  column,
  sort,
  onSort,
}: {
  column: Column<T>;
  sort: SortState | undefined;
  onSort: (s: SortState) => void;
}) {
  const mine = sort?.id === column.id;
  const ariaSort = mine ? (sort.descending ? "descending" : "ascending") : undefined;
  return (
    <th
      className={column.right ? css.right : undefined}
      style={{ width: column.width }}
      aria-sort={ariaSort}
      title={column.hint}
    >
      {column.sort ? (
        <button
          type="button"
          className={`${css.sortButton} ${mine ? css.sorted : ""}`}
          // Numbers are most interesting from the top, names from A.
          onClick={() => onSort({ id: column.id, descending: mine ? !sort.descending : (column.right ?? false) })}
        >
          {column.title}
          {mine ? <Icon name={sort.descending ? "down" : "up"} size={11} /> : null}
        </button>
      ) : (
        column.title || <span className="visually-hidden">{column.id}</span>
      )}
    </th>
  );
}
