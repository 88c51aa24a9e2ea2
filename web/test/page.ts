// A small page for the tests of views: a DOM, and what of a browser it lacks.

import { Window } from "happy-dom";
import { Emitter } from "../src/emitter";
import { kindOf } from "../src/mime";
import type { Shoal, ShoalFile, Stats, Torrent } from "../src/shoal";

const window = new Window({ url: "https://shoal.example/", width: 1100, height: 800 });

export const page = window as unknown as typeof globalThis & Window;

for (const name of ["document", "location", "history", "HTMLElement", "HTMLInputElement", "HTMLTextAreaElement", "HTMLAudioElement", "Event", "CustomEvent", "MouseEvent", "localStorage", "sessionStorage", "matchMedia", "getComputedStyle", "requestAnimationFrame"] as const) {
  Object.defineProperty(globalThis, name, { configurable: true, writable: true, value: (window as unknown as Record<string, unknown>)[name] });
}
Object.defineProperty(globalThis, "window", { configurable: true, value: window });
Object.defineProperty(globalThis, "navigator", { configurable: true, value: window.navigator });
Object.defineProperty(window, "isSecureContext", { configurable: true, writable: true, value: true });
Object.assign(globalThis, {
  MediaError: { MEDIA_ERR_NETWORK: 2, MEDIA_ERR_DECODE: 3, MEDIA_ERR_SRC_NOT_SUPPORTED: 4 },
  PerformanceObserver: class { observe(): void {} },
  addEventListener: window.addEventListener.bind(window),
  removeEventListener: window.removeEventListener.bind(window),
});

// What a view plans for a minute later must not keep a test waiting.
const plan = setTimeout;
Object.assign(globalThis, {
  setTimeout: (run: () => void, ms = 0) => {
    const timer = plan(run, ms);
    return ms > 5_000 ? timer.unref() : timer;
  },
});

export const stats = (change: Partial<Stats> = {}): Stats => ({
  state: "downloading", progress: 0, have: 0, downloaded: 0, uploaded: 0, downSpeed: 0, upSpeed: 0, peers: 0, seeds: 0, files: [], fromWebSeeds: 0, webSeeds: 0, peerList: [], trackers: [], ...change,
});

/** A file as views see it; what is chosen is noted in `chosen`. */
export function file(index: number, path: string, length = 1000): ShoalFile & { chosen: boolean } {
  const name = path.split("/").at(-1)!;
  const one = {
    index, path, name, length, kind: kindOf(name), type: "", have: 0, progress: 0, done: false, streamURL: null as string | null, chosen: true,
    select: (on = true) => Promise.resolve(void (one.chosen = on)),
    blob: () => Promise.resolve(new Blob(["x".repeat(length)])),
    stream: () => new Blob(["x".repeat(length)]).stream(),
  };
  return one as unknown as ShoalFile & { chosen: boolean };
}

class FakeTorrent extends Emitter<Record<string, unknown>> {
  id = "ab".repeat(20);
  own = false;
  done = false;
  name = "";
  length = 0;
  magnet = "magnet:?xt=urn:btih:" + this.id;
  torrentFile = null;
  storage = null;
  stats = stats();
  files: ShoalFile[] = [];
  ready = new Promise(() => undefined);
  removed = false;
  zipURL = (files: readonly ShoalFile[]): string => "zip:" + files.map(({ index }) => index).join();
  remove = (): Promise<void> => Promise.resolve(void (this.removed = true));
  retry = (): Promise<void> => Promise.resolve();
}

/** A torrent as views see it, ready if it has files. */
export function torrent(change: Partial<Torrent>): Torrent & { removed: boolean } {
  const made = Object.assign(new FakeTorrent(), change);
  if (made.files.length > 0) made.ready = Promise.resolve(made);
  made.length ||= made.files.reduce((sum, { length }) => sum + length, 0);
  return made as unknown as Torrent & { removed: boolean };
}

export function shoal(change: Partial<Shoal> = {}): Shoal {
  return Object.assign(new Emitter(), { torrents: [], streaming: Promise.resolve(true), kept: () => Promise.resolve([]), forget: () => Promise.resolve() }, change) as unknown as Shoal;
}

/** Waits until something is so; a second is much more than any of these takes. */
export async function until(what: () => unknown): Promise<void> {
  for (let i = 0; i < 200 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  if (!what()) throw new Error("it did not come to that: " + String(what));
}

export const text = (element: Element): string => (element.textContent ?? "").replace(/\u00a0/g, " ").replace(/\s+/g, " ").trim();
