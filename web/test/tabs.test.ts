import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Hub } from "../src/hub";
import type { FromEngine, Link } from "../src/link";
import { passOn } from "../src/meet";
import { engineName, Tabs } from "../src/tabs";
import { FakeLocks, FakeWorker, turn } from "./tabfakes";

const name = "engine";

/** The tabs of an origin, with a service worker between them. */
class Origin {
  readonly locks = new FakeLocks();
  readonly pages = new Map<string, EventTarget>();
  /** False: the service worker passes nothing on. */
  awake = true;
  readonly workers: FakeWorker[] = [];
  readonly #end: (() => void)[] = [];

  constructor(t: TestContext) {
    t.after(() => this.#end.forEach((end) => end()));
  }

  readonly clients = {
    get: async (id: string) => this.#recipient(id),
    matchAll: async () => [...this.pages.keys()].map((id) => this.#recipient(id)!),
  };

  #recipient(id: string) {
    const page = this.pages.get(id);
    if (!page) return undefined;
    return {
      postMessage: (data: unknown, ports: Transferable[]) => {
        const event = Object.assign(new Event("message"), { data, ports, source: this.from(id) });
        setImmediate(() => page.dispatchEvent(event));
      },
    };
  }

  /** The service worker, as a page sees it. */
  from(id: string) {
    return {
      postMessage: (data: unknown, ports: MessagePort[] = []) => {
        if (this.awake) setImmediate(() => void passOn({ data, ports, source: { id } }, this.clients));
      },
    } as unknown as ServiceWorker;
  }

  open(registered = true) {
    const id = "client " + this.pages.size;
    const target = new EventTarget();
    this.pages.set(id, target);
    const { locks, die } = this.locks.tab();
    let frozen = false;
    const ports: MessagePort[] = [];
    const worker = (): FakeWorker => {
      this.workers.push(new FakeWorker());
      return this.workers.at(-1)!;
    };
    const tabs = new Tabs({
      name,
      locks,
      container: {
        addEventListener: (_: string, listener: (event: Event) => void) => target.addEventListener("message", (event) => frozen || listener(event)),
        removeEventListener: () => {},
        startMessages: () => {},
      } as unknown as ServiceWorkerContainer,
      registration: Promise.resolve(registered ? { active: this.from(id) } : null),
      hub: (left) => {
        const hub = new Hub({ spawn: worker as unknown as () => Worker, attach: () => () => {}, left });
        const accept = hub.accept.bind(hub);
        hub.accept = (port, gone) => {
          accept(port, gone);
          ports.push(port);
          const hear = port.onmessage!;
          port.onmessage = (event) => frozen || hear.call(port, event);
        };
        return hub;
      },
    });
    const told: FromEngine[] = [];
    const page = {
      tabs,
      told,
      link: null as Link | null,
      connect: async () => {
        page.link = null;
        void tabs.connect((data) => told.push(data)).then((link) => (page.link = link));
        await turn();
      },
      ask: async (method: string, call = 1) => {
        page.link!.post({ call, method, args: {} } as never, []);
        await turn();
      },
      /** As when the tab is closed. */
      crash: async () => {
        this.pages.delete(id);
        for (const port of ports) port.close();
        die();
        await turn();
      },
      freeze: () => (frozen = true),
    };
    this.#end.push(() => {
      page.link?.close();
      tabs.close();
    });
    return page;
  }
}

const lost = (told: FromEngine[]) => told.filter((data) => "lost" in data).length;

test("three tabs have one engine", async (t) => {
  const origin = new Origin(t);
  const pages = [origin.open(), origin.open(), origin.open()];
  for (const page of pages) await page.connect();
  for (const page of pages) {
    assert.ok(page.link);
    await page.ask("kept");
  }
  assert.equal(origin.workers.length, 1);
  assert.deepEqual(origin.workers[0]!.methods(), ["kept", "kept", "kept"]);
  for (const page of pages) page.tabs.close();
});

test("when the tab of the engine is gone the next takes over, and the rest go to that", async (t) => {
  const origin = new Origin(t);
  const [first, second, third] = [origin.open(), origin.open(), origin.open()];
  for (const page of [first, second, third]) await page!.connect();
  await first!.crash();
  assert.deepEqual([lost(second!.told), lost(third!.told)], [1, 1]);
  await second!.connect();
  await third!.connect();
  await third!.ask("kept");
  assert.equal(origin.workers.length, 2);
  assert.deepEqual(origin.workers[1]!.methods(), ["kept"]);

  // One that closes its client hands over as well, while its engine says goodbye.
  await second!.ask("close");
  assert.equal(lost(third!.told), 2);
  await third!.connect();
  await third!.ask("add");
  assert.equal(origin.workers[1]!.ended, false);
  assert.deepEqual(origin.workers[2]!.methods(), ["add"]);
  second!.tabs.close();
  assert.ok(origin.workers[1]!.ended);
  third!.tabs.close();
  await turn();
  assert.ok(origin.workers.slice(1).every(({ ended }) => ended) && !origin.locks.held(name));
});

test("a tab that vanishes gives up what it had", async (t) => {
  const origin = new Origin(t);
  const [first, second] = [origin.open(), origin.open()];
  await first!.connect();
  await second!.connect();
  await second!.ask("add");
  origin.workers[0]!.answer({ id: "a".repeat(40) });
  await second!.crash();
  assert.deepEqual(origin.workers[0]!.methods(), ["add", "remove"]);
  first!.tabs.close();
});

test("without a service worker each tab is alone", async (t) => {
  const origin = new Origin(t);
  const pages = [origin.open(false), origin.open(false)];
  for (const page of pages) await page.connect();
  assert.ok(pages[0]!.link && pages[1]!.link);
  assert.equal(origin.workers.length, 2);
  pages[0]!.tabs.close();
  await turn();
  assert.equal(lost(pages[1]!.told), 0);
  assert.ok(!origin.locks.held(name), "it waits for what it has no use for");
  pages[1]!.tabs.close();
});

/** Lets seconds pass. */
async function pass(t: TestContext, seconds: number): Promise<void> {
  for (let n = 0; n < seconds * 4; n++) {
    t.mock.timers.tick(250);
    await turn();
  }
}

test("a tab that does not answer loses the engine, and has that of the other once it does", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const origin = new Origin(t);
  const [first, second] = [origin.open(), origin.open()];
  await first!.connect();
  first!.freeze();
  await second!.connect();
  await pass(t, 4);
  assert.equal(second!.link, null);
  await pass(t, 2);
  assert.ok(second!.link);
  assert.equal(origin.workers.length, 2);
  assert.equal(lost(first!.told), 1, "two tabs run an engine for all");
  assert.ok(origin.workers[0]!.ended);
  // It cannot hear the other, and does not rob it in its turn.
  await first!.connect();
  await pass(t, 6);
  assert.ok(first!.link);
  assert.equal(lost(second!.told), 0);
  assert.equal(origin.workers.length, 3);
  first!.tabs.close();
  second!.tabs.close();
});

test("a tab that falls silent is noticed", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const origin = new Origin(t);
  const [first, second] = [origin.open(), origin.open()];
  await first!.connect();
  await second!.connect();
  await pass(t, 60);
  assert.equal(lost(second!.told), 0);
  first!.freeze();
  await pass(t, 15);
  assert.equal(lost(second!.told), 0);
  await pass(t, 10);
  assert.equal(lost(second!.told), 1);
  await second!.connect();
  await pass(t, 6);
  assert.ok(second!.link);
  await second!.ask("kept");
  assert.deepEqual(origin.workers.map((worker) => worker.methods()), [[], ["kept"]]);
  first!.tabs.close();
  second!.tabs.close();
});

test("pages of other versions and settings have other engines", () => {
  const names = [engineName("one", true, false), engineName("one", false, true), engineName("other", true, false)];
  assert.equal(new Set(names).size, 3);
});

test("the service worker passes on notes alone", async () => {
  const heard: unknown[] = [];
  const client = { postMessage: (message: unknown) => heard.push(message) };
  const clients = { get: async (id: string) => (id === "b" ? client : undefined), matchAll: async () => [client, client] };
  for (const data of [null, "text", {}, { shoalPing: true }]) assert.equal(passOn({ data, source: null, ports: [] }, clients), null);
  const note = { name, tab: "t" };
  await passOn({ data: { shoalNote: { ...note, say: "seek" } }, source: { id: "a" }, ports: [] }, clients);
  await passOn({ data: { shoalNote: { ...note, say: "port", to: "b" } }, source: { id: "a" }, ports: [] }, clients);
  await passOn({ data: { shoalNote: { ...note, say: "port", to: "gone" } }, source: { id: "a" }, ports: [] }, clients);
  assert.deepEqual(heard.length, 3);
  assert.deepEqual(heard[2], { shoalNote: { ...note, say: "port", to: "b", from: "a" } });
});
