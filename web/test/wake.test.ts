import assert from "node:assert/strict";
import { test } from "node:test";
import { onWake } from "../src/wake";

test("a tab looks for others at once when it may be heard again", () => {
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  let now = 0;
  let woken = 0;
  let moves = 0;
  const end = onWake((moved) => {
    woken++;
    if (moved) moves++;
  }, { window, document, now: () => now });
  const say = (target: EventTarget, type: string): number => {
    now += 10_000;
    target.dispatchEvent(new Event(type));
    return woken;
  };
  assert.equal(say(window, "online"), 1);
  assert.equal(say(window, "pageshow"), 2);
  assert.equal(say(document, "visibilitychange"), 2); // it was hidden
  document.visibilityState = "visible";
  assert.equal(say(document, "visibilitychange"), 3);
  window.dispatchEvent(new Event("pageshow")); // of the same turn
  assert.equal(woken, 3);
  window.dispatchEvent(new Event("online")); // what was offered in the old network has to go
  assert.deepEqual([woken, moves], [4, 2]);
  end();
  say(window, "online");
  assert.equal(say(document, "visibilitychange"), 4);
});
