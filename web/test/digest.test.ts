import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { digestPiece } from "../src/digest";
import { giveBack } from "../src/spent";

const sum = (name: string, bytes: Uint8Array): string => createHash(name).update(bytes).digest("hex");

test("a piece is hashed as a whole and block by block, and its buffer given back", async () => {
  for (const [v1, tree] of [[true, 0], [false, 40], [true, 40]] as const) {
    const piece = Uint8Array.from({ length: 50 }, (_, i) => i);
    const want = (v1 ? sum("sha1", piece) : "") + [0, 16, 32].filter((at) => at < tree).map((at) => sum("sha256", piece.subarray(at, Math.min(at + 16, tree)))).join("");
    const sums = digestPiece(piece, v1, tree, 16);
    assert.equal(piece.byteLength, 0, "it waits for the collector");
    assert.equal(Buffer.from(await sums).toString("hex"), want);
  }
});

test("what cannot be given back stays as it is", () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  giveBack(memory.buffer);
  giveBack(new SharedArrayBuffer(8));
  assert.equal(memory.buffer.byteLength, 65536);
  const buffer = new ArrayBuffer(8);
  giveBack(buffer);
  giveBack(buffer);
  assert.equal(buffer.byteLength, 0);
});
