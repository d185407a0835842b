import { expect, it } from "vitest";
import { sortRows } from "./sort";

it("sorts numbers and names, with missing values last both ways", () => {
  const rows = [{ v: 2 }, { v: undefined }, { v: 10 }, { v: Number.NaN }, { v: 1 }];
  expect(sortRows(rows, (r) => r.v, false).map((r) => r.v)).toEqual([1, 2, 10, undefined, Number.NaN]);
  expect(sortRows(rows, (r) => r.v, true).map((r) => r.v)).toEqual([10, 2, 1, undefined, Number.NaN]);
  const names = ["web-10", "web-9", "DB-1"];
  expect(sortRows(names, (n) => n, false)).toEqual(["DB-1", "web-9", "web-10"]);
});
