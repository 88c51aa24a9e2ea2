import assert from "node:assert/strict";
import { test } from "node:test";
import { positionOf, rememberPosition } from "../apps/share/positions";
import { subtitlesOf, toVTT } from "../src/subtitles";
import { encodingOf } from "../src/text";
import type { ShoalFile } from "../src/shoal";
import { kindOf } from "../src/mime";

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16));

// Texts in the encodings of their countries.
const texts: [encoding: string, text: string, hex: string][] = [
  ["utf-8", "Привет, мир! naïve", "d09fd180d0b8d0b2d0b5d1822c20d0bcd0b8d18021206e61c3af7665"],
  ["windows-1251", "Съешь же ещё этих мягких французских булок, да выпей чаю. Это не шутка, а текст.", "d1fae5f8fc20e6e520e5f9b820fdf2e8f520ecffe3eae8f520f4f0e0edf6f3e7f1eae8f520e1f3ebeeea2c20e4e020e2fbefe5e920f7e0fe2e20ddf2ee20ede520f8f3f2eae02c20e020f2e5eaf1f22e"],
  ["koi8-r", "Съешь же ещё этих мягких французских булок, да выпей чаю. Это не шутка, а текст.", "f3dfc5dbd820d6c520c5dda320dcd4c9c820cdd1c7cbc9c820c6d2c1cec3d5dad3cbc9c820c2d5cccfcb2c20c4c120d7d9d0c5ca20dec1c02e20fcd4cf20cec520dbd5d4cbc12c20c120d4c5cbd3d42e"],
  ["windows-1252", "Où est passée la gêne ? Le garçon naïf a mangé un gâteau très sucré, à l'été.", "4ff9206573742070617373e965206c612067ea6e65203f204c6520676172e76f6e206e61ef662061206d616e67e920756e2067e274656175207472e8732073756372e92c20e0206c27e974e92e"],
  ["shift_jis", "これは日本語のテキストです。字幕のファイルによくあります。", "82b182ea82cd93fa967b8cea82cc8365834c8358836782c582b781428e9a968b82cc837483408343838b82c982e682ad82a082e882dc82b78142"],
  ["euc-jp", "これは日本語のテキストです。字幕のファイルによくあります。", "a4b3a4eca4cfc6fccbdcb8eca4cea5c6a5ada5b9a5c8a4c7a4b9a1a3bbfacbeba4cea5d5a5a1a5a4a5eba4cba4e8a4afa4a2a4eaa4dea4b9a1a3"],
  ["euc-kr", "이것은 한국어 자막입니다. 오래된 파일에 흔히 있습니다.", "c0ccb0cdc0ba20c7d1b1b9beee20c0dab8b7c0d4b4cfb4d92e20bfc0b7a1b5c820c6c4c0cfbfa120c8e7c8f720c0d6bdc0b4cfb4d92e"],
  ["gb18030", "这是中文的字幕文件,很多旧的文件都是这样的。我们应该能够看到它。", "d5e2cac7d6d0cec4b5c4d7d6c4bbcec4bcfe2cbadcb6e0bec9b5c4cec4bcfeb6bccac7d5e2d1f9b5c4a1a3ced2c3c7d3a6b8c3c4dcb9bbbfb4b5bdcbfca1a3"],
  ["big5", "這是中文的字幕檔案,很多舊的檔案都是這樣的。我們應該能夠看到它。", "b36fac4fa4a4a4e5aabaa672b9f5c0c9aed72cabdca668c2c2aabac0c9aed7b3a3ac4fb36fbccbaabaa143a7daadccc0b3b8d3afe0b0f7acdda8eca5a6a143"],
  ["utf-16le", "Hello, мир", "fffe480065006c006c006f002c0020003c0438044004"],
  ["utf-16le", "Hello you", "480065006c006c006f00200079006f007500"],
  ["utf-16be", "Hello you", "00480065006c006c006f00200079006f0075"],
  ["utf-8", "", ""],
  ["utf-8", "plain", "706c61696e"],
];

test("a text is read in its own encoding", () => {
  for (const [encoding, text, hex] of texts) {
    const bytes = bytesOf(hex);
    assert.equal(encodingOf(bytes), encoding, text);
    assert.equal(new TextDecoder(encoding).decode(bytes), text);
  }
  // What ends in the middle of a letter is UTF-8 all the same.
  assert.equal(encodingOf(new TextEncoder().encode("Привет").subarray(0, 7)), "utf-8");
});

const file = (path: string, length = 100): ShoalFile => {
  const name = path.split("/").at(-1)!;
  return { path, name, length, kind: kindOf(name) } as ShoalFile;
};

test("subtitles go with their film", () => {
  const one = [file("a/Film.mkv"), file("a/Film.en.srt"), file("a/subs/Film.pt-BR.vtt"), file("a/other.srt"), file("a/readme.txt"), file("a/Film.de.srt", 9e9)];
  assert.deepEqual(
    subtitlesOf(one[0]!, one).map(({ file, language }) => [file.path, language]),
    [["a/Film.en.srt", "en"], ["a/subs/Film.pt-BR.vtt", "pt-BR"], ["a/other.srt", ""]],
  );
  const series = [file("s/E1.mp4"), file("s/E2.mp4"), file("s/E1.srt"), file("s/e2.fr.srt"), file("t/E1.srt")];
  assert.deepEqual(subtitlesOf(series[0]!, series).map(({ file }) => file.path), ["s/E1.srt"]);
  const [french] = subtitlesOf(series[1]!, series);
  assert.equal(french?.file.path, "s/e2.fr.srt");
  assert.equal(french?.label, new Intl.DisplayNames(undefined, { type: "language" }).of("fr"));
});

test("SubRip becomes WebVTT, and WebVTT stays", () => {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  assert.equal(toVTT(encode("1\r\n00:00:01,500 --> 00:00:02,000 X1:0\r\nHello --> you\r\n")), "WEBVTT\n\n1\n00:00:01.500 --> 00:00:02.000\nHello --> you\n");
  assert.equal(toVTT(encode("1\n0:0:1,5 --> 0:0:2\nx")), "WEBVTT\n\n1\n00:00:01.500 --> 00:00:02.000\nx");
  assert.equal(toVTT(encode("WEBVTT\n\n00:01.000 --> 00:02.000\nx")), "WEBVTT\n\n00:01.000 --> 00:02.000\nx");
});

test("the place in a film is remembered, in as many films as are of use", () => {
  const kept = new Map<string, string>();
  const store = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) };
  assert.equal(positionOf(store, "a"), 0);
  rememberPosition(store, "a", 61.7, 600);
  assert.equal(positionOf(store, "a"), 61);
  rememberPosition(store, "a", 595, 600); // seen to its end
  assert.equal(positionOf(store, "a"), 0);
  rememberPosition(store, "clip", 50, 60);
  assert.equal(positionOf(store, "clip"), 0);
  for (let i = 0; i < 300; i++) rememberPosition(store, `film ${i}`, 100, 600);
  assert.equal(positionOf(store, "film 0"), 0);
  assert.equal(positionOf(store, "film 299"), 100);
  assert.ok(kept.get("shoal.positions")!.length < 8_000);
  kept.set("shoal.positions", '{"not":"a list"}');
  assert.equal(positionOf(store, "film 299"), 0);
  kept.set("shoal.positions", '[["x","y"],7,["film",3]]');
  assert.equal(positionOf(store, "film"), 3);
});
