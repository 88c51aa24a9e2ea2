import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine, type Fed } from "../src/engine";
import { Hub } from "../src/hub";
import type { Link, Receive } from "../src/link";
import type { CallMessage, EngineEvent } from "../src/protocol";
import { alone } from "../src/tabs";
import { FakeWorker, turn } from "./tabfakes";

const id = "a".repeat(40);

function setUp() {
  const workers: FakeWorker[] = [];
  const log: string[] = [];
  const engine = new Engine(
    alone(
      new Hub({
        spawn: () => {
          workers.push(new FakeWorker());
          return workers.at(-1) as unknown as Worker;
        },
        attach: () => {
          log.push("attached");
          return () => log.push("detached");
        },
      }),
    ),
    {
      event: (event: EngineEvent) => log.push(event.type + ("message" in event ? " " + event.message : "")),
      restarted: (error) => log.push("restarted: " + error.message),
      fatal: (error) => log.push("fatal: " + error.message),
    },
  );
  const started = async () => {
    const ready = engine.call("init", { maxPeers: 5 });
    await turn();
    workers[0]!.answer({ version: "1" });
    await ready;
  };
  const added = async () => {
    const made = engine.call("add", { source: "magnet:?x", trackers: [], link: "" });
    await turn();
    workers.at(-1)!.answer({ id });
    await made;
  };
  return { engine, workers, log, started, added };
}

const metadata = { type: "metadata", id, name: "n", length: 1, pieceLength: 1, pieces: 1, files: [], magnet: "", torrent: new Uint8Array([1]) } as const;

test("after a crash another engine goes on where the one was", async () => {
  const { engine, workers, log, started, added } = setUp();
  await started();
  await added();
  workers[0]!.say({ event: metadata });
  for (const on of [false, true]) {
    const chosen = engine.call("select", { id, file: 3, on });
    await turn();
    workers[0]!.answer();
    await chosen;
  }
  workers[0]!.say({ event: { type: "done", id } });
  const told: string[] = [];
  const stream: Fed = { reopen: () => told.push("reopen"), fail: (message) => told.push(message) };
  engine.feeds(stream);
  const reading = engine.call("read", { id });
  const lost = engine.call("seed", {}).catch((err: Error) => err.message);
  await turn();
  log.length = 0;

  workers[0]!.crash();
  workers[0]!.crash(); // it says so twice
  assert.equal(await lost, "out of memory");
  await reading; // its stream asks again
  assert.equal(workers.length, 2);
  assert.ok(workers[0]!.ended);
  assert.deepEqual(log, ["detached", "attached"], "the connections of the old one are still open");
  const late = engine.call("remove", { id: "b".repeat(40) });
  for (const result of [{ version: "1" }, { id }, null]) {
    await turn();
    assert.deepEqual(told, []);
    workers[1]!.answer(result);
  }
  await turn();
  await turn();
  assert.deepEqual(workers[1]!.calls.map(({ method }) => method), ["init", "add", "select", "remove"]);
  assert.deepEqual(workers[1]!.calls[1]!.args, { source: metadata.torrent, trackers: [], link: "magnet:?x" });
  assert.deepEqual(workers[1]!.calls[2]!.args, { id, file: 3, on: true });
  assert.deepEqual(told, ["reopen"]);
  workers[1]!.answer();
  await late;
  workers[1]!.say({ event: { type: "done", id } }); // the page knows
  workers[0]!.say({ event: { type: "error", message: "from beyond" } });
  assert.deepEqual(log, ["detached", "attached", "restarted: out of memory"]);
});

test("what the next engine refuses is said, and the rest goes on", async () => {
  const { workers, log, started, added } = setUp();
  await started();
  await added();
  workers[0]!.say({ fatal: "the engine stopped unexpectedly" });
  await turn();
  workers[1]!.answer({ version: "1" });
  await turn();
  workers[1]!.answer(null, "the file is gone");
  await turn();
  assert.deepEqual(log.slice(-2), ["error the file is gone", "restarted: the engine stopped unexpectedly"]);
});

test("an engine that never ran, or does not stay, is not started for ever", async () => {
  const first = setUp();
  const ready = first.engine.call("init", {}).catch((err: Error) => err.message);
  await turn();
  first.workers[0]!.crash("no WebAssembly");
  assert.equal(await ready, "no WebAssembly");
  assert.deepEqual([first.workers.length, first.log.at(-1)], [1, "fatal: no WebAssembly"]);

  const { engine, workers, log, started } = setUp();
  await started();
  let failed = "";
  engine.feeds({ reopen: () => {}, fail: (message) => (failed = message) });
  for (let n = 0; n < 4; n++) {
    workers.at(-1)!.crash();
    await turn();
  }
  assert.equal(workers.length, 4);
  assert.ok(workers.every(({ ended }) => ended));
  assert.deepEqual([log.at(-1), failed], ["fatal: out of memory", "out of memory"]);
  assert.equal(log.filter((line) => line === "attached").length, log.filter((line) => line === "detached").length);
  await assert.rejects(engine.call("add", {}), /out of memory/);
});

test("closing waits until the engine has said goodbye", async () => {
  const { engine, workers, log, started } = setUp();
  await started();
  let failed = "";
  engine.feeds({ reopen: () => {}, fail: (message) => (failed = message) });
  const waiting = engine.call("add", {}).catch((err: Error) => err.message);
  await turn();
  const closed = engine.close("closed");
  await assert.rejects(engine.call("add", {}), /closed/);
  assert.equal(workers[0]!.calls.at(-1)!.method, "close");
  assert.ok(!workers[0]!.ended);
  workers[0]!.answer();
  await closed;
  await engine.close("closed"); // again
  assert.ok(workers[0]!.ended);
  assert.deepEqual([await waiting, failed, log.at(-1)], ["closed", "closed", "detached"]);
});

test("a removed torrent does not come back", async () => {
  const { engine, workers, started, added } = setUp();
  await started();
  await added();
  const gone = engine.call("remove", { id });
  await turn();
  workers[0]!.answer();
  await gone;
  workers[0]!.crash();
  await turn();
  workers[1]!.answer();
  await turn();
  assert.deepEqual(workers[1]!.calls.map(({ method }) => method), ["init"]);
});

test("limits outlive a crash, as the last calls have left them", async () => {
  const { engine, workers, started, added } = setUp();
  await started();
  await added();
  for (const limits of [{ down: 5, allowed: 0 }, { allowed: 7 }]) {
    const set = engine.call("limits", limits);
    await turn();
    workers[0]!.answer();
    await set;
  }
  workers[0]!.crash();
  await turn();
  workers[1]!.answer({ version: "1" });
  await turn();
  const { method, args } = workers[1]!.calls.at(-1)!;
  assert.deepEqual([method, args], ["limits", { down: 5, up: -1, allowed: 7 }]);
});

test("what was asked of a tab that is gone is asked of the next", async () => {
  const asked: CallMessage[][] = [];
  let receive!: Receive;
  let give!: (link: Link) => void;
  const log: string[] = [];
  const source = {
    connect: (to: Receive) => {
      receive = to;
      asked.push([]);
      return new Promise<Link>((resolve) => (give = resolve));
    },
    close: () => log.push("closed"),
  };
  const open = async (): Promise<void> => {
    const calls = asked.at(-1)!;
    give({ post: (message) => calls.push(message), close: () => log.push("left") });
    await turn();
  };
  const answer = async (result: unknown): Promise<void> => {
    receive({ reply: asked.at(-1)!.at(-1)!.call, error: null, result });
    await turn();
  };
  const methods = (): string[][] => asked.map((calls) => calls.map(({ method }) => method));
  const engine = new Engine(source, {
    event: () => {},
    restarted: (error) => log.push("restarted: " + error.message),
    fatal: (error) => log.push("fatal: " + error.message),
  });
  const ready = engine.call("init", {});
  await turn();
  assert.deepEqual(methods(), [[]]); // there is no engine yet
  await open();
  await answer({ version: "1" });
  await ready;
  const first = engine.call("add", { source: "one" });
  await turn();
  await answer({ id });
  await first;
  let opened = 0;
  engine.feeds({ reopen: () => opened++, fail: () => {} });

  const added = engine.call("add", { source: "two" });
  const reading = engine.call("read", { id });
  await turn();
  for (let n = 0; n < 5; n++) receive({ lost: "gone" }); // however often, it is no crash
  await reading;
  const late = engine.call("kept", {});
  await open();
  await answer({ version: "1" });
  receive({ lost: "gone" }); // in the middle of it
  await open();
  await answer({ version: "1" });
  assert.equal(opened, 0);
  await answer({ id });
  assert.equal(opened, 1);
  assert.deepEqual(methods().at(-1), ["init", "add", "add", "kept"]);
  const two = asked.at(-1)!.find(({ args }) => (args as { source: string }).source === "two")!;
  await answer([]);
  assert.deepEqual(await late, []);
  receive({ reply: two.call, error: null, result: { id: "b".repeat(40) } });
  assert.deepEqual(await added, { id: "b".repeat(40) });
  assert.deepEqual(log.filter((line) => line !== "left"), ["restarted: gone"]);

  const closed = engine.close("closed");
  await answer(null);
  await closed;
  assert.equal(log.at(-1), "closed");
});

test("a page that is closed while it has no engine fails what waits", async () => {
  let reject!: (error: Error) => void;
  const engine = new Engine(
    { connect: () => new Promise<Link>((_, no) => (reject = no)), close: () => reject(new Error("no")) },
    { event: () => {}, restarted: () => {}, fatal: () => assert.fail("fatal") },
  );
  const waiting = engine.call("init", {});
  await Promise.all([engine.close("closed"), assert.rejects(waiting, /closed/)]);
});

test("where no worker can be made, that is said", async () => {
  const log: string[] = [];
  const engine = new Engine(
    { connect: () => Promise.reject(new Error("not allowed")), close: () => {} },
    { event: () => {}, restarted: () => {}, fatal: (error) => log.push(error.message) },
  );
  await assert.rejects(engine.call("init", {}), /not allowed/);
  assert.deepEqual(log, ["not allowed"]);
});
