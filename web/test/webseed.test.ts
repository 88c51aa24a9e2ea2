import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { retryAfter, WebSeed, type WebSeedLayout } from "../src/webseed";
import { WebSeedStream } from "../src/webseedwire";

const block = 16384;
const pieceLength = 4 * block;

// Two files with padding between them, the second of a name that must be escaped.
const layout: WebSeedLayout = {
  name: "a b",
  single: false,
  pieceLength,
  files: [
    { path: ["one"], offset: 0, length: pieceLength + 100 },
    { path: ["x", "ü?#.bin"], offset: 2 * pieceLength, length: pieceLength + 5000 },
  ],
};
const length = 3 * pieceLength + 5000;
const content = new Uint8Array(length);
for (const f of layout.files) for (let i = 0; i < f.length; i++) content[f.offset + i] = (i * 7 + f.offset) % 251;

const url = "https://mirror.example/pub";
const file: Record<string, Uint8Array> = {
  [`${url}/a%20b/one`]: content.slice(0, pieceLength + 100),
  [`${url}/a%20b/x/%C3%BC%3F%23.bin`]: content.slice(2 * pieceLength),
};

type Server = (url: string, range: [number, number] | null, init: RequestInit) => Response | Promise<Response>;

/** Answers as servers do. */
const honest: Server = (url, range) => {
  const bytes = file[url];
  if (!bytes) return new Response(null, { status: 404 });
  if (!range) return new Response(bytes.slice());
  const [from, to] = range;
  return new Response(bytes.slice(from, to + 1), {
    status: 206,
    headers: { "Content-Range": `bytes ${from}-${to}/${bytes.length}` },
  });
};

let requests: string[] = [];
let warnings: string[] = [];
const real = { fetch: globalThis.fetch, warn: console.warn };

function serve(server: Server): void {
  globalThis.fetch = (async (url: string, init: RequestInit = {}) => {
    const header = (init.headers as Record<string, string> | undefined)?.Range;
    const m = /bytes=(\d+)-(\d+)/.exec(header ?? "");
    requests.push(`${init.method ?? "GET"} ${url} ${header ?? "whole"}`);
    return server(url, m ? [Number(m[1]), Number(m[2])] : null, init);
  }) as typeof fetch;
}

beforeEach(() => {
  requests = [];
  warnings = [];
  console.warn = (text: string) => warnings.push(text);
});
afterEach(() => {
  globalThis.fetch = real.fetch;
  console.warn = real.warn;
});

/** A seed with what it said, and the bytes that it put. */
class Rig {
  readonly said: string[] = [];
  readonly got = new Uint8Array(length);
  readonly seed: WebSeed;
  #wake = () => {};
  constructor(at = url, of: WebSeedLayout = layout) {
    const say = (text: string) => {
      this.said.push(text);
      this.#wake();
    };
    this.seed = new WebSeed(at, of, {
      put: (index, begin, bytes) => {
        this.got.set(bytes, index * pieceLength + begin);
        say(`put ${index} ${begin} ${bytes.length}`);
      },
      reject: (index, begin, n) => say(`reject ${index} ${begin} ${n}`),
      rest: (on) => say(`rest ${on}`),
      lacks: (first, end) => say(`lacks ${first} ${end}`),
      end: () => say("end"),
    });
  }
  ask(...pieces: number[]): void {
    for (const i of pieces) {
      const size = Math.min(pieceLength, length - i * pieceLength);
      for (let at = 0; at < size; at += block) this.seed.ask(i, at, Math.min(block, size - at));
    }
  }
  async until(done: () => boolean): Promise<void> {
    const late = Date.now() + 5000;
    while (!done()) {
      assert.ok(Date.now() < late, `after 5 s: ${this.said.join(", ")}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 20);
      });
    }
  }
  count = (what: string): number => this.said.filter((s) => s.startsWith(what)).length;
}

test("blocks come in few ranges, across files and padding", async () => {
  serve(honest);
  const rig = new Rig();
  rig.ask(0, 1, 2, 3);
  await rig.until(() => rig.count("put") === 13);
  assert.deepEqual(rig.got, content);
  assert.ok(requests.length <= 4, requests.join("\n"));
  assert.equal(rig.count("reject") + rig.count("end"), 0);
});

test("a server without ranges gives small files", async () => {
  serve((url) => honest(url, null, {}));
  const rig = new Rig();
  rig.ask(2, 1);
  await rig.until(() => rig.count("put") === 8);
  assert.deepEqual(rig.got.subarray(pieceLength, 3 * pieceLength), content.subarray(pieceLength, 3 * pieceLength));
});

const wrong: [name: string, why: RegExp, server: Server][] = [
  ["another range", /another range/, (_, range) => new Response("x", { status: 206, headers: { "Content-Range": `bytes 0-1/${range?.[1]}` } })],
  ["a shorter file", /shorter/, () => new Response(null, { status: 416 })],
  ["less than asked", /less than/, () => new Response(new Uint8Array(10), { status: 206 })],
];
for (const [name, why, server] of wrong) {
  test(`a server that answers with ${name} is given up`, async () => {
    serve(server);
    const rig = new Rig();
    rig.ask(2);
    await rig.until(() => rig.count("end") === 1);
    assert.match(warnings.join(), why);
    rig.ask(2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(requests.length, 1);
  });
}

test("a file that is not there is withdrawn, the others come", async () => {
  serve((url, range, init) => (url.endsWith("one") ? new Response(null, { status: 404 }) : honest(url, range, init)));
  const rig = new Rig();
  rig.ask(0, 1, 2, 3);
  await rig.until(() => rig.count("put") === 5);
  assert.deepEqual(rig.said.slice(0, 9), [
    "lacks 0 2", ...[0, 1].flatMap((i) => [0, 1, 2, 3].map((k) => `reject ${i} ${k * block} ${block}`)),
  ]);
});

test("Retry-After is heeded", async () => {
  let first = 0;
  serve((url, range, init) => {
    if (first > 0) return honest(url, range, init);
    first = Date.now();
    return new Response(null, { status: 429, headers: { "Retry-After": "1" } });
  });
  const rig = new Rig();
  rig.ask(2);
  await rig.until(() => rig.count("reject") === 4);
  assert.deepEqual(rig.said.slice(0, 2), ["rest true", `reject 2 0 ${block}`]);
  rig.ask(2);
  await rig.until(() => rig.count("rest false") === 1);
  assert.ok(Date.now() - first >= 1000);
  assert.equal(requests.length, 1);
  rig.ask(2);
  await rig.until(() => rig.count("put") === 4);
});

test("what is cancelled is rejected, and the request ended when nothing is left of it", async () => {
  let aborted = false;
  serve((_url, _range, init) => {
    init.signal?.addEventListener("abort", () => (aborted = true));
    return new Promise(() => {});
  });
  const rig = new Rig();
  rig.ask(2);
  await rig.until(() => requests.length === 1);
  for (let k = 0; k < 4; k++) rig.seed.cancel(2, k * block, block);
  await rig.until(() => rig.count("reject") === 4);
  assert.ok(aborted);
});

test("a page that may not read is told so, and one that reaches nobody", async () => {
  for (const [reachable, why] of [[true, /mirror\.example does not allow this page.*Access-Control-Allow-Origin/], [false, /mirror\.example cannot be reached/]] as const) {
    warnings = [];
    serve((_url, _range, init) => {
      if (reachable && init.mode === "no-cors") return new Response();
      throw new TypeError("Failed to fetch");
    });
    const rig = new Rig();
    rig.ask(2);
    await rig.until(() => rig.count("rest true") === 1);
    assert.match(warnings.join(), why);
    rig.seed.close();
  }
});

test("addresses of single files", async () => {
  const one: WebSeedLayout = { ...layout, name: "a?", single: true, files: [{ path: ["a?"], offset: 0, length: pieceLength }] };
  for (const [at, want] of [
    ["https://h/x.bin", "https://h/x.bin"],
    ["https://h/dir/", "https://h/dir/a%3F"],
    ["https://h/dir/?k=v#f", "https://h/dir/a%3F?k=v"],
  ] as const) {
    requests = [];
    serve(() => new Response(null, { status: 404 }));
    const rig = new Rig(at, one);
    rig.ask(0);
    await rig.until(() => rig.count("end") === 1);
    assert.equal(requests[0], `GET ${want} whole`);
  }
});

test("Retry-After says seconds, a date, or nothing", () => {
  assert.equal(retryAfter("7"), 7000);
  assert.equal(retryAfter("999999999999"), 86_400_000);
  for (const bad of [null, "", "-1", "soon", "Thu, 01 Jan 1970 00:00:00 GMT"]) assert.equal(retryAfter(bad), 0, String(bad));
  const wait = retryAfter(new Date(Date.now() + 60_000).toUTCString());
  assert.ok(wait > 50_000 && wait <= 60_000);
});

test("the stream speaks the peer wire protocol", async () => {
  serve((url, range, init) => (url.endsWith("one") ? new Response(null, { status: 404 }) : honest(url, range, init)));
  const messages: Uint8Array[] = [];
  const taken: Uint8Array[] = [];
  const stream = new WebSeedStream(url, { ...layout, pieces: 4 }, () => {
    for (let b = stream.take(1 << 20); b; b = stream.take(1 << 20)) {
      messages.push(b.slice());
      taken.push(b);
    }
  });
  const hello = new Uint8Array(68).fill(9);
  hello[0] = 19;
  stream.write(hello);
  const [answer, bitfield, unchoke] = messages;
  assert.deepEqual(answer?.subarray(28, 48), hello.subarray(28, 48));
  assert.equal(answer?.[27], 4);
  assert.deepEqual([...(bitfield ?? [])], [0, 0, 0, 2, 5, 0xf0]);
  assert.deepEqual([...(unchoke ?? [])], [0, 0, 0, 1, 1]);
  const request = (index: number, id = 6) => {
    const b = new Uint8Array(17);
    const v = new DataView(b.buffer);
    v.setUint32(0, 13);
    b[4] = id;
    v.setUint32(5, index);
    v.setUint32(13, block);
    return b;
  };
  stream.write(new Uint8Array([0, 0, 0, 0, ...request(0), ...request(2)]));
  const late = Date.now() + 5000;
  while (!messages.some((m) => m[4] === 7)) {
    assert.ok(Date.now() < late);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.ok(messages.some((m) => m[4] === 5 && m[5] === 0x30), "a bitfield without the lost pieces");
  assert.ok(messages.some((m) => m[4] === 16), "a reject");
  const piece = messages.find((m) => m[4] === 7);
  assert.deepEqual(piece?.subarray(13), content.subarray(2 * pieceLength, 2 * pieceLength + block));
  stream.close();
  assert.equal(stream.take(1), null);
  assert.ok(taken.every((b) => b.byteLength === 0), "what was taken waits for the collector");
});
