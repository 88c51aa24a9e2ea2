// One web seed of a torrent (BEP 19), read with fetch. It is asked for blocks as a
// peer is; what is asked for is fetched in ranges, of runs of blocks that lie
// behind each other. What the native engine does in Go (internal/engine/webseed)
// is done here, because there it would weigh ten times as much in a tab.

import { giveBack } from "./spent";

/** What the seed says. Nothing of it is said from within a call of the seed. */
export interface WebSeedSink {
  put(index: number, begin: number, bytes: Uint8Array): void;
  /** A block will not come. */
  reject(index: number, begin: number, length: number): void;
  /** The server wants to be left alone, or can be asked again. */
  rest(on: boolean): void;
  /** The server does not have these pieces. */
  lacks(first: number, end: number): void;
  /** The server is of no use. */
  end(): void;
}

/** Where the bytes of a torrent are. */
export interface WebSeedLayout {
  name: string;
  single: boolean;
  pieceLength: number;
  /** In the order of their offsets, without padding, which is zeros. */
  files: { path: string[]; offset: number; length: number }[];
}

type File = WebSeedLayout["files"][number];

interface Block {
  index: number;
  begin: number;
  length: number;
}

interface Flight {
  /** What is still to come, cancelled ones too. */
  blocks: Block[];
  cancelled: Set<Block>;
  abort: AbortController;
}

/** Why a flight brought less than it should. */
class Problem extends Error {
  constructor(
    /** broken: try again later; busy: likewise, after `wait`; lacks: the file is not there; wrong: give up. */
    readonly kind: "broken" | "busy" | "lacks" | "wrong",
    message: string,
    /** Milliseconds. */
    readonly wait = 0,
    readonly file?: File,
  ) {
    super(message);
  }
}

const minRun = 256 << 10; // bytes; shorter ones wait for more while others are on their way
const maxRun = 8 << 20;
const mostFlights = 3; // browsers allow 6 connections to a server, for everything on the page
const maxSkip = 1 << 20; // bytes of a file that is fetched as a whole for a part of it
const stallTime = 30_000; // ms without a byte
const firstRest = 1000; // ms, doubling with each failure
const mostRest = 600_000;
const maxWait = 86_400_000; // ms that a server may want to be left alone
const maxCuts = 4; // broken answers in a row

export class WebSeed {
  readonly #url: string;
  readonly #layout: WebSeedLayout;
  readonly #sink: WebSeedSink;
  readonly #ends: Set<number>;
  #queue: Block[] = [];
  readonly #flights = new Set<Flight>();
  #room = 1; // until it has answered
  #speed = 0; // bytes a second of the last flight
  #failures = 0;
  #cuts = 0;
  #restsUntil = 0;
  #closed = false;
  #due = false;
  #said = "";

  constructor(url: string, layout: WebSeedLayout, sink: WebSeedSink) {
    this.#url = url;
    this.#layout = layout;
    this.#ends = new Set(layout.files.map((f) => f.offset + f.length));
    this.#sink = sink;
  }

  ask(index: number, begin: number, length: number): void {
    this.#queue.push({ index, begin, length });
    this.#soon();
  }

  cancel(index: number, begin: number, length: number): void {
    const same = (b: Block) => b.index === index && b.begin === begin;
    const at = this.#queue.findIndex(same);
    let found = at >= 0;
    if (found) this.#queue.splice(at, 1);
    for (const f of found ? [] : this.#flights) {
      const block = f.blocks.find((b) => same(b) && !f.cancelled.has(b));
      if (!block) continue;
      found = true;
      f.cancelled.add(block);
      if (f.cancelled.size === f.blocks.length) f.abort.abort();
      break;
    }
    if (found) queueMicrotask(() => !this.#closed && this.#sink.reject(index, begin, length));
  }

  close(): void {
    this.#closed = true;
    for (const f of this.#flights) f.abort.abort();
  }

  /** Looks at the queue once Go has asked for all that it wants now. */
  #soon(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      while (!this.#closed && Date.now() >= this.#restsUntil && this.#flights.size < this.#room && this.#launch());
      if (Date.now() < this.#restsUntil) this.#refuse();
    });
  }

  #refuse(): void {
    for (const b of this.#queue.splice(0)) this.#sink.reject(b.index, b.begin, b.length);
  }

  #offset(b: Block): number {
    return b.index * this.#layout.pieceLength + b.begin;
  }

  /** Behind the last byte of a file there may be padding, which nobody asks for. */
  #endsPiece(at: number): boolean {
    return at % this.#layout.pieceLength === 0 || this.#ends.has(at);
  }

  /** Starts a flight with the run of blocks at the head of the queue. */
  #launch(): boolean {
    const limit = Math.min(maxRun, Math.max(minRun, this.#speed / 2));
    let n = 0;
    let size = 0;
    let end = 0;
    for (const b of this.#queue) {
      if (n > 0 && (this.#offset(b) !== end || size + b.length > limit)) break;
      end = this.#offset(b) + b.length;
      size += b.length;
      n++;
    }
    if (n === 0 || (this.#flights.size > 0 && size < minRun && !this.#endsPiece(end))) return false;
    void this.#fly({ blocks: this.#queue.splice(0, n), cancelled: new Set(), abort: new AbortController() });
    return true;
  }

  async #fly(f: Flight): Promise<void> {
    this.#flights.add(f);
    const started = Date.now();
    let bytes = 0;
    const first = f.blocks[0] as Block;
    const last = f.blocks[f.blocks.length - 1] as Block;
    const block = new Uint8Array(Math.max(...f.blocks.map((b) => b.length)));
    let filled = 0;
    // Cuts what comes into blocks.
    const take = (chunk: Uint8Array) => {
      bytes += chunk.length;
      for (let at = 0; at < chunk.length && !this.#closed; ) {
        const b = f.blocks[0] as Block;
        const part = chunk.subarray(at, at + b.length - filled);
        block.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < b.length) break;
        filled = 0;
        f.blocks.shift();
        if (!f.cancelled.delete(b)) this.#sink.put(b.index, b.begin, block.subarray(0, b.length));
      }
    };
    let problem: unknown;
    try {
      const end = this.#offset(last) + last.length;
      for (let at = this.#offset(first); at < end; ) {
        const file = this.#layout.files.find((x) => x.offset + x.length > at);
        const to = Math.min(end, !file ? end : file.offset > at ? file.offset : file.offset + file.length);
        if (file && file.offset <= at) await this.#part(file, at - file.offset, to - at, f.abort, take);
        else take(new Uint8Array(to - at)); // padding
        at = to;
      }
    } catch (err) {
      problem = err;
    }
    this.#flights.delete(f);
    if (this.#closed) return;
    if (bytes > 0) this.#speed = (bytes * 1000) / Math.max(1, Date.now() - started);
    const left = f.blocks.filter((b) => !f.cancelled.has(b));
    if (left.length > 0 && problem) {
      this.#trouble(problem instanceof Problem ? problem : new Problem("broken", String(problem)), left);
    } else {
      this.#failures = this.#cuts = 0;
      this.#room = mostFlights;
    }
    this.#soon();
  }

  /** Fetches a part of a file. */
  async #part(file: File, from: number, count: number, abort: AbortController, take: (chunk: Uint8Array) => void): Promise<void> {
    const url = this.#urlOf(file);
    const stop = new AbortController();
    const stopNow = () => stop.abort();
    abort.signal.addEventListener("abort", stopNow);
    let timer = setTimeout(stopNow, stallTime);
    try {
      const headers: HeadersInit = count < file.length ? { Range: `bytes=${from}-${from + count - 1}` } : {};
      // What is fetched is kept by us, so the browser need not keep it too.
      const options: RequestInit = { headers, signal: stop.signal, credentials: "omit", cache: "no-store" };
      const response = await fetch(url, options).catch(async () => {
        throw new Problem("broken", stop.signal.aborted ? "the server did not answer in time" : await explain(url));
      });
      let skip = check(response, file, from, count);
      const reader = response.body?.getReader();
      for (let left = count; left > 0; ) {
        const { done, value } = (await reader?.read().catch(() => {
          if (++this.#cuts >= maxCuts) throw new Problem("wrong", "the server does not finish its answers");
          throw new Problem("broken", "the connection broke in the middle of an answer");
        })) ?? { done: true, value: undefined };
        if (done || !value) throw new Problem("wrong", "the server sent less than it was asked for");
        clearTimeout(timer);
        timer = setTimeout(stopNow, stallTime);
        const chunk = value.subarray(Math.min(skip, value.length));
        skip -= value.length - chunk.length;
        take(chunk.subarray(0, left)); // copies it
        left -= Math.min(left, chunk.length);
        giveBack(value.buffer);
      }
    } finally {
      clearTimeout(timer);
      abort.signal.removeEventListener("abort", stopNow);
      stopNow(); // nothing more of the answer is wanted
    }
  }

  #urlOf(file: File): string {
    const { name, single } = this.#layout;
    const [base = "", query] = this.#url.split("#")[0]?.split("?", 2) ?? [];
    const path = single ? (base.endsWith("/") ? [name] : []) : [name, ...file.path];
    const folder = base.endsWith("/") || path.length === 0 ? base : `${base}/`;
    return folder + path.map(encodeURIComponent).join("/") + (query === undefined ? "" : `?${query}`);
  }

  /** Reacts to a flight that ended without these blocks. */
  #trouble(problem: Problem, left: Block[]): void {
    if (problem.message !== this.#said) console.warn(`web seed ${this.#url}: ${problem.message}`);
    this.#said = problem.message;
    const file = problem.kind === "lacks" && this.#layout.files.length > 1 ? problem.file : undefined;
    if (problem.kind === "wrong" || (problem.kind === "lacks" && !file)) {
      this.close();
      return this.#sink.end();
    }
    this.#queue = [...left, ...this.#queue];
    if (file) {
      const first = Math.floor(file.offset / this.#layout.pieceLength);
      const end = Math.ceil((file.offset + file.length) / this.#layout.pieceLength);
      this.#sink.lacks(first, end);
      const inside = (b: Block) => b.index >= first && b.index < end;
      for (const b of this.#queue.filter(inside)) this.#sink.reject(b.index, b.begin, b.length);
      this.#queue = this.#queue.filter((b) => !inside(b));
      return;
    }
    if (problem.kind === "busy" && this.#flights.size > 0) this.#room = 1;
    const rest = problem.wait || Math.min(mostRest, firstRest << Math.min(this.#failures, 10));
    this.#failures++;
    this.#restsUntil = Math.max(this.#restsUntil, Date.now() + rest);
    this.#sink.rest(true);
    this.#refuse();
    setTimeout(() => !this.#closed && Date.now() >= this.#restsUntil && this.#sink.rest(false), rest + 1);
  }
}

/** Returns how many bytes of the body come before those wanted. Of another site's headers a page may see none. */
function check(response: Response, file: File, from: number, count: number): number {
  const { status, headers } = response;
  switch (status) {
    case 200:
      if (from > 0 && file.length > maxSkip) throw new Problem("wrong", "the server does not answer requests for ranges");
      return from;
    case 206: {
      const range = headers.get("Content-Range");
      const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/i.exec(range ?? "") ?? [];
      if (range === null) return 0;
      if (Number(first) !== from || Number(last) < from + count - 1 || (total !== "*" && Number(total) !== file.length))
        throw new Problem("wrong", "the server answered with another range than it was asked for");
      return 0;
    }
    case 404:
    case 410:
      throw new Problem("lacks", `the server has no such file (HTTP status ${status})`, 0, file);
    case 416:
      throw new Problem("wrong", "the server's file is shorter than the torrent's");
    case 429:
    case 503:
      throw new Problem("busy", `the server is busy (HTTP status ${status})`, retryAfter(headers.get("Retry-After")));
  }
  throw new Problem("broken", `the server refused (HTTP status ${status})`);
}

/** Milliseconds, from a number of seconds or a date; 0 if it says neither. */
export function retryAfter(header: string | null): number {
  const wait = /^\s*\d+\s*$/.test(header ?? "") ? Number(header) * 1000 : Date.parse(header ?? "") - Date.now();
  return wait > 0 ? Math.min(wait, maxWait) : 0;
}

/** Says why a browser may have refused to fetch, of which it tells a page nothing. */
async function explain(url: string): Promise<string> {
  const { protocol, host } = new URL(url);
  if (protocol === "http:" && self.origin?.startsWith("https:"))
    return `this page came by https, so the browser does not let it read ${host} by http`;
  try {
    // A request whose answer the page may not see goes through without consent.
    await fetch(url, { method: "HEAD", mode: "no-cors", credentials: "omit", cache: "no-store" });
  } catch {
    return `${host} cannot be reached`;
  }
  return (
    `the server at ${host} does not allow this page to read it; it must send Access-Control-Allow-Origin, ` +
    "allow the Range header and expose Content-Range"
  );
}
