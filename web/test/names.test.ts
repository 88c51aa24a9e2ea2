import assert from "node:assert/strict";
import { test } from "node:test";
import { cutName, graphemes, isolated, isRightToLeft, safeName } from "../src/names";

test("what changes the order of letters becomes visible", () => {
  assert.equal(safeName("film\u202e4pm.exe"), "film\ufffd4pm.exe");
  for (const c of "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u0000\n\u007f\u0085\u2028\ufeff") {
    assert.equal(safeName(`a${c}b`), "a\ufffdb", c.codePointAt(0)!.toString(16));
  }
});

test("halves of characters become visible, whole ones stay", () => {
  assert.equal(safeName("a\ud83d"), "a\ufffd");
  assert.equal(safeName("\ude00b"), "\ufffdb");
  for (const name of ["😀 film.mp4", "نمی\u200cدانم.txt", "👨\u200d👩\u200d👧.jpg", "naïve.txt"]) assert.equal(safeName(name), name);
});

test("names are cut between what people take for letters", () => {
  const family = "👨\u200d👩\u200d👧";
  assert.equal(graphemes(family + "e\u0301").length, 2);
  const name = family.repeat(40) + ".mp4";
  const [start, end] = cutName(name, 28, 12);
  assert.equal(start + end, name);
  assert.equal(end, family.repeat(8) + ".mp4");
  assert.deepEqual(cutName("short.txt", 28, 12), ["short.txt", ""]);
});

test("names that are written from right to left stay whole, and by themselves", () => {
  const hebrew = "שלום עולם ".repeat(5) + ".mp4";
  assert.equal(isRightToLeft(hebrew), true);
  assert.deepEqual(cutName(hebrew, 28, 12), [hebrew, ""]);
  assert.equal(isolated(hebrew), "\u2068" + hebrew + "\u2069");
  assert.equal(isolated("film.mp4"), "film.mp4");
});
