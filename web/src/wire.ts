import type { PeerInfo } from "./protocol";

/** One peer of a torrent, as events `wire` give it. What it says is up to a quarter of a second old. */
export class Wire {
  /** 40 hex digits. */
  readonly peerId: string;
  /** "webrtc", or "webSeed". */
  readonly type: string;
  /** "address:port", a web seed's URL, or "" where the browser does not tell. */
  readonly remoteAddress: string;
  /** The connection has ended. */
  destroyed = false;
  #now: PeerInfo;

  /** @internal */
  constructor(info: PeerInfo) {
    this.#now = info;
    this.peerId = info.id;
    this.type = info.kind === "http" ? "webSeed" : info.kind;
    this.remoteAddress = info.addr;
  }

  /** What the peer calls itself, "" until it has. */
  get client(): string {
    return this.#now.client;
  }

  /** Bytes of payload that came from it. */
  get downloaded(): number {
    return this.#now.received;
  }

  /** Bytes of payload that were sent to it. */
  get uploaded(): number {
    return this.#now.sent;
  }

  /** How much of the torrent it has, 0 to 1. */
  get progress(): number {
    return this.#now.progress;
  }

  /** Bytes a second. */
  downloadSpeed(): number {
    return this.destroyed ? 0 : this.#now.down;
  }

  /** Bytes a second. */
  uploadSpeed(): number {
    return this.destroyed ? 0 : this.#now.up;
  }

  /** @internal */
  update(info: PeerInfo): void {
    this.#now = info;
  }
}

/** The wires of a torrent, kept by what the engine says of its peers. */
export class Wires {
  #all = new Map<string, Wire>();

  /** Takes what there is now, and returns those that are new. */
  take(peers: readonly PeerInfo[]): Wire[] {
    const fresh: Wire[] = [];
    const now = new Map<string, Wire>();
    for (const info of peers) {
      const key = info.id + info.addr;
      let wire = this.#all.get(key);
      if (wire) wire.update(info);
      else fresh.push((wire = new Wire(info)));
      now.set(key, wire);
      this.#all.delete(key);
    }
    for (const gone of this.#all.values()) gone.destroyed = true;
    this.#all = now;
    return fresh;
  }
}
