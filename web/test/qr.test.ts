import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeQR, qrPath } from "../apps/share/qr";

// Sizes of ISO/IEC 18004 table 7: level M while it has room, then L; 17 modules and 4 for each version.
const known: [name: string, text: string, size: number][] = [
  ["a word, version 1", "HELLO", 21],
  ["a share link, version 5", "http://127.0.0.1:8080/#0123456789abcdef0123456789abcdef01234567", 37],
  ["a magnet link, version 13", "x".repeat(300), 69],
  ["UTF-8, three bytes each", "漢".repeat(100), 69],
  ["version 40, level M", "y".repeat(2329), 177],
  ["version 40, level L", "z".repeat(2950), 177],
];

for (const [name, text, size] of known) {
  test(`QR code: ${name}`, () => {
    const code = encodeQR(text)!;
    assert.equal(code.size, size);
    // The first finder pattern lies in the corner: there is no border.
    assert.equal([0, 1, 2, 3, 4, 5, 6, 7].map((x) => Number(code.get(x, 0))).join(""), "11111110");
  });
}

test("a text that no QR code can hold gives none", () => assert.equal(encodeQR("z".repeat(2954)), null));

test("the path draws every dark module once", () => {
  const code = encodeQR("HELLO")!;
  let dark = 0;
  for (let at = 0; at < code.size ** 2; at++) dark += Number(code.get(at % code.size, Math.floor(at / code.size)));
  const drawn = [...qrPath(code, 0).matchAll(/M\d+ \d+h(\d+)v1/g)].reduce((sum, run) => sum + Number(run[1]), 0);
  assert.equal(drawn, dark);
});
