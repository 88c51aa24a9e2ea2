import assert from "node:assert/strict";
import { test } from "node:test";
import { Manners, type MannersSettings, type MannersSources } from "../src/manners";
import { monthOf, noSums, plus, Tally, type Sums, type TallyStore, type Totals } from "../src/tally";

const now = Date.UTC(2026, 10, 27);

function setUp(settings: Partial<MannersSettings> = {}, more: Partial<MannersSources> = {}) {
  const connection = Object.assign(new EventTarget(), { saveData: false, type: "wifi" });
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const battery = Object.assign(new EventTarget(), { charging: true });
  const allowed: number[] = [];
  const said: string[] = [];
  const sources = { connection, document, getBattery: async () => battery, now: () => now, ...more } as MannersSources;
  const manners = new Manners(settings, (limit) => allowed.push(limit), sources);
  manners.on("change", ({ reason, limit }) => said.push(`${reason}:${limit}`));
  manners.start();
  return { manners, allowed, said, connection, document, battery };
}

const passed = (toPeers: number, session: Partial<Sums> = {}, key = monthOf(now)) => ({
  type: "totals" as const,
  session: { ...noSums, ...session },
  key,
  month: { ...noSums, toPeers },
  ever: { ...noSums, toPeers },
});

test("without wishes everything is passed on", () => {
  const { manners, allowed } = setUp();
  assert.deepEqual(manners.state, { uploading: true, limit: Infinity, reason: "" });
  assert.deepEqual(allowed, []); // the engine need not be told
});

test("upload is capped and switched off and on while it runs", () => {
  const { manners, allowed, said } = setUp({ uploadLimit: 50_000 });
  manners.set({ upload: false });
  manners.set({ upload: false });
  manners.set({ upload: true, uploadLimit: 70_000 });
  manners.set({ uploadLimit: Infinity });
  assert.deepEqual(allowed, [50_000, 0, 70_000, Infinity]);
  assert.deepEqual(said, ["off:0", ":70000", ":Infinity"]);
  assert.equal(manners.settings.upload, true);
});

test("who saves data or is on a cellular line uploads nothing, unless told to", () => {
  const { manners, connection, said } = setUp({ uploadLimit: 9 });
  connection.saveData = true;
  connection.dispatchEvent(new Event("change"));
  connection.saveData = false;
  connection.type = "cellular";
  connection.dispatchEvent(new Event("change"));
  manners.set({ onMetered: true });
  assert.deepEqual(said, ["saveData:0", "cellular:0", ":9"]);
});

test("the state is right from the start", () => {
  const connection = Object.assign(new EventTarget(), { saveData: true, type: "wifi" });
  const { manners, allowed } = setUp({}, { connection });
  assert.equal(manners.state.reason, "saveData");
  assert.deepEqual(allowed, [0]);
});

test("hidden pages and devices on a battery pause if asked", async () => {
  const { manners, document, battery, said } = setUp({ whenHidden: false });
  battery.charging = false;
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  document.visibilityState = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  manners.set({ onBattery: false });
  await new Promise((resolve) => setImmediate(resolve));
  battery.charging = true;
  battery.dispatchEvent(new Event("chargingchange"));
  assert.deepEqual(said, ["hidden:0", ":Infinity", "battery:0", ":Infinity"]);
});

test("what a browser does not tell stands in nobody's way", async () => {
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const bare = new Manners({ onBattery: false }, () => undefined, { document, now: () => now });
  assert.equal(bare.state.uploading, true);
  const refuses = new Manners({ onBattery: false }, () => undefined, { document, now: () => now, getBattery: () => Promise.reject(new Error("no")) });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(refuses.state.uploading, true);
});

test("a month's budget ends uploads until it is raised or the month is over", () => {
  let time = now;
  const { manners, said } = setUp({ monthlyUpload: 1000 }, { now: () => time });
  manners.receive(passed(999));
  manners.receive(passed(1000));
  manners.set({ monthlyUpload: 2000 });
  manners.receive(passed(2500));
  time = Date.UTC(2026, 11, 1);
  manners.set({});
  assert.deepEqual(said, ["budget:0", ":Infinity", "budget:0", ":Infinity"]);
  manners.close();
});

test("a session's totals go on with another engine", () => {
  const { manners } = setUp();
  manners.receive(passed(0, { fromPeers: 100, toPeers: 5 }));
  manners.receive(passed(0, {}));
  manners.receive(passed(0, { fromPeers: 7 }));
  assert.deepEqual(manners.totals.session, { fromPeers: 107, fromWebSeeds: 0, toPeers: 5 });
});

test("after it was closed nothing is listened to", () => {
  const { manners, connection, document, said } = setUp({ whenHidden: false });
  manners.close();
  connection.saveData = true;
  connection.dispatchEvent(new Event("change"));
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  assert.deepEqual(said, []);
});

/** What two tabs of an origin share. */
function memoryStore(): TallyStore {
  const sums = new Map<string, Sums>();
  return {
    async add(key, more) {
      for (const at of [key, "ever"]) sums.set(at, plus(sums.get(at) ?? noSums, more));
      return { month: sums.get(key)!, ever: sums.get("ever")! };
    },
  };
}

test("tabs and visits add up, each byte once", async () => {
  const store = memoryStore();
  let last: Totals | undefined;
  const first = new Tally(store, () => undefined);
  first.take({ ...noSums, toPeers: 10 });
  await first.save();
  first.take({ ...noSums, toPeers: 15 });
  await first.save();
  const second = new Tally(store, (totals) => (last = totals));
  second.take({ ...noSums, fromPeers: 3, toPeers: 1 });
  await second.save();
  assert.deepEqual(last!.session, { fromPeers: 3, fromWebSeeds: 0, toPeers: 1 });
  assert.deepEqual(last!.ever, { fromPeers: 3, fromWebSeeds: 0, toPeers: 16 });
  second.take({ ...noSums, fromPeers: 3, toPeers: 4 }); // not saved yet
  assert.equal(last!.month.toPeers, 19);
});

test("where nothing can be kept the visit is counted", async () => {
  let last: Totals | undefined;
  const tally = new Tally({ add: () => Promise.reject(new Error("private window")) }, (totals) => (last = totals));
  tally.take({ ...noSums, toPeers: 10 });
  await tally.save();
  tally.take({ ...noSums, toPeers: 12 });
  await tally.save();
  assert.equal(last!.month.toPeers, 12);
  assert.equal(last!.ever.toPeers, 12);
});
