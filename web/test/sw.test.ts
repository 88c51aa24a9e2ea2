import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { swProtocol, type WantMessage, type WantReply } from "../src/protocol";
import { StreamServer, type Served } from "../src/serve";

// A service worker's scope, with pages, a cache and a network, around the real script.

type Handler = (event: Record<string, unknown>) => void;
type PageClient = { id: string; postMessage(message: unknown, ports?: MessagePort[]): void };

const origin = "https://shoal.example";
const handlers = new Map<string, Handler>();
let pages: PageClient[] = [];
let network: (request: Request | string, init?: RequestInit) => Promise<Response>;
let locks: string[] = [];
const stored = new Map<string, Map<string, Response>>();
const ports: MessagePort[] = [];

const scope = {
  addEventListener: (type: string, handler: Handler) => handlers.set(type, handler),
  skipWaiting: () => Promise.resolve(),
  registration: { scope: origin + "/" },
  clients: {
    claim: () => Promise.resolve(),
    matchAll: () => Promise.resolve(pages),
    get: (id: string) => Promise.resolve(pages.find((page) => page.id === id)),
  },
  shoalShell: { version: "v2", files: ["index.html", "app.js", "shoal.wasm"] } as unknown,
};

const fakeCache = (entries: Map<string, Response>) => ({
  match: (url: string) => Promise.resolve(entries.get(url)?.clone()),
  put: (url: string, response: Response) => Promise.resolve(void entries.set(url, response)),
});

Object.assign(globalThis, {
  self: scope,
  fetch: (request: Request | string, init?: RequestInit) => network(request, init),
  caches: {
    match: (url: string, { cacheName }: { cacheName: string }) => Promise.resolve(stored.get(cacheName)?.get(url)?.clone()),
    open: (name: string) => {
      if (!stored.has(name)) stored.set(name, new Map());
      return Promise.resolve(fakeCache(stored.get(name)!));
    },
    keys: () => Promise.resolve([...stored.keys()]),
    delete: (name: string) => Promise.resolve(stored.delete(name)),
  },
});
Object.defineProperty(globalThis, "navigator", { configurable: true, value: { locks: { query: () => Promise.resolve({ held: locks.map((name) => ({ name })) }) } } });
// Node's ports keep a test alive as long as they are open.
class OwnChannel extends MessageChannel {
  constructor() {
    super();
    ports.push(this.port1, this.port2);
  }
}
Object.assign(globalThis, { MessageChannel: OwnChannel });
const servers: StreamServer[] = [];
after(() => {
  for (const server of servers) server.close("The test is over.");
  for (const port of ports) port.close();
});

await import("../src/sw");

beforeEach(() => {
  pages = [];
  locks = [];
  stored.clear();
  network = () => Promise.reject(new TypeError("Failed to fetch"));
});

/** What the service worker answers; null when it leaves the request to the browser. */
async function ask(path: string, init: RequestInit & { navigate?: boolean } = {}): Promise<Response | null> {
  let answer: Promise<Response> | null = null;
  const request = new Request(new URL(path, origin), init);
  if (init.navigate) Object.defineProperty(request, "mode", { value: "navigate" });
  handlers.get("fetch")!({ request, respondWith: (response: Promise<Response>) => (answer = Promise.resolve(response)) });
  return answer;
}

/** Sends the service worker a message as a page does; what it says to the page comes back. */
async function tell(data: unknown): Promise<unknown[]> {
  const said: unknown[] = [];
  const work: Promise<unknown>[] = [];
  handlers.get("message")!({ data, source: { postMessage: (message: unknown) => said.push(message) }, waitUntil: (promise: Promise<unknown>) => work.push(promise) });
  await Promise.all(work);
  return said;
}

// A page with the real other half, as the browser would connect them.

const id = "ab".repeat(20);

class Container extends EventTarget {
  controller: { postMessage(message: unknown): void } | null = { postMessage: () => undefined };
  startMessages(): void {}
  register(): Promise<unknown> {
    return Promise.resolve({ scope: origin + "/", active: this.controller });
  }
}

/** A file whose bytes count upwards; it speaks the engine's half of the pull protocol. */
function counting(index: number, path: string, length: number): Served {
  return {
    index,
    path,
    name: path.split("/").at(-1)!,
    length,
    read: (start, end, port) => {
      port.onmessage = ({ data }) => {
        if (data !== true) return port.close();
        const upto = Math.min(end, start + 1000);
        port.postMessage(start < end ? Uint8Array.from({ length: upto - start }, (_, i) => start + i) : null);
        start = upto;
      };
      return Promise.resolve();
    },
  };
}

const bytesFrom = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => (start + i) & 255);

function openPage(files: Served[], name = "A film", container = new Container()): StreamServer {
  const server = new StreamServer(container as unknown as ServiceWorkerContainer, (wanted) => (wanted === id ? { name, files } : null));
  servers.push(server);
  pages.push({
    id: "page" + pages.length,
    postMessage: (data, ports = []) => container.dispatchEvent(Object.assign(new Event("message"), { data, ports })),
  });
  return server;
}

test("a stream answers ranges exactly, which Safari insists on", async () => {
  openPage([counting(0, "film.mp4", 2500)]);
  const address = `/shoal-stream/${id}/0/film.mp4`;
  const first = (await ask(address, { headers: { Range: "bytes=0-1" } }))!;
  assert.equal(first.status, 206);
  assert.equal(first.headers.get("Content-Range"), "bytes 0-1/2500");
  assert.equal(first.headers.get("Content-Length"), "2");
  assert.equal(first.headers.get("Content-Type"), "video/mp4");
  assert.equal(first.headers.get("Accept-Ranges"), "bytes");
  assert.deepEqual([...new Uint8Array(await first.arrayBuffer())], [0, 1]);
  for (const [range, start, end] of [["bytes=900-2100", 900, 2101], ["bytes=2499-", 2499, 2500], ["bytes=-7", 2493, 2500]] as const) {
    const part = (await ask(address, { headers: { Range: range } }))!;
    assert.equal(part.headers.get("Content-Range"), `bytes ${start}-${end - 1}/2500`);
    assert.deepEqual([...new Uint8Array(await part.arrayBuffer())], bytesFrom(start, end));
  }
  const beyond = (await ask(address, { headers: { Range: "bytes=2500-" } }))!;
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers.get("Content-Range"), "bytes */2500");
  const whole = (await ask(address))!;
  assert.equal(whole.status, 200);
  assert.equal((await whole.arrayBuffer()).byteLength, 2500);
  const head = (await ask(address, { method: "HEAD" }))!;
  assert.equal(head.headers.get("Content-Length"), "2500");
  assert.equal((await ask(address, { headers: { "If-None-Match": head.headers.get("ETag")! } }))!.status, 304);
  assert.equal((await ask(address, { method: "POST" }))!.status, 405);
  assert.match(whole.headers.get("Content-Security-Policy")!, /^sandbox/);
});

test("chosen files come as one archive of known length", async () => {
  openPage([counting(0, "a/one", 1500), counting(1, "../two", 0), counting(2, "three", 3)], "My/files");
  const response = (await ask(`/shoal-stream/${id}/zip0-2/x.zip`))!;
  assert.equal(response.headers.get("Content-Type"), "application/zip");
  assert.equal(response.headers.get("Content-Disposition"), "attachment; filename*=UTF-8''My%2Ffiles.zip");
  const archive = Buffer.from(await response.arrayBuffer());
  assert.equal(String(archive.length), response.headers.get("Content-Length"));
  for (const name of ["My_files/a/one", "My_files/_/two", "My_files/three"]) assert.ok(archive.includes(name), name);
  assert.ok(archive.includes(Buffer.from(bytesFrom(0, 1500))));
  const two = Buffer.from(await (await ask(`/shoal-stream/${id}/zip0,2/x.zip`))!.arrayBuffer());
  assert.ok(!two.includes("two") && two.includes("three"));
});

test("what is no address of a file is none", async () => {
  openPage([counting(0, "film.mp4", 10)]);
  for (const path of [`/shoal-stream/${id}`, `/shoal-stream/${id}/x/f`, `/shoal-stream/${id}/zip/f`, "/shoal-stream/zz/0/f", `/shoal-stream/${id}/-1/f`]) {
    assert.equal((await ask(path))!.status, 404, path);
  }
  assert.equal(await ask("/shoal/config.json"), null, "the rest is left to the network");
  assert.equal(await ask("https://elsewhere.example/shoal-stream/x"), null);
});

test("a page of another version is told from one that has nothing", async () => {
  pages.push({ id: "old", postMessage: (data, ports) => ports![0]!.postMessage({ other: 99 } satisfies WantReply) });
  assert.equal((await ask(`/shoal-stream/${id}/0/f`))!.status, 409);
  pages = [];
  assert.equal((await ask(`/shoal-stream/${id}/0/f`))!.status, 404);
});

test("what a hostile page says is of no use", async () => {
  const nonsense: unknown[] = [null, 5, "have", [], { have: null }, { have: { length: -1, name: "a", type: "b" } }, { have: { length: "9", name: "a", type: "b" } },
    { have: { length: 1, name: {}, type: "b" } }, { have: { length: 1, name: "a", type: "b", entries: [null] } }, { failed: {} }, { have: { length: 2 ** 60, name: "a", type: "b" } }];
  pages.push({ id: "hostile", postMessage: (_, ports) => nonsense.forEach((message) => ports![0]!.postMessage(message)) });
  openPage([counting(0, "film.mp4", 3)]);
  assert.equal((await (await ask(`/shoal-stream/${id}/0/f`))!.arrayBuffer()).byteLength, 3);
  for (const data of [null, 5, "shoalPing", [], {}, { shoalPing: 0 }, { other: true }]) assert.deepEqual(await tell(data), []);
  assert.deepEqual(await tell({ shoalPing: true, protocol: swProtocol }), [{ shoalOpen: 0 }]);
  for (const protocol of [99, "1", null, {}]) assert.deepEqual(await tell({ shoalPing: true, protocol }), [{ shoalOther: swProtocol }]);
  // No source, as from a page that is gone.
  handlers.get("message")!({ data: { shoalPing: true }, source: null, waitUntil: () => undefined });
});

test("the page answers nobody who asks wrongly", async () => {
  const container = new Container();
  openPage([counting(0, "film.mp4", 3)], "x", container);
  const replies: unknown[] = [];
  const send = (data: unknown, withPort = true): void => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (message) => replies.push(message.data);
    container.dispatchEvent(Object.assign(new Event("message"), { data, ports: withPort ? [port2] : [] }));
  };
  const want = (shoalWant: unknown, protocol: unknown = swProtocol): void => send({ shoalWant, protocol });
  for (const data of [null, undefined, 5, "x", [], {}, { shoalWant: null }, { shoalWant: 5 }]) send(data);
  for (const wanted of [{ id: {}, file: 0 }, { id, file: {} }, { id, file: "0" }, { id, file: "zip9" }, { id, file: -1 }, { id: "__proto__", file: 0 }]) want(wanted);
  send({ shoalWant: { id, file: 0 }, protocol: swProtocol }, false);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(replies, []);
  want({ id, file: 0 }, 99);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(replies, [{ other: swProtocol }]);

  // Orders that are none end the conversation.
  for (const order of [null, 5, { read: null }, { read: { start: "0", end: 1, file: 0 } }, { read: { start: 0, end: 1, file: 7 } }, { read: { start: 0, end: 1, file: 0 } }]) {
    const { port1, port2 } = new MessageChannel();
    const have = new Promise<WantReply>((resolve) => (port1.onmessage = (message) => resolve(message.data as WantReply)));
    const message: WantMessage = { shoalWant: { id, file: 0 }, protocol: swProtocol };
    container.dispatchEvent(Object.assign(new Event("message"), { data: message, ports: [port2] }));
    assert.ok("have" in (await have));
    const closed = new Promise((resolve) => port1.addEventListener("close", resolve));
    port1.postMessage(order); // the last one lacks its port
    await closed;
  }
});

const registration = (container: Container): Promise<ServiceWorkerRegistration> => container.register() as Promise<ServiceWorkerRegistration>;

test("a service worker that never comes is given up, and one that fails is at once", async () => {
  const silent = new Container();
  silent.controller = null;
  const failing = Object.assign(new EventTarget(), { state: "installing" });
  silent.register = () => Promise.resolve({ scope: origin + "/", active: null, installing: failing });
  const started = new StreamServer(silent as unknown as ServiceWorkerContainer, () => null).start(registration(silent));
  await new Promise((resolve) => setTimeout(resolve, 5));
  failing.state = "redundant";
  failing.dispatchEvent(new Event("statechange"));
  assert.equal(await started, false);

  const refusing = new Container();
  refusing.register = () => Promise.reject(new Error("blocked"));
  await assert.rejects(new StreamServer(refusing as unknown as ServiceWorkerContainer, () => null).start(registration(refusing)), /blocked/);

  const good = new StreamServer(new Container() as unknown as ServiceWorkerContainer, () => null);
  assert.equal(good.url(id, 0, "a b"), null);
  assert.equal(await good.start(registration(new Container())), true);
  assert.equal(good.url(id, 0, "a b"), `${origin}/shoal-stream/${id}/0/a%20b`);
  good.close("bye");
  assert.equal(good.url(id, 0, "a b"), null);
});

const answer = (text: string, status = 200): Promise<Response> => Promise.resolve(new Response(text, { status }));

test("the page is kept, and opened while its server is away", async () => {
  const asked: string[] = [];
  network = (request) => {
    const address = typeof request === "string" ? request : request.url;
    asked.push(address.slice(origin.length));
    return answer("of v2: " + address.slice(origin.length));
  };
  await tell({ shoalKeep: true, protocol: swProtocol });
  assert.deepEqual(asked, ["/app.js?v=v2", "/shoal.wasm?v=v2", "/index.html?v=v2"]);
  network = () => answer("newer");
  assert.equal(await (await ask("/", { navigate: true }))!.text(), "newer", "the server's page comes first");
  network = () => answer("down", 503);
  assert.match(await (await ask("/", { navigate: true }))!.text(), /of v2/, "a proxy without its server");
  network = () => Promise.reject(new TypeError("Failed to fetch"));
  assert.match(await (await ask("/index.html?x", { navigate: true }))!.text(), /of v2: .index.html/);
  assert.match(await (await ask("/app.js?v=v2"))!.text(), /of v2: .app.js/);
  assert.equal(await ask("/app.js"), null);
  assert.equal(await ask("/other", { navigate: true }), null);
  await assert.rejects(ask("/app.js?v=v9"), /Failed to fetch/);
});

test("an old page keeps its own version until it is closed", async () => {
  const old = "shoal " + origin + "/ v1";
  stored.set(old, new Map([[origin + "/shoal.wasm?v=v1", new Response("old engine")]]));
  stored.set("of somebody else", new Map());
  locks = ["shoal-shell v1", "something"];
  network = (request) => answer(typeof request === "string" ? request : request.url);
  const work: Promise<unknown>[] = [];
  handlers.get("activate")!({ waitUntil: (promise: Promise<unknown>) => work.push(promise) });
  await Promise.all(work);
  await tell({ shoalKeep: true, protocol: swProtocol });
  assert.equal(await (await ask("/shoal.wasm?v=v1"))!.text(), "old engine");
  locks = [];
  await tell({ shoalKeep: true, protocol: swProtocol });
  assert.deepEqual([...stored.keys()].sort(), ["of somebody else", "shoal " + origin + "/ v2"]);
});

test("a version that is not complete is not kept", async () => {
  network = (request) => (String(request).includes("wasm") ? answer("gone", 404) : answer("x"));
  await tell({ shoalKeep: true, protocol: swProtocol });
  assert.deepEqual([...stored.keys()], []);
});

test("without a shell, as on other people's pages, nothing is kept", async () => {
  const { shoalShell } = scope;
  scope.shoalShell = undefined;
  await tell({ shoalKeep: true, protocol: swProtocol });
  assert.equal(stored.size, 0);
  assert.equal(await ask("/", { navigate: true }), null);
  scope.shoalShell = shoalShell;
});
