import { Emitter } from "./emitter";
import { ShoalError, type Engine } from "./engine";
import { ShoalFile } from "./file";
import { keepFor } from "./persist";
import { told, type Callback } from "./promises";
import type { Calls, EngineEvent, MetadataEvent, Method, Stats, TorrentStorage } from "./protocol";
import { priorityOf, type Wanted } from "./priority";
import { magnetTrackers } from "./source";
import { Wires, type Wire } from "./wire";
import { zipName } from "./zipname";

/** How a torrent reaches the rest of the client. */
export interface Context {
  engine: Engine;
  /** Resolves to true once stream URLs work, to false if they never will. */
  streaming: Promise<boolean>;
  streamURL(id: string, file: number | string, name: string): string | null;
  forget(torrent: Torrent): void;
  /** An error that nobody listens to. */
  unheard(error: ShoalError): void;
}

/** @internal The engine's events that name a torrent. */
export type TorrentEvent = Exclude<EngineEvent, { type: "hashing" | "totals" }> & { id: string };

export interface TorrentEvents {
  /** `id` is final: the engine has accepted the torrent. */
  infoHash: Torrent;
  /** Name and files are known; again when a better link has told of more trackers or web seeds, or the .torrent has become complete. */
  metadata: Torrent;
  /** Once, behind the first `metadata`: what was here already is verified. */
  ready: Torrent;
  /** At most 4 a second, only when something changed. */
  stats: Stats;
  /** Bytes that have come since the last one; at most 4 a second. */
  download: number;
  /** Bytes that were sent since the last one; at most 4 a second. */
  upload: number;
  /** A peer's handshake is done. */
  wire: Wire;
  /** A tracker knows nobody else, and there is no peer. */
  noPeers: "tracker";
  /** The index of a piece that is there; those that are there already come when somebody begins to listen. */
  verified: number;
  /** Everything that is wanted is there; again after more was selected. */
  done: Torrent;
  /** Where the torrent is kept is known, or has changed: look for `full`. */
  storage: TorrentStorage;
  /** Something failed, and the torrent goes on. */
  warning: ShoalError;
  /** The torrent cannot go on, or could not be added. Where nobody listens, the client's `error` is told. */
  error: ShoalError;
  removed: Torrent;
}

export interface RemoveOptions {
  /** Also free what is stored. Default false. */
  deleteData?: boolean;
  /** The name that webtorrent.js has for `deleteData`. */
  destroyStore?: boolean;
}

const noStats: Stats = {
  state: "metadata",
  progress: 0,
  have: 0,
  downloaded: 0,
  uploaded: 0,
  downSpeed: 0,
  upSpeed: 0,
  peers: 0,
  seeds: 0,
  files: [],
  fromWebSeeds: 0,
  webSeeds: 0,
  peerList: [],
  trackers: [],
};

/** One torrent of the page. Until `ready` resolves it has no files. */
export class Torrent extends Emitter<TorrentEvents> {
  /** Resolves when name and files are known; rejects when the torrent is removed before, or could not be added. */
  readonly ready: Promise<this>;
  /** True for a torrent that was made from files of this page. */
  own: boolean;
  /** What the magnet link says, or "", until `ready`. */
  name = "";
  /** Bytes, without padding. */
  length = 0;
  pieceLength = 0;
  pieces = 0;
  files: readonly ShoalFile[] = [];
  magnet: string;
  /** The .torrent file; null until `ready`, and while its piece layers (BEP 52) are not known. */
  torrentFile: Uint8Array | null = null;
  stats: Stats = noStats;
  done = false;
  /** Nobody is connected to, served or asked until `resume`. */
  paused: boolean;
  /** It was removed, could not be added, or the client was closed. */
  destroyed = false;
  /** Where its pieces are; null until `ready`. */
  storage: TorrentStorage | null = null;
  /** What the .torrent says, "" where it is not at hand. */
  comment = "";
  createdBy = "";
  /** When the .torrent was made, null where it does not say. */
  created: Date | null = null;
  readonly #context: Context;
  #id: string;
  #announce: readonly string[];
  #settle!: { resolve(torrent: Torrent): void; reject(error: Error): void };
  #accepted!: { resolve(): void; reject(error: Error): void };
  /** The engine knows it. */
  readonly #there: Promise<void>;
  #unfinished: ShoalFile[] = [];
  readonly #wires = new Wires();
  /** `verified` events are asked for, and the pieces that were told of. */
  #watching = false;
  #had: Uint8Array = new Uint8Array();
  /** Calls of pause and resume under way: what statistics say of it is older. */
  #pausing = 0;
  #chosen: Promise<unknown> = Promise.resolve();
  /** Further objects of the same torrent, and what they are told when they join. */
  readonly #twins: Torrent[] = [];
  readonly #said = new Map<string, TorrentEvent>();

  /** @internal `id` may be "" until the engine has accepted it. */
  constructor(context: Context, id: string, own: boolean, options: { paused?: boolean; announce?: readonly string[] } = {}) {
    super();
    this.#context = context;
    this.#id = id;
    this.own = own;
    this.paused = options.paused ?? false;
    this.#announce = options.announce ?? [];
    this.magnet = id && "magnet:?xt=urn:btih:" + id;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve: resolve as (torrent: Torrent) => void, reject };
    });
    this.#there = new Promise((resolve, reject) => {
      this.#accepted = { resolve, reject };
    });
    this.ready.catch(() => undefined);
    this.#there.catch(() => undefined);
  }

  /** 40 hex digits: the v1 info hash, or the first 20 bytes of the v2 one. "" until `infoHash` where the source does not say it. */
  get id(): string {
    return this.#id;
  }

  get infoHash(): string {
    return this.#id;
  }

  get magnetURI(): string {
    return this.magnet;
  }

  get torrentFileBlob(): Blob | null {
    return this.torrentFile && new Blob([this.torrentFile as Uint8Array<ArrayBuffer>], { type: "application/x-bittorrent" });
  }

  /** Its trackers, also those that a browser cannot reach. */
  get announce(): readonly string[] {
    return this.#announce;
  }

  /** Verified share of what is wanted, 0 to 1. */
  get progress(): number {
    return this.stats.progress;
  }

  /** Verified bytes, those of earlier visits among them. */
  get downloaded(): number {
    return this.files.reduce((sum, file) => sum + file.downloaded, 0);
  }

  /** Bytes that came over the network since the torrent was added. */
  get received(): number {
    return this.stats.downloaded;
  }

  get uploaded(): number {
    return this.stats.uploaded;
  }

  /** Bytes a second. */
  get downloadSpeed(): number {
    return this.stats.downSpeed;
  }

  get uploadSpeed(): number {
    return this.stats.upSpeed;
  }

  /** What was sent by what was received, or by the torrent's length where nothing was. */
  get ratio(): number {
    return this.uploaded / (this.received || this.length) || 0;
  }

  /** Web seeds are no peers. */
  get numPeers(): number {
    return this.stats.peers;
  }

  /** Milliseconds; Infinity while nothing comes. */
  get timeRemaining(): number {
    if (this.done) return 0;
    return this.downloadSpeed > 0 ? ((this.length * (1 - this.progress)) / this.downloadSpeed) * 1000 : Infinity;
  }

  /** Has the pieces from `start` to `end`, which is included, fetched; above 0 before others, below 0 after them. */
  async select(start: number, end: number, priority: Wanted = 0): Promise<void> {
    await this.#choose(start, end, priority);
  }

  /** Has the pieces from `start` to `end`, which is included, not fetched. Reading them works all the same. */
  async deselect(start: number, end: number): Promise<void> {
    await this.#choose(start, end, false);
  }

  /** Has the pieces from `start` to `end`, which is included, fetched before everything else. */
  async critical(start: number, end: number): Promise<void> {
    await this.ready;
    await this.call("critical", { first: start, last: this.#last(end) });
  }

  /** Ends every connection and announces no more. What is here can still be read. */
  pause(): Promise<void> {
    return this.#pause(true);
  }

  resume(): Promise<void> {
    return this.#pause(false);
  }

  /** Rejects: a browser lets no page connect to an address. Peers come from trackers and from other peers. */
  addPeer(_address: unknown): Promise<never> {
    return Promise.reject(
      new ShoalError("A browser lets no page connect to an address. Peers are found by the torrent's trackers: announce it to a tracker that the other side uses too."),
    );
  }

  /** Asks one more server for the torrent's content (BEP 19), for as long as the torrent is here. */
  async addWebSeed(url: string): Promise<void> {
    const { protocol, href } = new URL(url);
    if (!protocol.startsWith("http")) throw new ShoalError("A web seed has an address that begins with https:// or http://.");
    await this.call("webSeed", { url: href });
  }

  /** Ends the torrent in this page; `deleteData` also frees what it stored. */
  remove(options: RemoveOptions | Callback<void> = {}, callback?: Callback<void>): Promise<void> {
    return typeof options === "function" ? told(this.#remove({}), options) : told(this.#remove(options), callback);
  }

  /** The name that webtorrent.js has for `remove`. */
  destroy(options?: RemoveOptions | Callback<void>, callback?: Callback<void>): Promise<void> {
    return this.remove(options, callback);
  }

  /**
   * An address at which files of the torrent, by default all, come as one zip archive while
   * they arrive; null where no service worker serves this page.
   */
  zipURL(files: readonly ShoalFile[] = this.files): string | null {
    const indices = files.map((file) => file.index).sort((a, b) => a - b);
    return this.#context.streamURL(this.id, zipName(indices), this.name + ".zip");
  }

  /**
   * Starts again what had failed. One that was `full` is kept as a whole again; this fails
   * while there is still no room for it.
   */
  async retry(): Promise<void> {
    await this.call("retry", {});
  }

  async #remove(options: RemoveOptions): Promise<void> {
    try {
      await this.#there;
    } catch {
      return; // it could not be added
    }
    if (this.destroyed) return;
    await this.call("remove", { deleteData: options.deleteData ?? options.destroyStore ?? false });
    this.#context.forget(this);
    this.#gone("the torrent was removed");
  }

  #gone(message: string): void {
    for (const torrent of [this, ...this.#twins]) {
      torrent.closed(message);
      torrent.emit("removed", torrent);
    }
  }

  async #choose(start: number, end: number, wanted: Wanted): Promise<void> {
    await this.choose(() => this.call("pieces", { first: start, last: this.#last(end), priority: priorityOf(wanted) }));
  }

  /** @internal Has something chosen once it is known what there is. Of choices the last word holds, so they go out one by one. */
  choose(call: () => Promise<unknown>): Promise<unknown> {
    const chosen = this.#chosen.then(() => this.ready).then(call);
    this.#chosen = chosen.catch(() => undefined);
    return chosen;
  }

  /** An end that is no number, as what `pieces.length` of other clients leaves, is the torrent's. */
  #last(end: number): number {
    return Number.isNaN(end) ? this.pieces - 1 : end;
  }

  async #pause(on: boolean): Promise<void> {
    this.paused = on;
    this.#pausing++;
    try {
      await this.call("pause", { on });
    } finally {
      this.#pausing--;
    }
  }

  /** @internal Calls the engine about this torrent, once that knows it. */
  async call<M extends Method>(method: M, args: Omit<Calls[M]["args"], "id">, transfer?: Transferable[]): Promise<Calls[M]["result"]> {
    await this.#there;
    return this.#context.engine.call(method, { ...args, id: this.#id } as unknown as Calls[M]["args"], transfer);
  }

  protected override listening(name: keyof TorrentEvents): void {
    if (name !== "verified" || this.#watching) return;
    this.#watching = true;
    this.call("watch", {}).catch(() => undefined);
  }

  /** @internal The engine knows it, by this name. */
  accept(id: string): void {
    this.#id = id;
    this.magnet ||= "magnet:?xt=urn:btih:" + id;
    this.#accepted.resolve();
    this.emit("infoHash", this);
  }

  /** @internal Another object of the same torrent is told whatever this one is. */
  join(twin: Torrent): void {
    this.#twins.push(twin);
    twin.accept(this.#id);
    for (const event of this.#said.values()) twin.receive(event);
  }

  /** @internal It could not be added. */
  fail(error: Error): void {
    this.#accepted.reject(error);
    this.closed(error.message);
  }

  /** @internal The client is closed, or the torrent has come to its end. */
  closed(message: string): void {
    this.destroyed = true;
    this.#settle.reject(new ShoalError(message));
  }

  /** @internal */
  complain(error: ShoalError): void {
    if (!this.emit("error", error)) this.#context.unheard(error);
  }

  /** @internal */
  receive(event: TorrentEvent): void {
    for (const twin of this.#twins) twin.receive(event);
    switch (event.type) {
      case "metadata":
        this.#said.set(event.type, event);
        this.#learn(event);
        break;
      case "stats":
        this.#said.set(event.type, event);
        this.#count(event);
        break;
      case "done":
        this.#said.set(event.type, event);
        this.done = true;
        if (this.storage?.kind === "opfs") keepFor(this.length);
        this.emit("done", this);
        break;
      case "storage":
        this.#said.set(event.type, event);
        this.storage = { kind: event.kind, full: event.full, message: event.message };
        this.emit("storage", this.storage);
        break;
      case "noPeers":
        this.emit("noPeers", event.announceType);
        break;
      case "verified":
        this.#verify(event.have);
        break;
      case "warning":
        this.emit("warning", new ShoalError(event.message));
        break;
      case "error":
        this.complain(new ShoalError(event.message));
    }
  }

  #verify(have: Uint8Array): void {
    const had = this.#had;
    this.#had = have;
    have.forEach((bits, i) => {
      let fresh = bits & ~(had[i] ?? 0);
      for (let piece = 8 * i; fresh & 255; piece++, fresh <<= 1) if (fresh & 128) this.emit("verified", piece);
    });
  }

  /** Takes what is in the torrent, or what a further link or .torrent of it has told. */
  #learn(event: MetadataEvent): void {
    this.magnet = event.magnet;
    this.torrentFile = event.torrent ?? this.torrentFile;
    this.#announce = magnetTrackers(event.magnet);
    this.comment = event.comment;
    this.createdBy = event.createdBy;
    this.created = event.created > 0 ? new Date(event.created * 1000) : null;
    const first = this.files.length === 0;
    if (first) {
      this.name = event.name;
      this.length = event.length;
      this.pieceLength = event.pieceLength;
      this.pieces = event.pieces;
      this.files = event.files.map((info, position) => new ShoalFile(this.#context, this, info, position));
      this.#unfinished = [...this.files];
      this.#settle.resolve(this);
    }
    this.emit("metadata", this);
    if (first) this.emit("ready", this);
  }

  #count(stats: Stats): void {
    const { downloaded, uploaded } = this.stats;
    this.stats = stats;
    if (stats.state === "downloading" || stats.state === "seeding") this.done = stats.state === "seeding";
    if (this.#pausing === 0) this.paused = stats.state === "paused";
    this.emit("stats", stats);
    if (stats.downloaded > downloaded) this.emit("download", stats.downloaded - downloaded);
    if (stats.uploaded > uploaded) this.emit("upload", stats.uploaded - uploaded);
    for (const wire of this.#wires.take(stats.peerList)) this.emit("wire", wire);
    this.#unfinished = this.#unfinished.filter((file) => !file.settle());
  }
}
