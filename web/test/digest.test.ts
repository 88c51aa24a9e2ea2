import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { PieceHasher } from "../src/digest";
import { giveBack } from "../src/spent";

const sum = (name: string, bytes: Uint8Array): string => createHash(name).update(bytes).digest("hex");

test("a piece is hashed as a whole and block by block", async () => {
  const hasher = new PieceHasher();
  const block = 16 << 10;
  // Fewer blocks than are hashed together, as many, more, with a short one at the end; a tree shorter
  // than the piece; another size of block; a piece above what is kept.
  const sizes: [number, number, number][] = [
    [50, 50, 16], [50, 40, 16], [0, 0, block], [block - 1, block - 1, block], [4 * block, 4 * block, block],
    [13 * block + 5, 13 * block + 5, block], [9 * block, 5 * block + 1, block], [1000, 1000, 64], [300_000, 300_000, 32 << 10], [5 << 20, 5 << 20, block],
  ];
  const all = [true, false].flatMap((v1) =>
    sizes.map(([size, tree, block]) => {
      const piece = Uint8Array.from({ length: size }, (_, i) => (i * 31) ^ (i >> 7));
      hasher.room(size).set(piece);
      const sums = hasher.digest(size, v1, tree, block);
      let want = v1 ? sum("sha1", piece) : "";
      for (let at = 0; at < tree; at += block) want += sum("sha256", piece.subarray(at, Math.min(at + block, tree)));
      return { size, tree, block, want, sums };
    }),
  );
  for (const { size, tree, block, want, sums } of all) {
    assert.equal(Buffer.from(await sums).toString("hex"), want, `${size} bytes, ${tree} of them in blocks of ${block}`);
  }
});

test("the room for a large piece does not wait for the collector", async () => {
  const hasher = new PieceHasher();
  const room = hasher.room(5 << 20);
  const sums = hasher.digest(5 << 20, true, 0, 16 << 10);
  assert.equal(room.byteLength, 0);
  assert.equal(Buffer.from(await sums).toString("hex"), sum("sha1", new Uint8Array(5 << 20)));
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
