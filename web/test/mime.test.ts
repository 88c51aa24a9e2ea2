import assert from "node:assert/strict";
import { test } from "node:test";
import { kindOf, mimeOf } from "../src/mime";

const cases: [name: string, type: string, kind: ReturnType<typeof kindOf>][] = [
  ["a.mp4", "video/mp4", "video"],
  ["A.M2TS", "video/mp2t", "video"],
  ["a.3gp", "video/3gpp", "video"],
  ["a.mpg", "video/mpeg", "video"],
  ["VTS_01_1.VOB", "video/mpeg", "video"],
  ["a.wmv", "video/x-ms-wmv", "video"],
  ["a.mka", "audio/x-matroska", "audio"],
  ["a.m4b", "audio/mp4", "audio"],
  ["a.oga", "audio/ogg", "audio"],
  ["a.heic", "image/heic", "image"],
  ["a.avif", "image/avif", "image"],
  ["a.jxl", "image/jxl", "image"],
  ["a.srt", "application/x-subrip", "text"],
  ["a.ass", "text/x-ssa", "text"],
  ["a.vtt", "text/vtt", "text"],
  ["a.json", "application/json", "text"],
  ["README", "application/octet-stream", "text"],
  ["a.pdf", "application/pdf", "pdf"],
  ["a.mpd", "application/dash+xml", "other"],
  ["a.m3u8", "application/vnd.apple.mpegurl", "other"],
  ["a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "other"],
  ["a.tar.xz", "application/x-xz", "archive"],
  ["a.epub", "application/epub+zip", "archive"],
  ["a.strange", "application/octet-stream", "other"],
  ["mp4", "application/octet-stream", "other"],
  [".mp4", "video/mp4", "video"],
];

for (const [name, type, kind] of cases) {
  test(`${name} is ${type}`, () => assert.deepEqual([mimeOf(name), kindOf(name)], [type, kind]));
}
