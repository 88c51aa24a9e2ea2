import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { diskPaths } from "../src/paths";
import { crc32, zipLength, zipStream } from "../src/zip";
import { zipFiles, zipName } from "../src/zipname";

type Bytes = Uint8Array<ArrayBuffer>;

const streamOf = (...chunks: Bytes[]): ReadableStream<Bytes> =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });

async function collect(stream: ReadableStream<Bytes>): Promise<Buffer> {
  const parts: Bytes[] = [];
  for await (const part of stream as unknown as AsyncIterable<Bytes>) parts.push(part);
  return Buffer.concat(parts);
}

test("a checksum is that of CRC-32, whatever the pieces", () => {
  const data = Uint8Array.from({ length: 1003 }, (_, i) => (i * 31) ^ (i >> 3));
  let crc = 0;
  for (let at = 0, step = 1; at < data.length; at += step, step = (step * 3) % 17) crc = crc32(data.subarray(at, at + step), crc);
  assert.equal(crc, crc32(data));
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
});

test("an archive is what unpackers take, and as long as was said", async () => {
  const files: [string, string][] = [["Folder/erste Datei.txt", "hello"], ["Folder/leer", ""], ["Folder/deep/שלום €.bin", "x".repeat(100_000)]];
  const entries = files.map(([path, text], index) => ({ index, path, length: text.length }));
  let open = 0;
  let done = 0;
  const archive = await collect(
    zipStream(
      entries,
      ({ index }) => {
        assert.equal(index, open++, "files are read in their order");
        const bytes = new TextEncoder().encode(files[index]![1]);
        return bytes.length > 0 ? streamOf(bytes.slice(0, 1), bytes.slice(1)) : streamOf();
      },
      () => done++,
    ),
  );
  assert.equal(archive.length, zipLength(entries));
  assert.equal(done, 1);
  const dir = mkdtempSync(join(tmpdir(), "shoal-zip-"));
  try {
    writeFileSync(join(dir, "a.zip"), archive);
    // Python's unpacker checks sums, sizes and both directories.
    const script = "import zipfile, json, sys; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(json.dumps([[i.filename, z.read(i).decode(), i.flag_bits, i.external_attr >> 16] for i in z.infolist()]))";
    const listed = JSON.parse(execFileSync("python3", ["-c", script, join(dir, "a.zip")], { encoding: "utf8", maxBuffer: 1 << 24 })) as unknown[];
    assert.deepEqual(listed, files.map(([path, text]) => [path, text, 0x0808, 0o100644]));
    assert.equal(readFileSync(join(dir, "a.zip")).readUInt32LE(0), 0x04034b50);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("what is too much for 32 bits is in zip64 fields", () => {
  // A large file has 20 bytes more before it, 8 behind it and 28 in the directory; the one behind
  // it, whose offset is large, 28 there; and the end has its 76.
  const name = 1;
  const around = (30 + name + 16 + 46 + name) * 2 + 22;
  assert.equal(zipLength([{ index: 0, path: "a", length: 3 }, { index: 1, path: "b", length: 4 }]), around + 7);
  assert.equal(zipLength([{ index: 0, path: "a", length: 2 ** 33 }, { index: 1, path: "b", length: 4 }]), around + 2 ** 33 + 4 + 20 + 8 + 28 + 28 + 76);
});

test("a file that ends early fails the archive, and a reader who leaves ends its reading", async () => {
  let done = 0;
  const entries = [{ index: 0, path: "a", length: 5 }];
  await assert.rejects(collect(zipStream(entries, () => streamOf(new Uint8Array(4) as Bytes), () => done++)), /4 bytes instead of 5/);
  let cancelled = false;
  let pulls = 0;
  const endless = new ReadableStream<Bytes>({
    pull: (controller) => {
      pulls++;
      controller.enqueue(new Uint8Array(1000) as Bytes);
    },
    cancel: () => void (cancelled = true),
  });
  const reader = zipStream([{ index: 0, path: "a", length: 1e9 }], () => endless, () => done++).getReader();
  for (let i = 0; i < 5; i++) await reader.read();
  assert.ok(pulls < 8, "no more is read than somebody takes");
  await reader.cancel();
  assert.ok(cancelled);
  assert.equal(done, 2);
});

test("an address names files in their order, and nothing else", () => {
  const files = Array.from({ length: 10 }, (_, index) => ({ index }));
  assert.equal(zipName([0, 1, 2, 5, 7, 8]), "zip0-2,5,7-8");
  assert.deepEqual(zipFiles("zip0-2,5,7-8", files)?.map(({ index }) => index), [0, 1, 2, 5, 7, 8]);
  assert.deepEqual(zipFiles("zip8-99999999,0-3", files)?.map(({ index }) => index), [8, 9]);
  assert.deepEqual(zipFiles("zip3,3,3,3-3,2", files)?.map(({ index }) => index), [3]);
  for (const wrong of ["", "zip", "zip-", "zip1-", "zip1,,2", "zip1-2-3", "zip11", "1", "zip1x"]) assert.equal(zipFiles(wrong, files), null, wrong);
});

test("names of strangers stay in their folder, and apart", () => {
  const paths = ["../../etc/passwd", "a/../../b", "/abs", "a//b", "C:\\x", "con.txt", "NUL", "same.txt", "Same.TXT", "same.txt", "dots. . .", "\u202egpj.exe", "é", "e\u0301", "x".repeat(400)];
  const clean = diskPaths("..", paths.map((path) => ({ path })));
  assert.equal(new Set(clean.map((path) => path.normalize("NFC").toLowerCase())).size, paths.length);
  for (const path of clean) {
    assert.ok(path.startsWith("_/"), path);
    for (const part of path.split("/")) {
      assert.match(part, /^[^<>:"\\|?*\u202e]+$/);
      assert.doesNotMatch(part, /^\.{1,2}$|[. ]$|^(con|nul)(\.|$)/i);
      assert.ok(Buffer.byteLength(part) <= 250);
    }
  }
  assert.deepEqual(clean.slice(7, 10), ["_/same.txt", "_/Same (2).TXT", "_/same (3).txt"]);
  const depths = diskPaths("r", [{ path: Array.from({ length: 5000 }, () => "d").join("/") }]);
  assert.ok(depths[0]!.length < 100);
  // As many of one name as a torrent may have are told apart in a moment.
  const many = diskPaths("r", Array.from({ length: 20_000 }, () => ({ path: "same" })));
  assert.equal(new Set(many).size, many.length);
});
