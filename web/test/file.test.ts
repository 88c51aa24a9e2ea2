import assert from "node:assert/strict";
import { test } from "node:test";
import { client, id, metadata, stats, turn } from "./fakes";
import type { CallMessage } from "../src/protocol";

const content = new TextEncoder().encode("0123456789abcdefghij");

/** A torrent whose first file can be read. */
async function there() {
  const { shoal, worker } = client();
  const torrent = await shoal.add(id);
  const plain = worker.answer.bind(worker);
  worker.answer = (message: CallMessage) => {
    if (message.method === "read") {
      const { start, end, port } = message.args;
      let at = start;
      port.onmessage = ({ data }: MessageEvent<boolean>) => {
        if (!data) return port.close();
        const bytes = content.slice(at, Math.min(at + 7, end));
        at += bytes.length;
        port.postMessage(bytes);
        if (at >= end) port.close();
      };
    }
    plain(message);
  };
  worker.tell(metadata);
  worker.tell({ ...stats, files: [10, 0] });
  return { worker, torrent, film: torrent.files[0]!, text: torrent.files[1]! };
}

const words = (bytes: ArrayBuffer | Uint8Array): string => new TextDecoder().decode(bytes);

async function all(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += words(chunk);
  return text;
}

test("a file says what it is and how much of it is here", async () => {
  const { film, text } = await there();
  assert.deepEqual([film.name, film.path, film.length, film.size, film.type, film.offset], ["a.mp4", "a.mp4", 20, 20, "video/mp4", 0]);
  assert.deepEqual([text.name, text.path], ["c.txt", "b/c.txt"]);
  assert.deepEqual([film.downloaded, film.progress, film.done, film.streamURL], [10, 0.5, false, null]);
  assert.deepEqual([film.includes(1), film.includes(2), text.includes(0), text.includes(1)], [true, false, false, true]);
});

test("a file is read whole or in part, in every way", async () => {
  const { film } = await there();
  assert.equal(words(await film.arrayBuffer()), "0123456789abcdefghij");
  assert.equal(words(await film.arrayBuffer({ start: 3, end: 10 })), "3456789");
  assert.equal(words(await film.getBuffer()), "0123456789abcdefghij");
  assert.equal(await all(film), "0123456789abcdefghij");
  assert.equal(await all(film.stream({ start: 18 })), "ij");
  assert.equal(await all(film.createReadStream({ start: 3, end: 5 })), "345"); // the end is included
  const seen: number[] = [];
  const blob = await film.blob((bytes) => seen.push(bytes));
  assert.deepEqual([blob.type, blob.size, seen], ["video/mp4", 20, [7, 14, 20]]);
  const told = await new Promise((resolve) => void film.getBlob((error, value) => resolve([error, value?.size])));
  assert.deepEqual(told, [null, 20]);
  for await (const chunk of film) {
    assert.equal(words(chunk), "0123456");
    break; // ends the reader
  }
});

test("a file is wanted more, less or not at all", async () => {
  const { worker, film } = await there();
  for (const wanted of [undefined, true, 0, 5, -1, false]) await film.select(wanted);
  await film.deselect();
  assert.deepEqual(worker.asked("select").map(({ on, priority }) => [on, priority]), [
    [true, 2], [true, 2], [true, 2], [true, 3], [true, 1], [false, 0], [false, 0],
  ]);
});

test("a file is done once", async () => {
  const { worker, film, text } = await there();
  const done: string[] = [];
  for (const file of [film, text]) file.on("done", ({ name }) => done.push(name));
  worker.tell({ ...stats, files: [20, 0] });
  assert.deepEqual(done, ["a.mp4"]);
  worker.tell({ ...stats, files: [20, 10] });
  worker.tell({ ...stats, files: [20, 10] });
  assert.deepEqual(done, ["a.mp4", "c.txt"]);
});

test("a file is shown by the element that its kind needs", async () => {
  const { worker, film, text } = await there();
  const made: { localName: string; src?: string; controls?: boolean; sandbox?: string; children: unknown[] }[] = [];
  const element = (localName: string) => {
    const e = { localName, children: [] as unknown[], append: (child: unknown) => void e.children.push(child), setAttribute: (name: string, value: string) => Object.assign(e, { [name]: value }) };
    made.push(e);
    return e;
  };
  const root = element("div");
  const page = document as unknown as { createElement: typeof element; querySelector(selector: string): unknown };
  page.createElement = element;
  page.querySelector = (selector) => (selector === "#root" ? root : null);
  const shown = await film.appendTo("#root", { controls: false });
  assert.deepEqual([shown.localName, made[1]!.controls, root.children], ["video", false, [shown]]);
  assert.match(made[1]!.src!, /^blob:/);
  URL.revokeObjectURL(made[1]!.src!);
  const error = await new Promise((resolve) => void film.renderTo("#gone", resolve).catch(() => {}));
  assert.match((error as Error).message, /no element #gone/);
  await assert.rejects(film.renderTo(root as never), /shown by <video>, not by <div>/);
  await assert.rejects(text.appendTo("#root", { maxBlobLength: 5 }), /larger than the 5 bytes/);
  const note = await text.appendTo("#root");
  assert.deepEqual([note.localName, made.at(-1)!.sandbox], ["iframe", ""]); // a stranger's page runs nothing
  URL.revokeObjectURL(made.at(-1)!.src!);
  worker.tell({ ...metadata, id: "0".repeat(40) }); // of nobody
  await turn();
});
