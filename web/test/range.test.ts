import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRange } from "../src/range";

const cases: [header: string | null, length: number, want: ReturnType<typeof parseRange>][] = [
  ["bytes=0-", 100, { start: 0, end: 100 }],
  ["bytes=0-1", 100, { start: 0, end: 2 }],
  ["bytes=90-200", 100, { start: 90, end: 100 }],
  ["bytes=-10", 100, { start: 90, end: 100 }],
  ["bytes=-200", 100, { start: 0, end: 100 }],
  ["bytes=99-99", 100, { start: 99, end: 100 }],
  ["bytes=-99999999999999999999", 100, { start: 0, end: 100 }],
  ["bytes=0-18446744073709551615", 100, { start: 0, end: 100 }],
  ["bytes=,0-1 ,\t", 100, { start: 0, end: 2 }],
  ["bytes=0-1,500-", 100, { start: 0, end: 2 }],
  ["bytes=-0, 0-1", 100, { start: 0, end: 2 }],
  ["Bytes=0-1", 100, { start: 0, end: 2 }],
  ["BYTES = 5 - 6", 100, { start: 5, end: 7 }],
  ["bytes=100-", 100, "unsatisfiable"],
  ["bytes=-0", 100, "unsatisfiable"],
  ["bytes=-0,200-", 100, "unsatisfiable"],
  ["bytes=99999999999999999999-", 100, "unsatisfiable"],
  ["bytes=0-", 0, null],
  ["bytes=-1", 0, null],
  [null, 100, null],
  ["bytes=9-5", 100, null],
  ["bytes=-", 100, null],
  ["bytes=0-1,5-6", 100, null],
  ["items=0-1", 100, null],
  ["npt=10-20", 100, null],
  ["kilobytes=0-1", 100, null],
  ["bytes=", 100, null],
  ["bytes=,", 100, null],
  ["bytes=5", 100, null],
  ["bytes=--5", 100, null],
  ["bytes=0-1,9-5", 100, null],
  ["bytes=0x1-2", 100, null],
  ["bytes=1-99999999999999999999", 100, { start: 1, end: 100 }],
];

for (const [header, length, want] of cases) {
  test(`Range ${header} of ${length} bytes`, () => assert.deepEqual(parseRange(header, length), want));
}
