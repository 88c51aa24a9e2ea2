import type { Stats, Torrent } from "../../src/shoal";

const block = 16_384;
const shortest = 3_000;
const longest = 15_000;

/**
 * Whether bytes still arrive. The engine's speeds are averages that fade: of a sender
 * that has died they tell for a quarter of a minute that it goes on.
 */
export class Pace {
  #bytes = -1;
  #at = 0;
  /** Milliseconds without a byte that say something. */
  #patience = shortest;

  /** Takes what was received so far, and how fast, at `now` in milliseconds. */
  take(now: number, bytes: number, speed: number): void {
    if (bytes === this.#bytes) return;
    this.#bytes = bytes;
    this.#at = now;
    // A slow sender brings a block now and then; three of them in a row may be late.
    this.#patience = Math.min(longest, Math.max(shortest, (3_000 * block) / Math.max(1, speed)));
  }

  /** Milliseconds since the last byte. */
  idle(now: number): number {
    return this.#bytes <= 0 ? Infinity : now - this.#at;
  }

  /** Whether bytes arrive, as far as can be told. */
  flows(now: number): boolean {
    return this.idle(now) < this.#patience;
  }
}

/** How fast a torrent's bytes arrive: bytes a second, 0 once they have stopped. */
export class Flow {
  readonly #pace = new Pace();
  #met = false;
  #alone: number;
  #joined = 0;

  constructor(now: number) {
    this.#alone = this.#joined = now;
  }

  take(now: number, stats: Stats): void {
    this.#pace.take(now, stats.downloaded, stats.downSpeed);
    if (stats.peers + stats.webSeeds > 0) {
      this.#met = true;
      this.#alone = now;
    } else {
      this.#joined = now;
    }
  }

  down(now: number, stats: Stats): number {
    return this.#pace.flows(now) ? stats.downSpeed : 0;
  }

  /** Milliseconds since the last byte. */
  idle(now: number): number {
    return this.#pace.idle(now);
  }

  /** Milliseconds since anybody was connected. */
  alone(now: number): number {
    return now - this.#alone;
  }

  /** Milliseconds for which somebody has been connected, 0 while nobody is. */
  connected(now: number): number {
    return now - this.#joined;
  }

  /** Whether anybody was ever connected. */
  get met(): boolean {
    return this.#met;
  }
}

const flows = new WeakMap<Torrent, Flow>();

/** The flow of a torrent, brought up to date. */
export function flowOf(torrent: Torrent, now = performance.now()): Flow {
  let flow = flows.get(torrent);
  if (!flow) {
    flow = new Flow(now);
    flows.set(torrent, flow);
    const kept = flow;
    torrent.on("stats", (stats) => kept.take(performance.now(), stats));
  }
  flow.take(now, torrent.stats);
  return flow;
}
