import assert from "node:assert/strict";
import { test } from "node:test";
import { client, FakeWorker, id, metadata, stats, turn } from "./fakes";
import Default, { Shoal, ShoalError, Torrent } from "../src/shoal";

const magnet = "magnet:?xt=urn:btih:" + id + "&dn=album";

test("a client is there at once, and what is asked of it waits until the engine runs", async () => {
  assert.equal(Default, Shoal);
  const { shoal, worker } = client({ trackers: ["wss://mine.example/"] });
  const torrent = shoal.add(magnet, { announce: ["wss://more.example/"], urlList: ["https://seed.example/"], strategy: "sequential", deselect: true });
  assert.ok(torrent instanceof Torrent);
  assert.deepEqual([torrent.infoHash, torrent.name, torrent.files.length], [id, "album", 0]);
  assert.equal(shoal.get(magnet), torrent);
  assert.equal(await shoal.ready, shoal);
  assert.equal(await torrent, torrent);
  assert.equal(await shoal.get(id), torrent);
  assert.deepEqual(shoal.torrents, [torrent]);
  assert.deepEqual(worker.calls.map(({ method }) => method), ["init", "add"]);
  assert.deepEqual(worker.asked("add")[0], {
    source: magnet, link: "", trackers: ["wss://more.example/", "wss://mine.example/"], webSeeds: ["https://seed.example/"], paused: false, deselect: true, sequential: true,
  });
  assert.ok(!("then" in torrent));
});

test("the same torrent twice is the same object, also by a source that does not say so", async () => {
  const { shoal, worker } = client();
  const first = shoal.add(magnet);
  assert.equal(shoal.add(id), first);
  await first;
  const late = shoal.add(new Uint8Array(100));
  const heard: string[] = [];
  late.on("ready", () => heard.push("ready"));
  assert.notEqual(late as Torrent, first);
  worker.tell(metadata);
  assert.equal(await late, first);
  assert.deepEqual([late.infoHash, late.name, late.files.length, heard], [id, "album", 2, ["ready"]]);
  assert.equal(shoal.torrents.length, 1);
  worker.tell(stats);
  assert.equal(late.progress, 0.5);
  await first.remove();
  assert.ok(late.destroyed);
});

test("what cannot be added rejects for who awaits it, and is an error for who does not", async () => {
  const { shoal, worker } = client();
  const told: string[] = [];
  shoal.on("error", (error) => told.push(error.message));
  await assert.rejects(shoal.add("nonsense"), { name: "SourceError" });
  assert.deepEqual(told, []);
  const torrent = shoal.add("nonsense");
  await turn();
  assert.match(told[0]!, /not a link/);
  assert.ok(torrent.destroyed);
  await assert.rejects(torrent.ready);
  worker.answers.add = new Error("the engine says no");
  const listened = shoal.add(magnet);
  listened.on("error", (error) => told.push("torrent: " + error.message));
  await turn();
  await turn();
  assert.deepEqual(told.slice(1), ["torrent: the engine says no"]);
  assert.deepEqual([shoal.torrents.length, shoal.get(id)], [0, undefined]);
  await listened.destroy(); // nothing is there to end
});

test("callbacks are called when a torrent is ready", async () => {
  const { shoal, worker } = client();
  const called: string[] = [];
  shoal.on("torrent", () => called.push("torrent"));
  shoal.on("seed", () => called.push("seed"));
  const added = shoal.add(magnet, (torrent) => called.push("callback " + torrent.name));
  await added;
  assert.deepEqual(called, []);
  worker.tell(metadata);
  await turn();
  assert.deepEqual(called, ["callback album", "torrent"]);
  let removed: unknown = "not called";
  await shoal.remove(id, { destroyStore: true }, (error) => (removed = error));
  await turn();
  assert.equal(removed, null);
  assert.deepEqual(worker.asked("remove"), [{ id, deleteData: true }]);
  await assert.rejects(shoal.remove(id), ShoalError);
  const seeded = shoal.seed(new File(["x"], "x.txt"), { announce: ["wss://t.example/"] }, () => called.push("seeded"));
  await seeded;
  worker.tell(metadata);
  await turn();
  assert.deepEqual(called.slice(2), ["seeded", "torrent", "seed"]);
  const { files, name, trackers } = worker.asked("seed")[0]!;
  assert.deepEqual([files.map(({ path }) => path), name, trackers], [[["x.txt"]], "x.txt", ["wss://t.example/"]]);
});

test("bytes and lists can be seeded, with a name of their own", async () => {
  const { shoal, worker } = client();
  await shoal.seed(new Uint8Array(5), { name: "five.bin" });
  await shoal.seed([new Blob(["1"]), new File(["2"], "b")], { name: "two" });
  await assert.rejects(shoal.seed([]), /no file/);
  const [one, two] = worker.asked("seed");
  assert.deepEqual([one!.name, one!.files.map(({ file, path }) => [file.size, path])], ["five.bin", [[5, ["five.bin"]]]]);
  assert.deepEqual([two!.name, two!.files.map(({ path }) => path)], ["two", [["two"], ["b"]]]);
});

test("speeds, progress and limits are those of all torrents", async () => {
  const { shoal, worker } = client({ maxConns: 7, downloadLimit: 1000, tracker: { rtcConfig: { iceServers: [{ urls: ["turn:t.example:1"], username: "u", credential: "p" }] } } });
  await shoal.add(magnet);
  worker.tell(metadata);
  worker.tell(stats);
  assert.deepEqual([shoal.downloadSpeed, shoal.uploadSpeed, shoal.progress, shoal.ratio], [10, 5, 0.5, 0.5]);
  await shoal.throttleUpload(0);
  await shoal.throttleDownload(-1);
  const allowed = -1; // by the other pages that use the engine
  assert.deepEqual(worker.asked("limits"), [{ down: 1000, up: -1, allowed }, { down: 1000, up: 0, allowed }, { down: -1, up: 0, allowed }]);
  await assert.rejects(shoal.throttleDownload("fast" as never), /number/);
  assert.deepEqual([worker.asked("init")[0]!.maxPeers, shoal.iceServers], [7, [{ urls: ["turn:t.example:1"], username: "u", credential: "p" }]]);
});

test("an engine that does not start is told to all who wait", async () => {
  FakeWorker.prototype.answer = (() => {
    const plain = FakeWorker.prototype.answer;
    return function (this: FakeWorker, message) {
      if (message.method === "init") this.answers.init = new Error("no WebAssembly");
      plain.call(this, message);
    };
  })();
  const { shoal } = client();
  await assert.rejects(shoal.add(magnet), /no WebAssembly/);
  await assert.rejects(shoal.ready, /no WebAssembly/);
  await assert.rejects(shoal.throttleDownload(5), /no WebAssembly/);
  await assert.rejects(Shoal.create({ base: "/", serviceWorker: false }), /no WebAssembly/);
});
