import assert from "node:assert/strict";
import { test } from "node:test";
import { kindOf } from "../src/mime";
import { choose, clock, savings, swarm, waiting, type Facts } from "../src/player/status";
import { words } from "../src/player/words";
import type { ShoalFile, Stats } from "../src/shoal";

const file = (path: string, length: number): ShoalFile => {
  const name = path.split("/").at(-1)!;
  return { path, name, length, kind: kindOf(name) } as ShoalFile;
};
const files = [file("readme.txt", 900), file("trailer.mp4", 100), file("cd/film.mp4", 800), file("7", 1), file("song.mp3", 300)];

test("the largest file that plays is played, unless another is named", () => {
  assert.equal(choose(files, null)?.name, "film.mp4");
  assert.equal(choose(files, "")?.name, "film.mp4");
  assert.equal(choose(files, "trailer.mp4")?.name, "trailer.mp4");
  assert.equal(choose(files, "cd/film.mp4")?.name, "film.mp4");
  assert.equal(choose(files, "4")?.name, "song.mp3");
  assert.equal(choose(files, "7")?.name, "7", "a name comes before an index");
  assert.equal(choose(files, "other.mp4"), undefined);
  assert.equal(choose(files.slice(0, 1), null), undefined);
  assert.equal(choose([], null), undefined);
});

const stats = (some: Partial<Stats>): Stats => ({ state: "downloading", peers: 0, webSeeds: 0, downloaded: 0, fromWebSeeds: 0, ...some }) as Stats;
const said = (some: Partial<Facts>): string => waiting({ stats: stats({}), known: true, shown: false, whole: -1, length: 1000, alone: 0, online: true, ...some }).text;

test("who waits is told for what", () => {
  assert.equal(said({ stats: null, known: false }), words.opening);
  assert.equal(said({ known: false }), words.looking);
  assert.equal(said({ known: false, alone: 60_000 }), words.nobody);
  assert.equal(said({ online: false }), words.offline);
  assert.equal(said({ known: false, stats: stats({ peers: 1 }) }), words.opening);
  assert.equal(said({ stats: stats({ peers: 1 }), alone: 60_000 }), words.first);
  assert.equal(said({ stats: stats({ webSeeds: 1 }), shown: true }), words.next);
  assert.equal(said({ stats: stats({ state: "seeding" }), alone: 60_000, shown: true }), words.next, "what is here needs nobody");
  assert.equal(said({ stats: stats({ peers: 1 }), whole: 500 }), words.whole + " 500\u00a0B of 1\u00a0kB");
});

test("trying again is offered where it may help", () => {
  const facts = { stats: stats({}), known: false, shown: false, whole: -1, length: 0, online: true };
  assert.equal(waiting({ ...facts, alone: 1_000 }).retry, false);
  assert.equal(waiting({ ...facts, alone: 60_000 }).retry, true);
});

test("what peers save the site is said in shares and bytes", () => {
  assert.equal(swarm(stats({ peers: 1 })), "1 peer");
  assert.equal(swarm(stats({ peers: 2, downloaded: 1000, fromWebSeeds: 250 })), "2 peers · 75% from peers");
  assert.equal(savings(stats({ downloaded: 1000, fromWebSeeds: 250 })), "750\u00a0B from peers, 250\u00a0B from the site");
});

test("times read as on a clock", () => {
  assert.deepEqual([0, 9.9, 75, 3723, NaN, Infinity].map(clock), ["0:00", "0:09", "1:15", "1:02:03", "0:00", "0:00"]);
});
