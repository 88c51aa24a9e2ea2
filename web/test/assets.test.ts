import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { findAssets, registerServiceWorker, startWorker, type ServiceWorkerOptions } from "../src/assets";

interface Made {
  script: string;
  posted: unknown[];
  errors: string[];
}

/** Workers that were started, newest last. */
let workers: Made[];

class FakeWorker extends EventTarget {
  readonly made: Made;
  constructor(script: URL | string) {
    super();
    this.made = { script: String(script), posted: [], errors: [] };
    this.addEventListener("error", (event) => this.made.errors.push((event as ErrorEvent).message));
    workers.push(this.made);
  }
  postMessage(message: unknown): void {
    this.made.posted.push(message);
  }
}

/** Has the test run as a page at this address. */
function pageAt(address: string, base = address): void {
  Object.assign(globalThis, { location: new URL(address), document: { baseURI: base }, Worker: FakeWorker });
}

// Node has none.
Object.assign(globalThis, {
  ErrorEvent: class extends Event {
    readonly message: string;
    constructor(type: string, { message }: { message: string }) {
      super(type);
      this.message = message;
    }
  },
});

/** The text behind the address of a blob. */
const textAt = async (address: string): Promise<string> => (await realFetch(address)).text();

const realFetch = fetch;
/** Addresses that were fetched. */
let fetched: string[];
/** What the server says of .wasm files. */
let wasmType: string;

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

beforeEach(() => {
  workers = [];
  fetched = [];
  wasmType = "application/wasm";
  globalThis.fetch = async (address) => {
    fetched.push(String(address));
    return new Response(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), { headers: { "Content-Type": wasmType } });
  };
  pageAt("https://site.example/films/watch.html");
});

test("the assets lie beside the module", async () => {
  const { worker, engine, serviceWorker } = findAssets();
  const beside = (name: string): string => new URL(name, import.meta.url).href;
  await engine();
  assert.deepEqual([String(worker), ...fetched, String(serviceWorker)], ["shoal.worker.js", "shoal.wasm", "shoal.sw.js"].map(beside));
});

for (const [base, folder] of [
  ["/vendor/shoal/", "https://site.example/vendor/shoal/"],
  ["lib/", "https://site.example/films/lib/"],
  ["https://cdn.example/shoal@1/", "https://cdn.example/shoal@1/"],
  ["https://cdn.example/shoal@1/shoal.js", "https://cdn.example/shoal@1/"],
] as const) {
  test(`the assets lie at the base ${base}`, async () => {
    const { worker, engine, serviceWorker } = findAssets(base);
    await engine();
    assert.deepEqual([String(worker), ...fetched, String(serviceWorker)], [folder + "shoal.worker.js", folder + "shoal.wasm", folder + "shoal.sw.js"]);
  });
}

test("a base is relative to the document's, not to its address", () => {
  pageAt("https://site.example/films/watch.html", "https://site.example/app/");
  assert.equal(String(findAssets("lib/").worker), "https://site.example/app/lib/shoal.worker.js");
});

test("a worker of the page's own origin is started as it is, and given the compiled engine", async () => {
  const assets = findAssets("/lib/");
  startWorker(assets);
  assert.equal(workers[0]!.script, "https://site.example/lib/shoal.worker.js");
  await turn();
  const { engine } = workers[0]!.posted[0] as { engine: unknown };
  assert.ok(engine instanceof WebAssembly.Module);
  // The next one needs no network.
  startWorker(assets);
  await turn();
  assert.deepEqual(workers[1]!.posted, [{ engine }]);
  assert.equal(fetched.length, 1);
});

test("a worker of another origin is loaded by one of the page's", async () => {
  startWorker(findAssets(`https://cdn.example/a"b/`));
  assert.match(workers[0]!.script, /^blob:/);
  assert.equal(await textAt(workers[0]!.script), `importScripts("https://cdn.example/a%22b/shoal.worker.js")`);
});

test("a worker makes do with the engine's address where the page cannot compile it", async () => {
  wasmType = "application/octet-stream";
  startWorker(findAssets("/lib/"));
  await turn();
  assert.deepEqual(workers[0]!.posted, [{ engine: "https://site.example/lib/shoal.wasm" }]);
});

test("a worker that the module carries is started from its text, the engine follows", async () => {
  const engine = new Blob(["engine"]);
  startWorker({ worker: "code();", engine: async () => engine, serviceWorker: null });
  assert.equal(await textAt(workers[0]!.script), "code();");
  await turn();
  assert.deepEqual(workers[0]!.posted, [{ engine }]);
});

test("an engine that cannot be had is an error of the worker", async () => {
  startWorker({ worker: "code();", engine: () => Promise.reject(new Error("no chunk 3")), serviceWorker: null });
  await turn();
  assert.deepEqual(workers[0]!.errors, ["the engine could not be loaded: no chunk 3"]);
});

/** What is registered for a page, "script in scope", or null. */
async function registered(known: string | null, options: ServiceWorkerOptions = {}): Promise<string | null> {
  let asked = "nothing was registered";
  const container = {
    async register(script: string | URL, { scope = "" } = {}) {
      asked = `${script} in ${scope}`;
      return { scope: new URL(scope, location.href).href } as ServiceWorkerRegistration;
    },
  };
  const registration = await registerServiceWorker(container, known === null ? null : new URL(known), options);
  return registration && asked;
}

for (const [name, known, options, want] of [
  ["beside the module, at the top", "https://site.example/shoal.sw.js", {}, "https://site.example/shoal.sw.js in /"],
  ["beside the module, beside the page", "https://site.example/films/shoal.sw.js", {}, "https://site.example/films/shoal.sw.js in /films/"],
  ["by a bundler's name", "https://site.example/films/1a2b.js", {}, "https://site.example/films/1a2b.js in /films/"],
  ["where it cannot serve the page", "https://site.example/assets/shoal.sw-1a2b.js", {}, "https://site.example/films/shoal.sw.js in /films/"],
  ["on another origin", "https://cdn.example/shoal.sw.js", {}, "https://site.example/films/shoal.sw.js in /films/"],
  ["nowhere", null, {}, "https://site.example/films/shoal.sw.js in /films/"],
  ["below the page, with a scope that the server allows", "https://site.example/lib/shoal.sw.js", { scope: "/" }, "https://site.example/lib/shoal.sw.js in /"],
  ["by the author's address", "https://cdn.example/shoal.sw.js", { url: "/sw.js" }, "https://site.example/sw.js in /"],
  ["by the author's address and scope", null, { url: "/sw/shoal.js", scope: "/films/" }, "https://site.example/sw/shoal.js in /films/"],
  ["by an address of another origin", null, { url: "https://cdn.example/sw.js" }, null],
  ["with a scope elsewhere", null, { url: "/sw.js", scope: "/music/" }, null],
] as const) {
  test(`the service worker lies ${name}`, async () => assert.equal(await registered(known, options), want));
}

test("a registration of the site's own is taken, if it serves the page", async () => {
  const of = (scope: string): ServiceWorkerRegistration => ({ scope }) as ServiceWorkerRegistration;
  const here = of("https://site.example/films/");
  const container = { register: () => Promise.reject(new Error("nothing is to be registered")) };
  assert.equal(await registerServiceWorker(container, null, { registration: Promise.resolve(here) }), here);
  assert.equal(await registerServiceWorker(container, null, { registration: of("https://site.example/music/") }), null);
});
