import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { PieceHasher } from "../src/digest";
import { FileHasher, hashJob, hashWorker, serveHashes, type HashJob } from "../src/filehash";

const sum = (name: string, bytes: Uint8Array): string => createHash(name).update(bytes).digest("hex");
const block = 16 << 10;
const bytes = (n: number, seed: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length: n }, (_, i) => (i * seed) ^ (i >> 7));

// Two files in pieces of 64 KiB: the first ends in padding, the second is the last.
const contents = [bytes(150_000, 31), bytes(70_000, 17)];
const files = contents.map((c) => new Blob([c]));
const size = 64 << 10;
const job: HashJob = [
  [0, 0, size, size],
  [0, size, size, size],
  [0, 2 * size, 150_000 - 2 * size, size],
  [1, 0, size, size],
  [1, size, 70_000 - size, 70_000 - size],
].flat();

function want(): string {
  let all = "";
  for (let i = 0; i < job.length; i += 4) {
    const [file, at, tree, padded] = job.slice(i, i + 4) as [number, number, number, number];
    const part = contents[file]!.subarray(at, at + tree);
    const piece = new Uint8Array(padded);
    piece.set(part);
    all += sum("sha1", piece);
    for (let k = 0; k < tree; k += block) all += sum("sha256", part.subarray(k, k + block));
  }
  return all;
}

const hex = (b: Uint8Array): string => Buffer.from(b).toString("hex");

/** A worker that runs here. */
function fakeWorker(started: { terminated: number }): Worker {
  const worker: { onmessage: unknown; onerror: unknown; postMessage?: unknown; terminate?: unknown } = { onmessage: null, onerror: null };
  const inside: { onmessage: unknown; postMessage(data: unknown): void } = {
    onmessage: null,
    postMessage: (data) => (worker.onmessage as (m: unknown) => void)({ data }),
  };
  serveHashes(inside);
  worker.postMessage = (data: unknown) => (inside.onmessage as (m: unknown) => void)({ data });
  worker.terminate = () => started.terminated++;
  return worker as unknown as Worker;
}

test("the pieces of files are hashed as a whole and block by block, padding included", async () => {
  assert.equal(hex(await hashJob(new PieceHasher(), files, job)), want());
});

test("workers share the work, and are ended with it", async () => {
  assert.ok(hashWorker);
  const started = { terminated: 0 };
  const hasher = new FileHasher(files, 2, () => fakeWorker(started));
  const all = await Promise.all([hasher.run(job), hasher.run(job), hasher.run(job)]);
  for (const sums of all) assert.equal(hex(sums), want());
  const late = hasher.run(job);
  hasher.close();
  await assert.rejects(late, { name: "AbortError" });
  assert.equal(started.terminated, 2);
});

test("files are hashed where no further worker can be started, or one fails", async () => {
  const forbidden = new FileHasher(files, 2, () => {
    throw new Error("forbidden");
  });
  assert.equal(hex(await forbidden.run(job)), want());
  let broken: { onerror?: () => void } = {};
  const failing = new FileHasher(files, 1, () => (broken = { postMessage() {}, terminate() {} } as object) as Worker);
  const sums = failing.run(job);
  broken.onerror?.();
  assert.equal(hex(await sums), want());
});

test("a file that has become shorter is an error, as the browser's own are", async () => {
  for (const workers of [0, 1]) {
    const hasher = new FileHasher([files[0]!, new Blob(["short"])], workers, () => fakeWorker({ terminated: 0 }));
    await assert.rejects(hasher.run(job), { name: "NotReadableError" });
  }
});
