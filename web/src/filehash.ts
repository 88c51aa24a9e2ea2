// Hashes files that are to be shared, where they lie: their bytes never pass through Go, and
// are read and hashed by several workers at once, each a copy of the engine's without the engine.

import { PieceHasher } from "./digest";
import { giveBack } from "./spent";

/** The name by which a worker knows that it is one of these. */
export const hashWorker = "shoal-hash";

/**
 * Pieces in a row, four numbers for each: of which file it is, from where, how many bytes of it,
 * and how many with the zeros behind them.
 */
export type HashJob = number[];

/** What is hashed block by block, in bytes (BEP 52). */
const block = 16 << 10;

type Reply = { sums: Uint8Array<ArrayBuffer> } | { error: unknown };

/** The SHA-1 of each piece, and behind each the SHA-256 of its blocks. */
export async function hashJob(hasher: PieceHasher, files: Blob[], job: HashJob): Promise<Uint8Array<ArrayBuffer>> {
  const all: Promise<Uint8Array<ArrayBuffer>>[] = [];
  for (let i = 0; i < job.length; ) {
    // What lies side by side in a file is read at once.
    const [file, from] = job.slice(i, i + 2) as [number, number];
    let to = from;
    const start = i;
    for (; job[i] === file && job[i + 1] === to; i += 4) to += job[i + 2]!;
    const bytes = new Uint8Array(await files[file]!.slice(from, to).arrayBuffer());
    if (bytes.length < to - from) throw new DOMException("the file has become shorter", "NotReadableError");
    for (let k = start; k < i; k += 4) {
      const [, at, tree, size] = job.slice(k, k + 4) as [number, number, number, number];
      let piece = bytes.subarray(at - from, at - from + tree);
      if (tree < size) {
        const padded = new Uint8Array(size);
        padded.set(piece);
        piece = padded;
      }
      all.push(hasher.sums(piece, true, tree, block));
    }
    giveBack(bytes.buffer);
  }
  const sums = await Promise.all(all);
  const out = new Uint8Array(sums.reduce((n, sum) => n + sum.length, 0));
  let end = 0;
  for (const sum of sums) {
    out.set(sum, end);
    end += sum.length;
  }
  return out;
}

/** What a worker of that name does. */
export function serveHashes(port: Pick<DedicatedWorkerGlobalScope, "postMessage"> & { onmessage: unknown }): void {
  const hasher = new PieceHasher();
  let files: Blob[] = [];
  port.onmessage = ({ data }: MessageEvent<{ files: Blob[] } | { job: HashJob; n: number }>) => {
    if ("files" in data) {
      files = data.files;
      return;
    }
    hashJob(hasher, files, data.job).then(
      (sums) => port.postMessage({ n: data.n, sums }, [sums.buffer]),
      (error: unknown) => port.postMessage({ n: data.n, error }),
    );
  };
}

/** Hashes some files with so many workers; in this one where there are none, or they fail. */
export class FileHasher {
  readonly #files: Blob[];
  readonly #hasher = new PieceHasher();
  readonly #waiting = new Map<number, { job: HashJob; settle: (reply: Reply) => void }>();
  #workers: Worker[] = [];
  #n = 0;

  constructor(files: Blob[], workers: number, start = () => new Worker(self.location.href, { name: hashWorker })) {
    this.#files = files;
    try {
      while (this.#workers.length < workers) {
        const worker = start();
        this.#workers.push(worker);
        worker.onmessage = ({ data }: MessageEvent<{ n: number } & Reply>) => this.#settle(data.n, data);
        worker.onerror = () => this.#alone();
        worker.postMessage({ files });
      }
    } catch {
      this.#alone();
    }
  }

  run(job: HashJob): Promise<Uint8Array<ArrayBuffer>> {
    const n = this.#n++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(n, { job, settle: (reply) => ("sums" in reply ? resolve(reply.sums) : reject(reply.error)) });
      const worker = this.#workers[n % this.#workers.length];
      if (worker) worker.postMessage({ n, job });
      else this.#here(n, job);
    });
  }

  close(): void {
    for (const worker of this.#workers) worker.terminate();
    this.#workers = [];
    for (const n of this.#waiting.keys()) this.#settle(n, { error: new DOMException("closed", "AbortError") });
  }

  #settle(n: number, reply: Reply): void {
    this.#waiting.get(n)?.settle(reply);
    this.#waiting.delete(n);
  }

  #here(n: number, job: HashJob): void {
    hashJob(this.#hasher, this.#files, job).then(
      (sums) => this.#settle(n, { sums }),
      (error: unknown) => this.#settle(n, { error }),
    );
  }

  /** A page may be forbidden further workers. */
  #alone(): void {
    for (const worker of this.#workers) worker.terminate();
    this.#workers = [];
    for (const [n, { job }] of this.#waiting) this.#here(n, job);
  }
}
