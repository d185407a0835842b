export interface SortState {
  id: string;
  descending: boolean;
}

/** Sorted copy; missing values are last in both directions, ties keep their order. */
export function sortRows<T>(
  rows: readonly T[],
  by: (row: T) => string | number | undefined | null,
  descending: boolean,
): T[] {
  const missing = (v: unknown) => v === undefined || v === null || (typeof v === "number" && Number.isNaN(v));
  return [...rows].sort((a, b) => {
    const x = by(a);
    const y = by(b);
    if (missing(x) || missing(y)) return missing(x) && missing(y) ? 0 : missing(x) ? 1 : -1;
    const order =
      typeof x === "number" && typeof y === "number"
        ? x - y
        : String(x).localeCompare(String(y), "en", { numeric: true, sensitivity: "base" });
    return descending ? -order : order;
  });
}
