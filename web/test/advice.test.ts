import assert from "node:assert/strict";
import { test } from "node:test";
import { advise, describe, type Facts } from "../apps/share/advice";
import { Flow, Pace } from "../apps/share/pace";
import type { Stats, TrackerInfo } from "../src/protocol";

const stats = (more: Partial<Stats> = {}): Stats => ({
  state: "downloading", progress: 0, have: 0, downloaded: 0, uploaded: 0, downSpeed: 0, upSpeed: 0, peers: 0, seeds: 0,
  files: [], fromWebSeeds: 0, webSeeds: 0, peerList: [], trackers: [working], ...more,
});

const working: TrackerInfo = { url: "wss://good.example/announce", state: "working", reason: "", next: 0 };
const failed: TrackerInfo = { url: "wss://gone.example:8000/announce", state: "failed", reason: "the connection could not be opened", next: 21_000 };

const facts = (more: Partial<Facts> & { of?: Partial<Stats> } = {}): Facts => ({
  stats: stats(more.of), own: false, known: true, complete: false, down: 0, idle: Infinity, alone: 0, connected: 0, met: false,
  online: true, webrtc: true, clock: 1_000, ...more,
});

test("with nobody there the words change with time alone", () => {
  assert.equal(describe(facts()), "Looking for someone who has it…");
  assert.equal(advise(facts()), "");
  assert.equal(describe(facts({ alone: 13_000 })), "Nobody found yet, still looking…");
  assert.match(advise(facts({ alone: 13_000 })), /Nobody who has this can be reached right now/);
  assert.match(advise(facts({ alone: 13_000, met: true })), /Everybody who had this has gone away/);
});

test("a tracker that fails is named, with its reason and when it is asked again", () => {
  const words = advise(facts({ of: { trackers: [failed] } }));
  assert.match(words, /gone\.example:8000 \(the connection could not be opened\).*Next try in 20 s/);
  // As long as another one works, that is no reason to worry at once.
  assert.equal(advise(facts({ of: { trackers: [failed, working] } })), "");
  assert.match(advise(facts({ alone: 13_000, of: { trackers: [failed, working] } })), /gone\.example/);
  // Who is connected needs no tracker.
  assert.equal(advise(facts({ down: 5, of: { peers: 1, trackers: [failed] } })), "");
  assert.match(advise(facts({ own: true, of: { trackers: [failed] } })), /nobody can find what you share/);
});

test("what keeps a browser from everybody is said", () => {
  assert.match(advise(facts({ online: false })), /offline/);
  assert.match(advise(facts({ webrtc: false })), /WebRTC switched off/);
  assert.match(advise(facts({ alone: 13_000, of: { trackers: [] } })), /names no tracker that a browser can reach/);
  assert.equal(advise(facts({ alone: 13_000, of: { trackers: [], webSeeds: 1 } })), "");
});

test("those who are connected and send nothing are not praised", () => {
  const dead = facts({ idle: 11_000, connected: 60_000, of: { peers: 2 } });
  assert.equal(describe(dead), "Connected, waiting for data…");
  assert.match(advise(dead), /send nothing right now/);
  // Who has just come may need a moment.
  assert.equal(advise({ ...dead, connected: 2_000 }), "");
});

test("a sender that died is not taken for alive", () => {
  const pace = new Pace();
  pace.take(0, 1_000_000, 500_000);
  assert.equal(pace.flows(2_000), true);
  assert.equal(pace.flows(3_500), false);
  // One that brings a block every five seconds is alive.
  pace.take(10_000, 1_016_384, 3_277);
  assert.equal(pace.flows(18_000), true);
  assert.equal(pace.flows(26_000), false);
  assert.equal(new Pace().flows(0), false);

  const flow = new Flow(0);
  const at = (now: number, more: Partial<Stats>): Stats => {
    const s = stats(more);
    flow.take(now, s);
    return s;
  };
  assert.equal(flow.met, false);
  const s = at(5_000, { peers: 1, downloaded: 900_000, downSpeed: 300_000 });
  assert.equal(flow.down(6_000, s), 300_000);
  assert.equal(flow.down(9_000, s), 0);
  at(20_000, { downloaded: 900_000 });
  assert.equal(flow.met, true);
  assert.equal(flow.alone(25_000), 20_000);
});
