import { Emitter } from "./emitter";
import { ShoalError } from "./engine";
import { kindOf, mimeOf, type FileKind } from "./mime";
import { partsOf, type Part } from "./parts";
import { priorityOf, type Wanted } from "./priority";
import { told, type Callback } from "./promises";
import type { FileInfo } from "./protocol";
import { pullStream } from "./pull";
import { show, type ShowOptions } from "./show";
import type { Context, Torrent } from "./torrent";

/** A span of a file in bytes; `end` is exclusive, as in Blob.slice. */
export interface StreamOptions {
  start?: number;
  end?: number;
}

export interface FileEvents {
  /** Every byte of the file is here and verified. */
  done: ShoalFile;
}

type Chunk = Uint8Array<ArrayBuffer>;

/** One file of a torrent; reading it makes its bytes the most wanted ones. */
export class ShoalFile extends Emitter<FileEvents> {
  readonly index: number;
  /** The path below the torrent's name, joined by "/". */
  readonly path: string;
  readonly name: string;
  /** Bytes. */
  readonly length: number;
  /** Where the file starts in the torrent, in bytes. */
  readonly offset: number;
  /** The MIME type that the name implies. */
  readonly type: string;
  readonly kind: FileKind;
  readonly #context: Context;
  readonly #torrent: Torrent;
  readonly #position: number;

  /** @internal */
  constructor(context: Context, torrent: Torrent, info: FileInfo, position: number) {
    super();
    this.#context = context;
    this.#torrent = torrent;
    this.#position = position;
    this.index = info.index;
    this.path = info.path.join("/");
    this.name = info.path.at(-1) ?? torrent.name;
    this.length = info.length;
    this.offset = info.offset;
    this.type = mimeOf(this.name);
    this.kind = kindOf(this.name);
  }

  /** Bytes. */
  get size(): number {
    return this.length;
  }

  /** Verified bytes so far. */
  get have(): number {
    return Math.min(this.length, this.#torrent.stats.files[this.#position] ?? 0);
  }

  /** Verified bytes so far. */
  get downloaded(): number {
    return this.have;
  }

  /** 0 to 1. */
  get progress(): number {
    return this.length === 0 ? 1 : this.have / this.length;
  }

  get done(): boolean {
    return this.have >= this.length;
  }

  /** @internal Tells that it is done, if it is. */
  settle(): boolean {
    return this.done && (this.emit("done", this), true);
  }

  /**
   * An address for <video>, <img>, fetch and links that works while the file is
   * still arriving; null where no service worker serves this page.
   */
  get streamURL(): string | null {
    return this.#context.streamURL(this.#torrent.id, this.index, this.name);
  }

  /** The bytes, as they become available and verified. */
  stream(options: StreamOptions = {}): ReadableStream<Chunk> {
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

  /** `stream` with an `end` that is included, as in Node and webtorrent.js. */
  createReadStream(options: StreamOptions = {}): ReadableStream<Chunk> {
    return this.stream({ ...options, ...(options.end === undefined ? {} : { end: options.end + 1 }) });
  }

  async *[Symbol.asyncIterator](options: StreamOptions = {}): AsyncGenerator<Chunk, void, void> {
    const reader = this.stream(options).getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      void reader.cancel().catch(() => undefined); // whoever has left the loop
    }
  }

  /** The whole file or a span of it, in memory; a function is told of the bytes so far. */
  async blob(options: StreamOptions | ((bytes: number) => void) = {}): Promise<Blob> {
    const [span, progress] = typeof options === "function" ? [{}, options] : [options];
    const parts: Chunk[] = [];
    let bytes = 0;
    for await (const part of this[Symbol.asyncIterator](span)) {
      parts.push(part);
      bytes += part.length;
      progress?.(bytes);
    }
    return new Blob(parts, { type: this.type });
  }

  /** The whole file or a span of it, in memory. */
  async arrayBuffer(options: StreamOptions = {}): Promise<ArrayBuffer> {
    return (await this.blob(options)).arrayBuffer();
  }

  /** `blob` for a callback. */
  getBlob(callback?: Callback<Blob>): Promise<Blob> {
    return told(this.blob(), callback);
  }

  /** An address of the whole file in memory; give it back with URL.revokeObjectURL. */
  getBlobURL(callback?: Callback<string>): Promise<string> {
    return told(this.blob().then((blob) => URL.createObjectURL(blob)), callback);
  }

  /** The whole file as bytes. */
  getBuffer(callback?: Callback<Uint8Array>): Promise<Uint8Array> {
    return told(this.arrayBuffer().then((buffer) => new Uint8Array(buffer)), callback);
  }

  /** Gives a media element or image this file as its source. */
  async streamTo(element: HTMLMediaElement | HTMLImageElement): Promise<void> {
    await this.#context.streaming;
    element.src = this.streamURL ?? (await this.getBlobURL());
  }

  /** Shows the file in an element that is there, or that a selector names: video, audio, img, or iframe for text and PDF. */
  renderTo(element: Element | string, options: ShowOptions | Callback<Element> = {}, callback?: Callback<Element>): Promise<Element> {
    return this.#show(element, false, options, callback);
  }

  /** Shows the file in a new element of the right kind, in one that is there or that a selector names. */
  appendTo(root: Element | string, options: ShowOptions | Callback<Element> = {}, callback?: Callback<Element>): Promise<Element> {
    return this.#show(root, true, options, callback);
  }

  #show(where: Element | string, inside: boolean, options: ShowOptions | Callback<Element>, callback?: Callback<Element>): Promise<Element> {
    if (typeof options === "function") return this.#show(where, inside, {}, options);
    return told(show(this, where, inside, options), callback);
  }

  /** Wants the file downloaded (the default) or not (false); above 0 before others, below 0 after them. Reading it works either way. */
  async select(wanted: Wanted = true): Promise<void> {
    await this.#torrent.choose(() => this.#torrent.call("select", { file: this.index, on: wanted !== false, priority: priorityOf(wanted) }));
  }

  /** Which parts of it are there, for a progress bar that shows them where they lie. */
  async parts(): Promise<Part[]> {
    return partsOf(await this.#torrent.call("parts", { file: this.index }), this.length);
  }

  /** Wants the file not downloaded. */
  deselect(): Promise<void> {
    return this.select(false);
  }

  /** Whether a piece has bytes of the file. */
  includes(piece: number): boolean {
    const { pieceLength } = this.#torrent;
    return this.length > 0 && piece >= Math.floor(this.offset / pieceLength) && piece * pieceLength < this.offset + this.length;
  }

  /** @internal Starts a reader in the engine on the port. */
  async read(start: number, end: number, port: MessagePort): Promise<void> {
    if (this.#torrent.destroyed) throw new ShoalError("the torrent was removed");
    await this.#torrent.call("read", { file: this.index, start, end, port }, [port]);
  }
}
