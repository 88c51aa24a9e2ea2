import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { encodeQR, qrPath } from "../apps/share/qr";

function digest(text: string): string {
  const matrix = encodeQR(text);
  assert.ok(matrix);
  const rows = matrix.map((row) => row.map(Number).join("")).join("\n");
  return `${matrix.length} ${createHash("sha256").update(rows).digest("hex").slice(0, 16)}`;
}

// Codes that a phone's reader was seen to read; a change here needs a look with one.
const known: [name: string, text: string, digest: string][] = [
  ["version 1", "HELLO", "21 c346c75add569873"],
  ["a share link, version 5", "http://127.0.0.1:8080/#0123456789abcdef0123456789abcdef01234567", "37 4cabff30b174fd95"],
  ["version 13 with version information", "x".repeat(300), "69 a6c4c99a50e77d18"],
  ["UTF-8", "é漢字".repeat(100), "109 bab27da8f010b662"],
  ["version 32, whose alignment patterns are uneven", "q".repeat(1500), "145 aaa9985d72ff4ed0"],
  ["version 40, level M", "y".repeat(2331), "177 df1db71fde4480cf"],
  ["version 40, level L", "z".repeat(2900), "177 305e9bf5be647fc7"],
];

for (const [name, text, want] of known) {
  test(`QR code: ${name}`, () => assert.equal(digest(text), want));
}

test("a text that no QR code can hold gives none", () => {
  assert.equal(encodeQR("z".repeat(2954)), null);
  assert.ok(encodeQR("z".repeat(2953)));
});

test("the path draws every dark module once", () => {
  const matrix = encodeQR("HELLO")!;
  const drawn = [...qrPath(matrix, 0).matchAll(/M\d+ \d+h(\d+)v1/g)].reduce((sum, run) => sum + Number(run[1]), 0);
  assert.equal(drawn, matrix.flat().filter(Boolean).length);
});
