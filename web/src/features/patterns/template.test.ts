import { expect, test } from "vitest";
import { pieces, searchFor } from "./template";

test("a template is parted at its slots", () => {
  expect(pieces("took <duration> for <*>")).toEqual([
    { text: "took ", slot: false },
    { text: "duration", slot: true },
    { text: " for ", slot: false },
    { text: "*", slot: true },
  ]);
  expect(pieces("<b>no slot</b>")).toEqual([{ text: "<b>no slot</b>", slot: false }]);
  expect(pieces("")).toEqual([]);
});

test("a search has the longest words of the template", () => {
  expect(searchFor("session opened for user <*> by (uid=<num>)")).toBe('"session opened for user" "by (uid"');
  expect(searchFor('say "hi there" <num>')).toBe('"say \\"hi there"');
  expect(searchFor("<num> <num>")).toBe("");
});
