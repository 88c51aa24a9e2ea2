import { Emitter } from "./emitter";
import { ShoalError, type Engine } from "./engine";
import { kindOf, mimeOf, type FileKind } from "./mime";
import { keepFor } from "./persist";
import type { EngineEvent, FileInfo, MetadataEvent, Stats, TorrentStorage } from "./protocol";
import { pullStream } from "./pull";

/** How a torrent reaches the rest of the client. */
export interface Context {
  engine: Engine;
  /** Resolves to true once stream URLs work, to false if they never will. */
  streaming: Promise<boolean>;
  streamURL(id: string, file: number, name: string): string | null;
  forget(id: string): void;
}

/** @internal The engine's events that name a torrent. */
export type TorrentEvent = Exclude<EngineEvent, { type: "hashing" | "totals" }> & { id: string };

export interface TorrentEvents {
  /** Name and files are known; again when a better link has told of more trackers or web seeds. */
  metadata: Torrent;
  /** At most 4 a second, only when something changed. */
  stats: Stats;
  done: Torrent;
  /** Where the torrent is kept is known, or has changed: look for `full`. */
  storage: TorrentStorage;
  error: ShoalError;
  removed: Torrent;
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
  /** 40 hex digits: the v1 info hash, or the first 20 bytes of the v2 one. */
  readonly id: string;
  /** Resolves when name and files are known; rejects when the torrent is removed before. */
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
  /** The .torrent file, null until `ready`. */
  torrentFile: Uint8Array | null = null;
  stats: Stats = noStats;
  done = false;
  /** Where its pieces are; null until `ready`. */
  storage: TorrentStorage | null = null;
  readonly #context: Context;
  #settle!: { resolve(torrent: Torrent): void; reject(error: Error): void };

  /** @internal */
  constructor(context: Context, id: string, own: boolean) {
    super();
    this.#context = context;
    this.id = id;
    this.own = own;
    this.magnet = "magnet:?xt=urn:btih:" + id;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve: resolve as (torrent: Torrent) => void, reject };
    });
    this.ready.catch(() => undefined);
  }

  /** Ends the torrent in this page; `deleteData` also frees what it stored. */
  async remove(options: { deleteData?: boolean } = {}): Promise<void> {
    await this.#context.engine.call("remove", { id: this.id, deleteData: options.deleteData ?? false });
    this.#context.forget(this.id);
    this.#settle.reject(new Error("the torrent was removed"));
    this.emit("removed", this);
  }

  /**
   * Starts again what had failed. One that was `full` is kept as a whole again; this fails
   * while there is still no room for it.
   */
  async retry(): Promise<void> {
    await this.#context.engine.call("retry", { id: this.id });
  }

  /** @internal The client is closed. */
  closed(): void {
    this.#settle.reject(new ShoalError("Shoal was closed."));
  }

  /** @internal */
  receive(event: TorrentEvent): void {
    switch (event.type) {
      case "metadata":
        if (this.files.length === 0) this.#accept(event);
        else this.#improve(event);
        break;
      case "stats":
        this.stats = event;
        this.emit("stats", event);
        break;
      case "done":
        this.done = true;
        if (this.storage?.kind === "opfs") keepFor(this.length);
        this.emit("done", this);
        break;
      case "storage":
        this.storage = { kind: event.kind, full: event.full, message: event.message };
        this.emit("storage", this.storage);
        break;
      case "error":
        this.emit("error", new ShoalError(event.message));
    }
  }

  /** A further link or .torrent of the same torrent has told more. */
  #improve(event: MetadataEvent): void {
    this.magnet = event.magnet;
    this.torrentFile = event.torrent ?? this.torrentFile;
    this.emit("metadata", this);
  }

  #accept(event: MetadataEvent): void {
    this.name = event.name;
    this.length = event.length;
    this.pieceLength = event.pieceLength;
    this.pieces = event.pieces;
    this.magnet = event.magnet;
    this.torrentFile = event.torrent;
    this.files = event.files.map((info, position) => new ShoalFile(this.#context, this, info, position));
    this.#settle.resolve(this);
    this.emit("metadata", this);
  }
}

/** A span of a file in bytes; `end` is exclusive, as in Blob.slice. */
export interface StreamOptions {
  start?: number;
  end?: number;
}

/** One file of a torrent; reading it makes its bytes the most wanted ones. */
export class ShoalFile {
  readonly index: number;
  /** The path below the torrent's name, joined by "/". */
  readonly path: string;
  readonly name: string;
  /** Bytes. */
  readonly length: number;
  /** The MIME type that the name implies. */
  readonly type: string;
  readonly kind: FileKind;
  readonly #context: Context;
  readonly #torrent: Torrent;
  readonly #position: number;

  /** @internal */
  constructor(context: Context, torrent: Torrent, info: FileInfo, position: number) {
    this.#context = context;
    this.#torrent = torrent;
    this.#position = position;
    this.index = info.index;
    this.path = info.path.join("/");
    this.name = info.path.at(-1) ?? torrent.name;
    this.length = info.length;
    this.type = mimeOf(this.name);
    this.kind = kindOf(this.name);
  }

  /** Verified bytes so far. */
  get have(): number {
    return Math.min(this.length, this.#torrent.stats.files[this.#position] ?? 0);
  }

  /** 0 to 1. */
  get progress(): number {
    return this.length === 0 ? 1 : this.have / this.length;
  }

  get done(): boolean {
    return this.have >= this.length;
  }

  /**
   * An address for <video>, <img>, fetch and links that works while the file is
   * still arriving; null where no service worker serves this page.
   */
  get streamURL(): string | null {
    return this.#context.streamURL(this.#torrent.id, this.index, this.name);
  }

  /** The bytes, as they become available and verified. */
  stream(options: StreamOptions = {}): ReadableStream<Uint8Array<ArrayBuffer>> {
    const start = Math.max(0, options.start ?? 0);
    const end = Math.min(this.length, options.end ?? this.length);
    let over: (() => void) | undefined;
    const pull = pullStream(
      (from, to, port) => {
        this.read(from, to, port).catch((err: Error) => pull.fail(err.message));
      },
      start,
      end,
      { done: () => over?.() },
    );
    if (start < end) over = this.#context.engine.feeds(pull);
    return pull.stream;
  }

  /** The whole file; `progress` is told the bytes so far. */
  async blob(progress?: (bytes: number) => void): Promise<Blob> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const reader = this.stream().getReader();
    let bytes = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Blob(parts, { type: this.type });
      parts.push(value);
      bytes += value.length;
      progress?.(bytes);
    }
  }

  /** Gives a media element or image this file as its source. */
  async streamTo(element: HTMLMediaElement | HTMLImageElement): Promise<void> {
    await this.#context.streaming;
    element.src = this.streamURL ?? URL.createObjectURL(await this.blob());
  }

  /** Wants the file downloaded (the default) or not. Reading it works either way. */
  select(on = true): Promise<void> {
    return this.#context.engine.call("select", { id: this.#torrent.id, file: this.index, on });
  }

  /** @internal Starts a reader in the engine on the port. */
  read(start: number, end: number, port: MessagePort): Promise<void> {
    return this.#context.engine.call("read", { id: this.#torrent.id, file: this.index, start, end, port }, [port]);
  }
}
