import assert from "node:assert/strict";
import { test } from "node:test";
import { client, id, metadata, stats, turn } from "./fakes";
import { Journal } from "../src/journal";
import type { TorrentEvents, Wire } from "../src/shoal";

async function there() {
  const { shoal, worker } = client();
  const torrent = await shoal.add(id);
  return { shoal, worker, torrent };
}

test("a torrent says what it is, under both names", async () => {
  const { worker, torrent } = await there();
  assert.deepEqual([torrent.torrentFile, torrent.torrentFileBlob, torrent.timeRemaining, torrent.created], [null, null, Infinity, null]);
  worker.tell(metadata);
  worker.tell(stats);
  assert.equal(torrent.magnetURI, metadata.magnet);
  assert.equal(torrent.magnet, metadata.magnet);
  assert.deepEqual(torrent.announce, ["wss://one.example/", "udp://two.example:80"]);
  assert.deepEqual([torrent.comment, torrent.createdBy, torrent.created?.getTime()], ["hello", "somebody", 1_000_000_000]);
  assert.equal(torrent.torrentFileBlob?.size, 2);
  assert.deepEqual([torrent.progress, torrent.downloaded, torrent.received, torrent.uploaded, torrent.ratio], [0.5, 20, 100, 50, 0.5]);
  assert.deepEqual([torrent.downloadSpeed, torrent.uploadSpeed, torrent.numPeers, torrent.timeRemaining], [10, 5, 1, 1500]);
  worker.tell({ type: "done", id });
  assert.equal(torrent.timeRemaining, 0);
});

test("the .torrent of a hybrid is null until its piece layers are known", async () => {
  const { worker, torrent } = await there();
  worker.tell({ ...metadata, torrent: null });
  assert.equal(torrent.torrentFile, null);
  worker.tell(metadata);
  assert.equal(torrent.torrentFile?.length, 2);
});

test("events come in the order and as often as they are meant to", async () => {
  const { worker, torrent } = await there();
  const heard: unknown[] = [];
  const names: (keyof TorrentEvents)[] = ["metadata", "ready", "download", "upload", "wire", "noPeers", "verified", "done", "warning", "error"];
  for (const name of names) {
    torrent.on(name, (value) => heard.push([name, typeof value === "object" ? ((value as { message?: string }).message ?? "") : value]));
  }
  worker.tell(metadata);
  worker.tell(metadata);
  worker.tell(stats);
  worker.tell({ ...stats, downloaded: 130 });
  worker.tell({ type: "verified", id, have: new Uint8Array([0b01000000, 1]) });
  worker.tell({ type: "verified", id, have: new Uint8Array([0b11000000, 1]) });
  worker.tell({ type: "noPeers", id, announceType: "tracker" });
  worker.tell({ type: "done", id });
  worker.tell({ type: "warning", id, message: "careful" });
  worker.tell({ type: "error", id, message: "broken" });
  assert.deepEqual(heard, [
    ["metadata", ""], ["ready", ""], ["metadata", ""], ["download", 100], ["upload", 50], ["wire", ""], ["download", 30],
    ["verified", 1], ["verified", 15], ["verified", 0], ["noPeers", "tracker"], ["done", ""], ["warning", "careful"], ["error", "broken"],
  ]);
  await turn();
  assert.deepEqual(worker.asked("watch"), [{ id }]);
});

test("a wire lives as long as its peer", async () => {
  const { worker, torrent } = await there();
  const wires: Wire[] = [];
  torrent.on("wire", (wire) => wires.push(wire));
  worker.tell(stats);
  worker.tell({ ...stats, peerList: [{ ...stats.peerList[0]!, down: 99, received: 500, client: "Shoal" }] });
  const [wire] = wires;
  assert.deepEqual([wires.length, wire!.peerId, wire!.type, wire!.remoteAddress, wire!.client], [1, "cd".repeat(20), "webrtc", "10.0.0.1:7", "Shoal"]);
  assert.deepEqual([wire!.downloadSpeed(), wire!.uploadSpeed(), wire!.downloaded, wire!.uploaded], [99, 5, 500, 50]);
  worker.tell({ ...stats, peerList: [] });
  assert.deepEqual([wire!.destroyed, wire!.downloadSpeed()], [true, 0]);
  worker.tell(stats);
  assert.equal(wires.length, 2);
});

test("pieces are chosen with both ends included, once they are known", async () => {
  const { worker, torrent } = await there();
  const chosen = torrent.select(0, 1, 3);
  await turn();
  assert.deepEqual(worker.asked("pieces"), []);
  worker.tell(metadata);
  await chosen;
  await torrent.deselect(0, (torrent.pieces as unknown as unknown[]).length - 1); // as pages of webtorrent.js do
  await torrent.select(1, 1, -1);
  await torrent.critical(1, 1);
  assert.deepEqual(worker.asked("pieces"), [
    { id, first: 0, last: 1, priority: 3 }, { id, first: 0, last: 1, priority: 0 }, { id, first: 1, last: 1, priority: 1 },
  ]);
  assert.deepEqual(worker.asked("critical"), [{ id, first: 1, last: 1 }]);
  worker.answers.pieces = new Error("the torrent has no such pieces");
  await assert.rejects(torrent.select(5, 9), /no such pieces/);
});

test("of choices the last word holds, also of one that was made too early", async () => {
  const { worker, torrent } = await there();
  const early = torrent.deselect(0, 1);
  torrent.on("ready", () => void torrent.files[0]!.select());
  worker.tell(metadata);
  await early;
  await torrent.select(1, 1);
  assert.deepEqual(worker.calls.slice(2).map(({ method }) => method), ["pieces", "select", "pieces"]);
});

test("a pause holds at once, whatever statistics under way say", async () => {
  const { worker, torrent } = await there();
  worker.answers.pause = undefined;
  const paused = torrent.pause();
  assert.ok(torrent.paused);
  await turn();
  worker.tell(stats);
  assert.ok(torrent.paused);
  worker.say({ reply: worker.calls.at(-1)!.call, error: null, result: null });
  await paused;
  worker.tell({ ...stats, state: "paused" });
  assert.ok(torrent.paused);
  worker.answers.pause = null;
  await torrent.resume();
  assert.ok(!torrent.paused);
  assert.deepEqual(worker.asked("pause").map(({ on }) => on), [true, false]);
});

test("more that is selected makes a torrent undone", async () => {
  const { worker, torrent } = await there();
  worker.tell(metadata);
  worker.tell({ type: "done", id });
  assert.ok(torrent.done);
  worker.tell(stats);
  assert.ok(!torrent.done);
});

test("peers cannot be dialled from a page, and that is said", async () => {
  const { worker, torrent } = await there();
  await assert.rejects(torrent.addPeer("10.0.0.1:6881"), /no page connect/);
  await torrent.addWebSeed("https://seed.example/");
  assert.deepEqual(worker.asked("webSeed"), [{ id, url: "https://seed.example/" }]);
});

test("what was chosen, named and limited is told to the next engine, in its order", () => {
  const journal = new Journal();
  journal.note({ method: "init", args: {} as never }, null);
  journal.note({ method: "add", args: { source: "magnet:?", link: "", trackers: [] } }, { id });
  journal.note({ method: "limits", args: { down: 1, up: 2 } }, null);
  journal.note({ method: "limits", args: { down: 3 } }, null);
  for (let first = 0; first < 1000; first += 10) journal.note({ method: "pieces", args: { id, first, last: first + 9, priority: 3 } }, null);
  journal.note({ method: "select", args: { id, file: 1, on: true, priority: 2 } }, null);
  journal.note({ method: "pieces", args: { id, first: 0, last: 999, priority: 0 } }, null);
  journal.note({ method: "pause", args: { id, on: true } }, null);
  journal.note({ method: "webSeed", args: { id, url: "https://s.example/" } }, null);
  journal.note({ method: "watch", args: { id } }, null);
  journal.note({ method: "critical", args: { id, first: 0, last: 1 } }, null);
  journal.note({ method: "select", args: { id, file: 1, on: false, priority: 0 } }, null);
  assert.deepEqual(journal.calls().map(({ method }) => method), ["init", "limits", "add", "pieces", "pause", "webSeed", "watch", "select"]);
  assert.deepEqual(journal.calls()[1]!.args, { down: 3, up: 2 });
});
