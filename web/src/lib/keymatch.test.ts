import { describe, expect, it } from "vitest";
import { KeyMatcher } from "./keymatch";

const press = (key: string, ctrlKey = false) => ({ key, ctrlKey, metaKey: false, altKey: false });
const bindings = [
  { keys: "g h" },
  { keys: "g l" },
  { keys: "l" },
  { keys: "mod+k" },
  { keys: "?" },
  { keys: "t ArrowLeft" },
];

describe("KeyMatcher", () => {
  it("matches single keys and chords", () => {
    const m = new KeyMatcher();
    expect(m.press(press("?"), bindings)?.keys).toBe("?");
    expect(m.press(press("K", true), bindings)?.keys).toBe("mod+k");
    expect(m.press(press("x"), bindings)).toBeUndefined();
  });
  it("matches sequences before single keys", () => {
    const m = new KeyMatcher();
    expect(m.press(press("g"), bindings, 0)).toBeUndefined();
    expect(m.press(press("l"), bindings, 500)?.keys).toBe("g l");
    expect(m.press(press("l"), bindings, 600)?.keys).toBe("l");
  });
  it("forgets the first key after a while, and after a key that does not fit", () => {
    const m = new KeyMatcher();
    m.press(press("g"), bindings, 0);
    expect(m.press(press("h"), bindings, 5000)).toBeUndefined();
    m.press(press("t"), bindings, 6000);
    m.press(press("x"), bindings, 6100);
    expect(m.press(press("ArrowLeft"), bindings, 6200)).toBeUndefined();
  });
});
