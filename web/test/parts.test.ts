import assert from "node:assert/strict";
import { test } from "node:test";
import { partsOf } from "../src/parts";

const parts = (bits: number[], at: number, pieceLength: number, length: number) => partsOf({ bits: Uint8Array.from(bits), at, pieceLength }, length).map(({ start, end }) => [start, end]);

test("pieces beside each other are one part, and the last is as long as the file", () => {
  assert.deepEqual(parts([0b1101_0000], 0, 100, 350), [[0, 200], [300, 350]]);
  assert.deepEqual(parts([0b1111_0000], 0, 100, 350), [[0, 350]]);
  assert.deepEqual(parts([0], 0, 100, 350), []);
});

test("a file that begins and ends within pieces has no part of its neighbours'", () => {
  assert.deepEqual(parts([0b1111_0000], -150, 100, 120), [[0, 120]]);
  assert.deepEqual(parts([0b1010_0000], -150, 100, 120), [[50, 120]]);
  assert.deepEqual(parts([0b1000_1111, 0b1111_1111], -150, 100, 120), []);
});

test("an empty file has no parts", () => {
  assert.deepEqual(parts([0b1000_0000], 0, 100, 0), []);
  assert.deepEqual(parts([], 0, 100, 0), []);
});
