import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Hub } from "../src/hub";
import type { FromEngine } from "../src/link";
import type { EngineEvent } from "../src/protocol";
import { FakeWorker, turn } from "./tabfakes";

const id = "a".repeat(40);
const metadata = { type: "metadata", id, name: "n", length: 1, pieceLength: 1, pieces: 1, files: [], magnet: "", torrent: new Uint8Array([1]) } as const;
const stats = (state: string): EngineEvent => ({ type: "stats", id, state }) as never;

/** What a page has been told, in short. */
function short(data: FromEngine): string {
  if ("event" in data) return data.event.type + ("state" in data.event ? ":" + data.event.state : "");
  if ("reply" in data) return `${data.reply}=${data.error ?? JSON.stringify(data.result)}`;
  return JSON.stringify(data);
}

function setUp(t: TestContext) {
  const workers: FakeWorker[] = [];
  const log: string[] = [];
  const hub = new Hub({
    spawn: () => {
      workers.push(new FakeWorker());
      return workers.at(-1) as unknown as Worker;
    },
    attach: () => {
      log.push("attached");
      return () => log.push("detached");
    },
    left: () => log.push("left"),
  });
  t.after(() => hub.close("")); // with the ports
  const page = () => {
    const told: string[] = [];
    const link = hub.connect((data) => told.push(short(data)));
    return { told, link, ask: (call: number, method: string, args: object = {}) => link.post({ call, method, args } as never, []) };
  };
  /** Another tab, with its end of the port. */
  const tab = () => {
    const told: string[] = [];
    const { port1, port2 } = new MessageChannel();
    let die = (): void => {};
    let watched = true;
    hub.accept(port1, (then) => {
      die = then;
      return () => (watched = false);
    });
    port2.onmessage = ({ data }) => told.push(short(data as FromEngine));
    return {
      told,
      port: port2,
      ask: async (call: number, method: string, args: object = {}, transfer: Transferable[] = []) => {
        port2.postMessage({ call, method, args }, transfer);
        await turn();
      },
      die: async () => {
        die();
        await turn();
      },
      watched: () => watched,
    };
  };
  return { hub, workers, log, page, tab };
}

test("a torrent is told to those who want it, and ends with the last of them", async (t) => {
  const { workers, page, tab } = setUp(t);
  const own = page();
  const [first, second] = [tab(), tab()];
  assert.equal(workers.length, 1);
  const worker = workers[0]!;

  await first.ask(7, "add", { source: "magnet" });
  worker.say({ event: metadata }); // before the answer that names it
  worker.answer({ id });
  await turn();
  assert.deepEqual(first.told, [`7={"id":"${id}"}`, "metadata"]);
  worker.say({ event: { type: "storage", id, kind: "opfs", full: false, message: "" } });
  worker.say({ event: stats("error") });
  worker.say({ event: { type: "error", id, message: "no" } });
  worker.say({ event: stats("downloading") }); // it is over
  worker.say({ event: { type: "done", id } });

  await second.ask(7, "add", { source: "magnet" });
  worker.answer({ id });
  await turn();
  assert.deepEqual(second.told, [`7={"id":"${id}"}`, "metadata", "storage", "stats:downloading", "done"]);
  assert.deepEqual(own.told, [], "who does not have it hears of it");

  // Again: it has missed nothing.
  await second.ask(8, "add", { source: "magnet" });
  worker.answer({ id });
  await turn();
  assert.equal(second.told.length, 6);

  await first.ask(9, "remove", { id, deleteData: true });
  assert.equal(first.told.at(-1), "9=null");
  assert.ok(!worker.methods().includes("remove"), "it was taken from the other");
  worker.say({ event: stats("seeding") });
  await turn();
  assert.equal(second.told.at(-1), "stats:seeding");
  assert.notEqual(first.told.at(-1), "stats:seeding");
  await first.ask(10, "remove", { id, deleteData: true }); // it has not got it any more
  assert.ok(!worker.methods().includes("remove"));
  await second.ask(9, "remove", { id, deleteData: true });
  assert.deepEqual([worker.methods().at(-1), worker.calls.at(-1)!.args], ["remove", { id, deleteData: true }]);
});

test("what a tab that vanishes had alone ends, and nothing else", async (t) => {
  const { workers, page, tab } = setUp(t);
  const own = page();
  const other = tab();
  const worker = workers[0]!;
  const alone = "b".repeat(40);
  await other.ask(1, "add");
  worker.answer({ id });
  await other.ask(2, "add");
  worker.answer({ id: alone });
  own.ask(1, "add");
  worker.answer({ id });
  await other.ask(3, "add"); // it is gone before it is answered
  await other.die();
  assert.ok(!other.watched());
  assert.deepEqual(worker.calls.filter(({ method }) => method === "remove").map(({ args }) => args), [{ id: alone, deleteData: false }]);
  const late = "c".repeat(40);
  worker.answer({ id: late }, null, "add");
  assert.deepEqual(worker.calls.at(-1)!.args, { id: late, deleteData: false });
  assert.equal(worker.ended, false);
});

test("the first tab's settings are those of all, and calls are told apart", async (t) => {
  const { workers, page, tab } = setUp(t);
  const own = page();
  const other = tab();
  own.ask(1, "init", { maxPeers: 5 });
  await other.ask(1, "init", { maxPeers: 9 });
  workers[0]!.answer({ version: "1" });
  await turn();
  assert.deepEqual(workers[0]!.methods(), ["init"]);
  assert.deepEqual([own.told, other.told], [['1={"version":"1"}'], ['1={"version":"1"}']]);
  own.ask(2, "kept");
  await other.ask(2, "seed");
  workers[0]!.say({ event: { type: "hashing", name: "n", done: 1, total: 2 } });
  workers[0]!.say({ event: { type: "error", message: "for all" } });
  workers[0]!.answer(null, "no files", "seed");
  workers[0]!.answer([], null, "kept");
  other.port.postMessage({ sign: "ping" });
  await turn();
  assert.deepEqual(own.told.slice(1), ["error", "2=[]"]);
  assert.deepEqual(other.told.slice(1), ["hashing", "error", "2=no files", '{"sign":"here"}']);
});

test("a reader's port goes on to the engine", async (t) => {
  const { workers, tab } = setUp(t);
  const { port1, port2 } = new MessageChannel();
  const other = tab();
  await other.ask(1, "read", { id, port: port1 }, [port1]);
  const { port } = workers[0]!.calls[0]!.args as { port: MessagePort };
  const heard = new Promise((resolve) => (port.onmessage = ({ data }) => resolve(data)));
  port2.postMessage("pull");
  assert.equal(await heard, "pull");
  port2.close();
});

test("all hear of a crash, and whoever comes first has the next engine started", async (t) => {
  const { workers, log, page, tab } = setUp(t);
  const own = page();
  const other = tab();
  await other.ask(1, "add");
  workers[0]!.crash();
  workers[0]!.crash();
  await turn();
  assert.deepEqual([own.told, other.told], [['{"fatal":"out of memory"}'], ['{"fatal":"out of memory"}']]);
  assert.deepEqual(log, ["attached", "detached"], "its connections are still open");
  assert.ok(workers[0]!.ended && !other.watched());
  own.ask(2, "kept"); // by a way that leads nowhere
  workers[0]!.say({ event: metadata });
  page();
  assert.deepEqual([workers.length, workers[1]!.calls], [2, []]);
});

test("the tab of the engine hands over when it closes it", async (t) => {
  const { hub, workers, log, page, tab } = setUp(t);
  const own = page();
  const other = tab();
  own.ask(1, "add");
  workers[0]!.answer({ id });
  own.ask(2, "close");
  await turn();
  assert.deepEqual(other.told, ['{"lost":"The tab that ran the engine has closed it."}']);
  assert.deepEqual(log, ["attached", "left"]);
  assert.equal(workers[0]!.ended, false, "it has not said goodbye");
  workers[0]!.answer();
  assert.equal(own.told.at(-1), "2=null");
  hub.close("closed");
  assert.ok(workers[0]!.ended);
  assert.equal(log.at(-1), "detached");
});

test("another tab's goodbye waits for what is stored", async (t) => {
  const { workers, page, tab } = setUp(t);
  page();
  const other = tab();
  await other.ask(1, "add");
  workers[0]!.answer({ id });
  await other.ask(2, "close");
  assert.deepEqual(workers[0]!.methods(), ["add", "remove"]);
  assert.equal(other.told.length, 1);
  workers[0]!.answer();
  await turn();
  assert.equal(other.told.at(-1), "2=null");
  other.port.postMessage({ sign: "leave" });
  await turn();
  assert.ok(!other.watched());
});

test("of limits the strictest holds, and goes with the page that set it", async (t) => {
  const { workers, page, tab } = setUp(t);
  const own = page();
  const other = tab();
  const last = (): unknown => workers[0]!.calls.filter(({ method }) => method === "limits").at(-1)!.args;
  own.ask(1, "limits", { up: 500, allowed: 300 });
  await other.ask(1, "limits", { allowed: 0, down: -1 });
  assert.deepEqual(last(), { down: -1, up: 500, allowed: 0 });
  own.ask(2, "limits", { up: -1 });
  assert.deepEqual(last(), { down: -1, up: -1, allowed: 0 });
  await other.die();
  assert.deepEqual(last(), { down: -1, up: -1, allowed: 300 });
});
