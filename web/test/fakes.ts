// What the client needs of a browser, for tests that have none: a worker that answers by a
// script, and a page around it.

import type { Call, CallMessage, EngineEvent, FromWorker, Method } from "../src/protocol";
import { Shoal, type Options } from "../src/shoal";

export const id = "ab".repeat(20);

/** Lets what has been promised happen. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class FakeWorker {
  static last: FakeWorker;
  calls: CallMessage[] = [];
  /** What the engine answers, by method; an Error is a refusal. Without one a call waits. */
  answers: Partial<Record<Method, unknown>> = { init: { version: "1", storage: "memory" }, add: { id }, seed: { id } };
  #listeners: ((event: { data: FromWorker }) => void)[] = [];

  constructor() {
    FakeWorker.last = this;
  }
  addEventListener(type: string, listener: (event: never) => void): void {
    if (type === "message") this.#listeners.push(listener as never);
  }
  removeEventListener(): void {}
  postMessage(message: CallMessage): void {
    if (message.call === undefined) return;
    this.calls.push(message);
    queueMicrotask(() => this.answer(message));
  }
  terminate(): void {}
  answer(message: CallMessage): void {
    const result = message.method in this.answers ? this.answers[message.method] : null;
    if (result === undefined) return;
    const error = result instanceof Error ? result.message : null;
    this.say({ reply: message.call, error, result: error === null ? result : null });
  }
  say(data: FromWorker): void {
    for (const listener of this.#listeners) listener({ data });
  }
  tell(event: EngineEvent): void {
    this.say({ event });
  }
  /** The arguments of the calls of a method. */
  asked<M extends Method>(method: M): Extract<Call, { method: M }>["args"][] {
    return this.calls.filter((call) => call.method === method).map(({ args }) => args) as never;
  }
}

const nothing = { addEventListener() {}, removeEventListener() {} };
Object.assign(globalThis, {
  Worker: FakeWorker,
  window: nothing,
  document: { ...nothing, visibilityState: "visible", baseURI: "http://page.example/" },
  location: new URL("http://page.example/"),
  fetch: () => Promise.reject(new Error("there is no network")),
  matchMedia: () => ({ matches: false }),
});
Object.defineProperty(globalThis, "navigator", { configurable: true, value: {} });

export function client(options: Options = {}): { shoal: Shoal; worker: FakeWorker } {
  const shoal = new Shoal({ base: "/", serviceWorker: false, ...options });
  return { shoal, worker: FakeWorker.last };
}

export const metadata = {
  type: "metadata", id, name: "album", length: 30, pieceLength: 16, pieces: 2, magnet: "magnet:?xt=urn:btih:" + id + "&dn=album&tr=wss%3A%2F%2Fone.example%2F&tr=udp%3A%2F%2Ftwo.example%3A80",
  files: [{ index: 0, path: ["a.mp4"], length: 20, offset: 0 }, { index: 1, path: ["b", "c.txt"], length: 10, offset: 20 }],
  torrent: new Uint8Array([100, 101]), comment: "hello", createdBy: "somebody", created: 1_000_000,
} satisfies EngineEvent;

export const stats = {
  type: "stats", id, state: "downloading", progress: 0.5, have: 1, downloaded: 100, uploaded: 50, downSpeed: 10, upSpeed: 5, peers: 1, seeds: 1,
  files: [20, 0], fromWebSeeds: 0, webSeeds: 0, trackers: [],
  peerList: [{ id: "cd".repeat(20), addr: "10.0.0.1:7", client: "", kind: "webrtc", down: 10, up: 5, received: 100, sent: 50, progress: 1 }],
} satisfies EngineEvent;
