import { parser } from "@prometheus-io/lezer-promql";
import { expect, it } from "vitest";
import { hostCharts, quote } from "./queries";

it("writes PromQL that parses, also for ids with quotes and backslashes", () => {
  for (const id of ["host-1", 'a"b\\c\nd', "ü"]) {
    for (const spec of hostCharts(id, "60s")) {
      for (const { expr } of spec.queries) {
        let broken = false;
        parser.parse(expr).iterate({
          enter: (node) => {
            if (node.type.isError) broken = true;
          },
        });
        expect(broken, expr).toBe(false);
        expect(expr).toContain(`host_id=${quote(id)}`);
      }
    }
  }
});

it("names every chart once", () => {
  const ids = hostCharts("h", "60s").map((c) => c.id);
  expect(new Set(ids).size).toBe(ids.length);
});
