import assert from "node:assert/strict";
import { test } from "node:test";
import { pullStream, type OpenReader } from "../src/pull";

/** A reader as the engine has it, over the bytes 0, 1, 2 and so on. */
function reader(chunk: number, log: unknown[], answer?: (asked: number) => unknown): OpenReader {
  return (start, end, port) => {
    let at = start;
    let asked = 0;
    log.push([start, end]);
    port.onmessage = ({ data }: MessageEvent<boolean>) => {
      if (!data) {
        log.push("cancelled");
        return port.close();
      }
      const given = answer?.(++asked);
      if (given !== undefined) return port.postMessage(given);
      const bytes = Uint8Array.from({ length: Math.min(chunk, end - at) }, (_, i) => at + i);
      at += bytes.length;
      port.postMessage(bytes.length > 0 ? bytes : null);
    };
  };
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<number[]> {
  const out: number[] = [];
  for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) out.push(...chunk);
  return out;
}

test("a stream gives the span and releases its reader", async () => {
  const log: unknown[] = [];
  let done = 0;
  const { stream } = pullStream(reader(4, log), 3, 14, { done: () => done++ });
  assert.deepEqual(await drain(stream), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(log, [[3, 14], "cancelled"]);
  assert.equal(done, 1);
});

test("an empty span opens no reader", async () => {
  const log: unknown[] = [];
  assert.deepEqual(await drain(pullStream(reader(4, log), 5, 5).stream), []);
  assert.deepEqual(log, []);
});

test("a cancelled stream cancels its reader", async () => {
  const log: unknown[] = [];
  const { stream } = pullStream(reader(4, log), 0, 1000);
  const taken = stream.getReader();
  await taken.read();
  await taken.cancel();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(log.at(-1), "cancelled");
});

test("an error, an early end and too many bytes fail the stream", async () => {
  const bad: [unknown, RegExp][] = [
    [{ error: "the torrent was removed" }, /the torrent was removed/],
    [null, /ended early/],
    [new Uint8Array(11), /not file data/],
    ["text", /not file data/],
  ];
  for (const [given, want] of bad) {
    let done = 0;
    const { stream } = pullStream(reader(4, [], () => given), 0, 10, { done: () => done++ });
    await assert.rejects(drain(stream), want);
    assert.equal(done, 1);
  }
});

test("a stream whose reader is gone asks another one, from where it is", async () => {
  const log: unknown[] = [];
  let answered = 0;
  const silent: OpenReader = (_, __, port) => {
    port.onmessage = ({ data }) => {
      if (!data) port.close();
      else if (answered++ === 0) port.postMessage(Uint8Array.of(0, 1, 2, 3));
    };
  };
  const pull = pullStream((from, to, port) => (answered === 0 ? silent : reader(100, log))(from, to, port), 0, 10);
  const drained = drain(pull.stream);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(answered, 2, "it waits for more");
  pull.reopen();
  assert.deepEqual(await drained, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  pull.reopen(); // it has ended
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(log, [[4, 10], "cancelled"]);
});
