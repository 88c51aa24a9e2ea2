/**
 * Shoal in a page: `const shoal = await Shoal.create()`, then `shoal.add(link)`
 * or `shoal.seed(files)`.
 *
 * The engine runs in a worker of its own; the page's thread only sets up peer
 * connections and carries this API.
 */

import { Emitter } from "./emitter";
import { Engine, ShoalError, type EngineSettings } from "./engine";
import type { EngineEvent, HashingEvent, KeptTorrent } from "./protocol";
import { Manners, type MannersSettings, type TotalsEvent } from "./manners";
import { attachRTC, type IceServer } from "./rtc";
import { StreamServer } from "./serve";
import { magnetName, parseSource } from "./source";
import { Torrent, type TorrentEvent } from "./torrent";
import { onWake } from "./wake";

export { ShoalError } from "./engine";
export { SourceError } from "./source";
export { ShoalFile, ShoalFile as File, Torrent } from "./torrent";
export type { Manners, MannersEvents, MannersReason, MannersSettings, MannersState } from "./manners";
export type { IceServer } from "./rtc";
export type { Sums, Totals } from "./tally";
export type { StreamOptions, TorrentEvents } from "./torrent";
export type { FileKind } from "./mime";
export type { FileInfo, HashingEvent, KeptTorrent, PeerInfo, Stats, TorrentState, TorrentStorage, TrackerInfo } from "./protocol";

export interface Options {
  /** Where shoal.worker.js, shoal.wasm and shoal.sw.js lie. Default: beside this module. */
  base?: string | URL;
  /**
   * STUN and TURN servers, as WebRTC has them or as addresses, "turn:user:password@host:port",
   * besides those that trackers hand out; see also `Shoal.iceServers`. Default: none.
   */
  iceServers?: IceServer[];
  /** Connect by way of TURN servers alone, so that peers do not learn this device's address. Default false. */
  relayOnly?: boolean;
  /** Also connect over loopback, for pages of this machine. Default false. */
  loopback?: boolean;
  /** "auto" keeps pieces on disk where the browser allows it. Default "auto". */
  storage?: "auto" | "memory";
  /**
   * Bytes that all torrents together may keep in memory, where the disk has no room for them
   * or is not to be used. What does not fit is fetched only while it is read. Default:
   * 256 MiB, on a phone 96.
   */
  maxMemory?: number;
  /** Open peer connections of the page. Default: 40, on a phone 12. */
  maxPeers?: number;
  /** Trackers that every torrent is announced to, besides its own. */
  trackers?: string[];
  /** Register the service worker that makes stream URLs work. Default true. */
  serviceWorker?: boolean;
  /** What this page may take of its visitor's line to serve others; may be changed, see `Shoal.manners`. */
  manners?: Partial<MannersSettings>;
}

/** A file to seed, with its path below the torrent's name. */
export interface SeedFile {
  file: File;
  path: string[];
}

export interface SeedOptions {
  /** Default: the name of the only file, else of the folder they share. */
  name?: string;
  trackers?: string[];
}

export interface ShoalEvents {
  add: Torrent;
  remove: Torrent;
  hashing: HashingEvent;
  /** Something went wrong that belongs to no torrent. */
  error: ShoalError;
  /** The engine crashed, and another has taken over: what was under way goes on. */
  restart: ShoalError;
  /** The engine has failed; nothing will work until the page is reloaded. */
  fatal: ShoalError;
}

const maxTorrentFile = 32 << 20;

/** The client. One per page is enough for any number of torrents. */
export class Shoal extends Emitter<ShoalEvents> {
  /** Resolves to true once stream URLs work, to false if they never will. */
  readonly streaming: Promise<boolean>;
  version = "";
  /** Where pieces are kept as a rule; each torrent has its own `storage`. */
  storage: "opfs" | "memory" = "memory";
  /** Whether and how fast this page passes on what it has, and what has passed. */
  readonly manners: Manners;
  readonly #engine: Engine;
  #trackers: string[];
  readonly #torrents = new Map<string, Torrent>();
  #server: StreamServer | null = null;
  readonly #unwake: () => void;
  #iceServers: readonly IceServer[] = [];
  /** Calls under way that may make a torrent, and events of torrents they have not named yet. */
  #adding = 0;
  #early: TorrentEvent[] = [];

  private constructor(base: URL, options: Options) {
    super();
    this.#trackers = options.trackers ?? [];
    this.#engine = new Engine(() => new Worker(new URL("shoal.worker.js", base), { name: "shoal" }), {
      attach: (worker) => attachRTC(worker, options.relayOnly, () => this.#iceServers),
      event: (event) => this.#receive(event),
      restarted: (error) => {
        this.#server?.reopen();
        this.emit("restart", error);
      },
      fatal: (error) => this.emit("fatal", error),
    });
    this.manners = new Manners(options.manners ?? {}, (allowed) => {
      void this.#engine.call("limits", { allowed: allowed === Infinity ? -1 : allowed }).catch(() => undefined);
    });
    this.#unwake = onWake((moved) => this.#wake(moved));
    this.streaming = options.serviceWorker === false ? Promise.resolve(false) : this.#serve(base);
  }

  /**
   * Starts the engine. Fails when the browser cannot run it. `late` is for
   * settings that have to be fetched first: the engine loads meanwhile.
   */
  static async create(options: Options = {}, late?: Promise<Pick<Options, "trackers" | "iceServers" | "loopback">>): Promise<Shoal> {
    const base = new URL(options.base ?? ".", options.base ? location.href : import.meta.url);
    const shoal = new Shoal(base, options);
    const { trackers, iceServers, loopback } = { ...options, ...(await late) };
    shoal.#trackers = trackers ?? [];
    if (!loopback) shoal.#iceServers = iceServers ?? [];
    const phone = matchMedia("(pointer: coarse)").matches;
    const settings: EngineSettings = {
      loopback: loopback ?? false,
      storage: options.storage ?? "auto",
      maxPeers: options.maxPeers ?? (phone ? 12 : 40),
      maxMemory: options.maxMemory ?? (phone ? 96 : 256) * 2 ** 20,
    };
    const { version, storage } = await shoal.#engine.call<{ version: string; storage: "opfs" | "memory" }>("init", settings);
    shoal.version = version;
    shoal.storage = storage;
    shoal.manners.start();
    return shoal;
  }

  /** STUN and TURN servers of this page, for connections that are made from now on. */
  get iceServers(): readonly IceServer[] {
    return this.#iceServers;
  }

  set iceServers(servers: readonly IceServer[]) {
    this.#iceServers = servers;
    this.#wake(true);
  }

  #wake(moved: boolean): void {
    void this.#engine.call("wake", { moved }).catch(() => undefined);
  }

  get torrents(): readonly Torrent[] {
    return [...this.#torrents.values()];
  }

  get(id: string): Torrent | undefined {
    return this.#torrents.get(id);
  }

  /**
   * Adds a torrent by share link, magnet link, info hash, address of a .torrent
   * file, or the .torrent itself. Resolves as soon as it is accepted; await
   * `torrent.ready` for its files. The same torrent twice gives the same object, which
   * learns the trackers, web seeds and files that it did not know.
   * `link` is a magnet link beside a .torrent, for what only it says: trackers, web
   * seeds, which files are wanted.
   */
  async add(source: string | Uint8Array | Blob, options: { trackers?: string[]; link?: string } = {}): Promise<Torrent> {
    const trackers = [...(options.trackers ?? []), ...this.#trackers];
    let given: string | Uint8Array;
    let name = "";
    if (typeof source === "string") {
      const parsed = parseSource(source);
      if (parsed.kind === "magnet") name = magnetName(parsed.uri);
      if (parsed.kind === "hash") trackers.push(...parsed.trackers);
      given = parsed.kind === "hash" ? parsed.hash : parsed.kind === "magnet" ? parsed.uri : await fetchTorrent(parsed.url);
    } else if (source instanceof Blob) {
      if (source.size > maxTorrentFile) throw new ShoalError("This file is too large to be a .torrent file.");
      given = new Uint8Array(await source.arrayBuffer());
    } else {
      given = source;
    }
    const torrent = await this.#make("add", { source: given, trackers: unique(trackers), link: options.link ?? "" }, false);
    torrent.name ||= name;
    return torrent;
  }

  /** Makes a torrent of files and serves it from this page. The files are read where they lie, not copied. */
  async seed(files: Iterable<File | SeedFile>, options: SeedOptions = {}): Promise<Torrent> {
    const list = [...files].map((item) => (item instanceof File ? { file: item, path: pathOf(item) } : item));
    if (list.length === 0) throw new ShoalError("There is no file to share.");
    const trackers = unique([...(options.trackers ?? []), ...this.#trackers]);
    const named = nameFor(list);
    return this.#make("seed", { files: named.files, name: options.name ?? named.name, trackers }, true);
  }

  /** What lies in this browser's disk space, of earlier visits too. */
  kept(): Promise<KeptTorrent[]> {
    return this.#engine.call("kept", {});
  }

  /** Removes what lies here of a torrent that no page has open. */
  forget(id: string): Promise<void> {
    return this.#engine.call("forget", { id });
  }

  /**
   * Ends the engine and every connection of it. Resolves once trackers and peers have
   * been told, or could not be within three seconds, and what is stored is on the disk.
   */
  async destroy(): Promise<void> {
    this.#unwake();
    this.manners.close();
    this.#server?.close("Shoal was closed.");
    this.#server = null;
    await this.#engine.close("Shoal was closed.");
    for (const torrent of this.#torrents.values()) torrent.closed();
    this.#torrents.clear();
  }

  async #serve(base: URL): Promise<boolean> {
    // Absent in an insecure context; a service worker must come from the page's own origin.
    const container = (navigator as { serviceWorker?: ServiceWorkerContainer }).serviceWorker;
    if (!container || base.origin !== location.origin) return false;
    const server = new StreamServer(container, (id, file) => {
      return this.#torrents.get(id)?.files.find((candidate) => candidate.index === file) ?? null;
    });
    try {
      if (!(await server.start(new URL("shoal.sw.js", base), new URL(".", base).pathname))) return false;
    } catch {
      return false; // private windows of some browsers refuse
    }
    this.#server = server;
    return true;
  }

  async #make(method: "add" | "seed", args: object, own: boolean): Promise<Torrent> {
    this.#adding++;
    try {
      const { id } = await this.#engine.call<{ id: string }>(method, args);
      const known = this.#torrents.get(id);
      if (known) known.own ||= own;
      return known ?? this.#insert(id, own);
    } finally {
      if (--this.#adding === 0) this.#early = [];
    }
  }

  #insert(id: string, own: boolean): Torrent {
    const torrent = new Torrent(
      {
        engine: this.#engine,
        streaming: this.streaming,
        streamURL: (id, file, name) => this.#server?.url(id, file, name) ?? null,
        forget: (id) => {
          this.#torrents.delete(id);
          this.emit("remove", torrent);
        },
      },
      id,
      own,
    );
    this.#torrents.set(id, torrent);
    this.emit("add", torrent);
    for (const event of this.#early) if (event.id === id) torrent.receive(event);
    return torrent;
  }

  #receive(event: EngineEvent): void {
    if (event.type === "hashing") return this.emit("hashing", event);
    if (event.type === "totals") return this.manners.receive(event);
    if (!named(event)) return this.emit("error", new ShoalError(event.message));
    const torrent = this.#torrents.get(event.id);
    if (torrent) torrent.receive(event);
    else if (this.#adding > 0) this.#early.push(event);
  }
}

function named(event: Exclude<EngineEvent, HashingEvent | TotalsEvent>): event is TorrentEvent {
  return event.id !== undefined;
}

async function fetchTorrent(url: string): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url, { referrerPolicy: "no-referrer", credentials: "omit" });
  } catch {
    throw new ShoalError("That address could not be read from here: it is unreachable, or its site does not let other pages read it. Download the .torrent file and drop it here.");
  }
  if (!response.ok) throw new ShoalError(`That address answered with an error (HTTP ${response.status}).`);
  const blob = await response.blob();
  if (blob.size > maxTorrentFile) throw new ShoalError("What lies at that address is too large to be a .torrent file.");
  return new Uint8Array(await blob.arrayBuffer());
}

function unique(list: string[]): string[] {
  return [...new Set(list)];
}

function pathOf(file: File): string[] {
  return (file.webkitRelativePath || file.name).split("/");
}

/** A folder gives the torrent its name and leaves the paths. */
function nameFor(files: SeedFile[]): { name: string; files: SeedFile[] } {
  const first = files[0]!;
  if (files.length === 1 && first.path.length === 1) return { name: first.path[0]!, files };
  const folder = first.path[0]!;
  if (files.every(({ path }) => path.length > 1 && path[0] === folder)) {
    return { name: folder, files: files.map(({ file, path }) => ({ file, path: path.slice(1) })) };
  }
  return { name: `${first.path.at(-1)!.replace(/(.)\.[^.]+$/, "$1")} and ${files.length - 1} more`, files };
}
