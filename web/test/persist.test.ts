import assert from "node:assert/strict";
import { test } from "node:test";
import { keepFor } from "../src/persist";

test("the browser is asked to keep what is large, once", async () => {
  let asked = 0;
  const storage = { persisted: async () => false, persist: async () => (asked++, true) };
  keepFor(1 << 20, storage);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(asked, 0);
  keepFor(1 << 30, storage);
  keepFor(1 << 30, storage);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(asked, 1);
});
