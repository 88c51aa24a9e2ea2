/**
 * Shoal in a page: `const shoal = new Shoal()`, then `shoal.add(link)` or
 * `shoal.seed(files)`. Both give a Torrent at once, which can also be awaited.
 *
 * The engine runs in a worker of its own; the page's thread only sets up peer
 * connections and carries this API.
 */

import { findAssets, registerServiceWorker, startWorker, type Assets, type ServiceWorkerOptions } from "./assets";
import { Emitter } from "./emitter";
import { Engine, ShoalError } from "./engine";
import { Hub } from "./hub";
import { named, seedFiles, type Named, type SeedInput, type TorrentSource } from "./inputs";
import type { Source } from "./link";
import { Manners, type MannersSettings, type TotalsEvent } from "./manners";
import { understood, type ForeignOptions } from "./options";
import { awaitable, told, type Callback } from "./promises";
import type { Calls, EngineEvent, HashingEvent, KeptTorrent } from "./protocol";
import { attachRTC, type IceServer } from "./rtc";
import { StreamServer } from "./serve";
import { parseSource } from "./source";
import { alone, engineName, Tabs } from "./tabs";
import { Torrent, type Context, type RemoveOptions, type TorrentEvent } from "./torrent";
import { onWake } from "./wake";

export { Shoal as default };
export type { ServiceWorkerOptions } from "./assets";
export { ShoalError } from "./engine";
export { SourceError } from "./source";
export { ShoalFile, ShoalFile as File } from "./file";
export { Torrent } from "./torrent";
export { Wire } from "./wire";
export type { FileEvents, StreamOptions } from "./file";
export type { Manners, MannersEvents, MannersReason, MannersSettings, MannersState } from "./manners";
export type { IceServer } from "./rtc";
export type { Sums, Totals } from "./tally";
export type { RemoveOptions, TorrentEvents } from "./torrent";
export { safeName } from "./names";
export { subtitlesOf, toVTT, type Subtitle } from "./subtitles";
export { encodingOf } from "./text";
export type { Emitter } from "./emitter";
export type { Part } from "./parts";
export type { FileKind } from "./mime";
export type { SeedFile, SeedInput, TorrentSource } from "./inputs";
export type { Callback } from "./promises";
export type { ShowOptions } from "./show";
export type { Wanted } from "./priority";
export { diskPaths } from "./paths";
export type { FileInfo, HashingEvent, KeptTorrent, PeerInfo, Stats, TorrentState, TorrentStorage, TrackerInfo } from "./protocol";

export interface Options extends ForeignOptions {
  /** The folder, ending in "/", of shoal.worker.js, shoal.wasm and shoal.sw.js. Default: beside this module. */
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
  /** Connect to peers. Default true; without them web seeds alone deliver. */
  peers?: boolean;
  /** Register the service worker that makes stream URLs work, or how. Default true. */
  serviceWorker?: boolean | ServiceWorkerOptions;
  /** What this page may take of its visitor's line to serve others; may be changed, see `Shoal.manners`. */
  manners?: Partial<MannersSettings>;
  /**
   * Use one engine with the other tabs of this origin whose `base`, `storage`, `relayOnly`
   * and `peers` are the same: what one of them fetches the others have too, and what they all do with a
   * torrent (`select` and the like) they do for all. It has the other settings of the tab that
   * runs it, which is the first that was opened; once that is closed another takes over. Needs
   * the service worker, and a secure context; else, and with false, this page has an engine
   * of its own. Default true.
   */
  shareEngine?: boolean;
}

/** Settings that may have to be fetched first: the engine loads meanwhile. */
export type LateOptions = Pick<Options, "trackers" | "iceServers" | "loopback">;

export interface AddOptions {
  trackers?: string[];
  /** The name that webtorrent.js has for `trackers`. */
  announce?: string[];
  /** Web seeds (BEP 19), besides the torrent's own. */
  urlList?: string[];
  /** A magnet link beside a .torrent, for what only it says: trackers, web seeds, which files are wanted. */
  link?: string;
  /** Nobody is connected to until `resume`. Default false. */
  paused?: boolean;
  /** Nothing is fetched until something is selected or read. Default false. */
  deselect?: boolean;
  /** "sequential" fetches pieces in their order. Default "rarest". What is read comes first either way. */
  strategy?: "rarest" | "sequential";
}

export interface SeedOptions {
  /** Default: the name of the only file, else of the folder they share. */
  name?: string;
  trackers?: string[];
  /** The name that webtorrent.js has for `trackers`. */
  announce?: string[];
  /** Servers that have the content (BEP 19). */
  urlList?: string[];
  comment?: string;
  createdBy?: string;
  /** Only the trackers may name peers (BEP 27). Default false. */
  private?: boolean;
  paused?: boolean;
  /** Ends the reading of the files before the torrent is made: the promise rejects. */
  signal?: AbortSignal;
}

export interface ShoalEvents {
  /** The engine has accepted a torrent. */
  add: Torrent;
  /** A torrent's name and files are known. */
  torrent: Torrent;
  /** A torrent is seeded of files of this page. */
  seed: Torrent;
  remove: Torrent;
  hashing: HashingEvent;
  /** Something went wrong that belongs to no torrent, or to one whose `error` nobody listens to. */
  error: ShoalError;
  /** The engine crashed, or the tab that ran it is gone, and another has taken over: what was under way goes on. */
  restart: ShoalError;
  /** The engine has failed; nothing will work until the page is reloaded. */
  fatal: ShoalError;
}

/** The client. One per page is enough for any number of torrents. */
export class Shoal extends Emitter<ShoalEvents> {
  /** Whether the browser has what peers are connected to by. */
  static readonly WEBRTC_SUPPORT = typeof RTCPeerConnection !== "undefined";
  static readonly VERSION: string = "0.1.0";
  /** Resolves when the engine runs; rejects when the browser cannot run it. */
  readonly ready: Promise<this>;
  /** Resolves to true once stream URLs work, to false if they never will. */
  readonly streaming: Promise<boolean>;
  version = "";
  /** Where pieces are kept as a rule; each torrent has its own `storage`. */
  storage: "opfs" | "memory" = "memory";
  /** Whether and how fast this page passes on what it has, and what has passed. */
  readonly manners: Manners;
  readonly #engine: Engine;
  #trackers: string[] = [];
  readonly #torrents = new Map<string, Torrent>();
  /** Torrents by id that the engine has not accepted yet. */
  readonly #coming = new Map<string, Torrent>();
  readonly #context: Context;
  #server: StreamServer | null = null;
  readonly #unwake: () => void;
  #iceServers: readonly IceServer[] = [];
  /** Calls under way that may make a torrent, and events of torrents they have not named yet. */
  #adding = 0;
  #early: TorrentEvent[] = [];

  /** Starts the engine. It can be used at once: what is asked of it waits until it runs. */
  constructor(options: Options = {}, late?: Promise<LateOptions>) {
    super();
    const assets = findAssets(options.base);
    const { serviceWorker = true } = options;
    let registered!: (registration: ServiceWorkerRegistration | null) => void;
    const registration = new Promise<ServiceWorkerRegistration | null>((resolve) => (registered = resolve));
    this.streaming = serviceWorker === false ? Promise.resolve(false) : this.#serve(assets, serviceWorker === true ? {} : serviceWorker, registered);
    void this.streaming.then(() => registered(null)); // if it has not come
    this.#engine = new Engine(engineSource(assets, options, registration, () => this.#iceServers), {
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
    this.#context = {
      engine: this.#engine,
      streaming: this.streaming,
      streamURL: (id, file, name) => this.#server?.url(id, file, name) ?? null,
      forget: (torrent) => this.#forget(torrent),
      unheard: (error) => this.emit("error", error),
    };
    this.ready = this.#start(understood(options), late);
    this.ready.catch(() => undefined);
  }

  /** A client whose engine runs. Fails when the browser cannot run it. */
  static create(options: Options = {}, late?: Promise<LateOptions>): Promise<Shoal> {
    return new Shoal(options, late).ready;
  }

  async #start(options: Options, late?: Promise<LateOptions>): Promise<this> {
    const { trackers, iceServers, loopback } = { ...options, ...(await late) };
    this.#trackers = trackers ?? [];
    if (!loopback) this.#iceServers = iceServers ?? [];
    const phone = matchMedia("(pointer: coarse)").matches;
    const { version, storage } = await this.#engine.call("init", {
      loopback: loopback ?? false,
      storage: options.storage ?? "auto",
      maxPeers: options.maxPeers ?? (phone ? 12 : 40),
      maxMemory: options.maxMemory ?? (phone ? 96 : 256) * 2 ** 20,
      peers: options.peers ?? true,
    });
    this.version = version;
    this.storage = storage;
    const { downloadLimit: down = -1, uploadLimit: up = -1 } = options;
    if (down >= 0 || up >= 0) await this.#engine.call("limits", { down, up });
    this.manners.start();
    return this;
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

  /** Those that the engine has accepted. */
  get torrents(): readonly Torrent[] {
    return [...this.#torrents.values()];
  }

  /** Bytes a second, of all torrents. */
  get downloadSpeed(): number {
    return this.#sum((torrent) => torrent.downloadSpeed);
  }

  get uploadSpeed(): number {
    return this.#sum((torrent) => torrent.uploadSpeed);
  }

  /** Verified share of what is wanted of the torrents that are not done, 0 to 1; 1 when all are. */
  get progress(): number {
    const open = (torrent: Torrent): boolean => !torrent.done;
    const wanted = this.#sum((torrent) => torrent.length, open);
    return wanted > 0 ? this.#sum((torrent) => torrent.length * torrent.progress, open) / wanted : this.torrents.every((torrent) => torrent.done) ? 1 : 0;
  }

  /** Bytes sent by bytes received, of all torrents. */
  get ratio(): number {
    const received = this.#sum((torrent) => torrent.received) || this.#sum((torrent) => torrent.length);
    return this.#sum((torrent) => torrent.uploaded) / received || 0;
  }

  /** The torrent of that id, 40 hex digits, or of a magnet link, also while the engine has not accepted it. */
  get(id: string | Torrent): Torrent | undefined {
    if (typeof id !== "string") id = id.id;
    const known = this.#torrents.get(id) ?? this.#coming.get(id);
    if (known) return known;
    try {
      const source = parseSource(id);
      return source.kind === "url" ? undefined : this.#torrents.get(source.id) ?? this.#coming.get(source.id);
    } catch {
      return undefined;
    }
  }

  /**
   * Adds a torrent by share link, magnet link, info hash, address of a .torrent
   * file, or the .torrent itself. Awaited, it resolves as soon as it is accepted and rejects
   * with what is wrong with the source; await `torrent.ready` for its files. The same torrent
   * twice gives the same object, which learns the trackers, web seeds and files that it did
   * not know. The callback is called when it is ready.
   */
  add(source: TorrentSource, options: AddOptions | ((torrent: Torrent) => void) = {}, callback?: (torrent: Torrent) => void): Torrent & Promise<Torrent> {
    if (typeof options === "function") return this.add(source, {}, options);
    let given: Named = { id: "", name: "", trackers: [], fetch: () => Promise.reject(wrong) };
    let wrong: unknown;
    try {
      given = named(source);
    } catch (error) {
      wrong = error;
    }
    const trackers = [...(options.trackers ?? []), ...(options.announce ?? []), ...given.trackers];
    const torrent = this.get(given.id) ?? new Torrent(this.#context, given.id, false, { paused: options.paused, announce: trackers });
    torrent.name ||= given.name;
    return this.#make(torrent, callback, async () => {
      const bytes = await given.fetch();
      return this.#engine.call("add", {
        source: bytes,
        link: options.link ?? "",
        trackers: unique([...trackers, ...this.#trackers]),
        webSeeds: options.urlList ?? [],
        paused: options.paused ?? false,
        deselect: options.deselect ?? false,
        sequential: options.strategy === "sequential",
      });
    });
  }

  /**
   * Makes a torrent of files and serves it from this page. The files are read where they lie,
   * not copied. Awaited, it resolves when it is seeded; that is when the callback is called, too.
   */
  seed(input: SeedInput, options: SeedOptions | ((torrent: Torrent) => void) = {}, callback?: (torrent: Torrent) => void): Torrent & Promise<Torrent> {
    if (typeof options === "function") return this.seed(input, {}, options);
    const torrent = new Torrent(this.#context, "", true, { paused: options.paused });
    const job = String(Math.random());
    return this.#make(torrent, callback, () => {
      const { files, name } = seedFiles(input, options.name);
      options.signal?.throwIfAborted();
      options.signal?.addEventListener("abort", () => void this.#engine.call("unseed", { job }).catch(() => undefined), { once: true });
      torrent.name = name;
      return this.#engine.call("seed", {
        files,
        name,
        job,
        trackers: unique([...(options.trackers ?? []), ...(options.announce ?? []), ...this.#trackers]),
        webSeeds: options.urlList ?? [],
        comment: options.comment ?? "",
        createdBy: options.createdBy ?? "",
        private: options.private ?? false,
        paused: options.paused ?? false,
      });
    });
  }

  /** Ends a torrent in this page, by itself or its id; see Torrent.remove. */
  remove(torrent: Torrent | string, options: RemoveOptions | Callback<void> = {}, callback?: Callback<void>): Promise<void> {
    if (typeof options === "function") return this.remove(torrent, {}, options);
    const known = this.get(torrent);
    return told(known ? known.remove(options) : Promise.reject(new ShoalError("There is no such torrent here.")), callback);
  }

  /** Bounds what all torrents receive together, in bytes a second; 0 is nothing, -1 any number. */
  throttleDownload(rate: number): Promise<void> {
    return this.#throttle({ down: rate });
  }

  /** Bounds what all torrents send together, in bytes a second; 0 is nothing, -1 any number. */
  throttleUpload(rate: number): Promise<void> {
    return this.#throttle({ up: rate });
  }

  /** What lies in this browser's disk space, of earlier visits too. */
  async kept(): Promise<KeptTorrent[]> {
    await this.ready;
    return this.#engine.call("kept", {});
  }

  /** Removes what lies here of a torrent that no page has open. */
  async forget(id: string): Promise<void> {
    await this.ready;
    await this.#engine.call("forget", { id });
  }

  /**
   * Ends the engine and every connection of it. Resolves once trackers and peers have
   * been told, or could not be within three seconds, and what is stored is on the disk.
   */
  destroy(callback?: Callback<void>): Promise<void> {
    return told(this.#destroy(), callback);
  }

  async #destroy(): Promise<void> {
    this.#unwake();
    this.manners.close();
    this.#server?.close("Shoal was closed.");
    this.#server = null;
    await this.#engine.close("Shoal was closed.");
    for (const torrent of this.#torrents.values()) torrent.closed("Shoal was closed.");
    this.#torrents.clear();
  }

  #sum(of: (torrent: Torrent) => number, which: (torrent: Torrent) => boolean = () => true): number {
    return this.torrents.filter(which).reduce((sum, torrent) => sum + of(torrent), 0);
  }

  async #throttle(rates: { down?: number; up?: number }): Promise<void> {
    if (!Object.values(rates).every((rate) => rate === +rate)) throw new ShoalError("A limit has to be a number.");
    await this.ready;
    await this.#engine.call("limits", rates);
  }

  async #serve(assets: Assets, options: ServiceWorkerOptions, registered: (registration: ServiceWorkerRegistration | null) => void): Promise<boolean> {
    // Absent in an insecure context.
    const container = (navigator as { serviceWorker?: ServiceWorkerContainer }).serviceWorker;
    if (!container) return false;
    const server = new StreamServer(container, (id) => this.#torrents.get(id) ?? null);
    try {
      const registration = registerServiceWorker(container, assets.serviceWorker, options);
      void registration.then(registered, () => undefined);
      if (!(await server.start(registration))) return false;
    } catch {
      return false; // private windows of some browsers refuse
    }
    this.#server = server;
    return true;
  }

  /** Has the engine make a torrent, and tells whoever waits for it. */
  #make(torrent: Torrent, callback: ((torrent: Torrent) => void) | undefined, call: () => Promise<Calls["add" | "seed"]["result"]>): Torrent & Promise<Torrent> {
    const coming = torrent.id;
    if (coming && !this.#torrents.has(coming)) this.#coming.set(coming, torrent);
    if (callback) torrent.ready.then(callback, () => undefined);
    const work = async (): Promise<{ value: Torrent }> => {
      try {
        await this.ready;
        this.#adding++;
        try {
          return { value: this.#insert((await call()).id, torrent) };
        } finally {
          if (--this.#adding === 0) this.#early = [];
        }
      } catch (error) {
        if (!this.#torrents.has(torrent.id)) torrent.fail(error as Error);
        throw error;
      } finally {
        if (this.#coming.get(coming) === torrent) this.#coming.delete(coming);
      }
    };
    return awaitable(torrent, work, (error) => torrent.complain(new ShoalError(error.message)));
  }

  /** Takes a torrent that the engine has accepted. It may be one that is here already. */
  #insert(id: string, torrent: Torrent): Torrent {
    const known = this.#torrents.get(id);
    if (known) {
      known.own ||= torrent.own;
      if (known !== torrent) known.join(torrent);
      return known;
    }
    this.#torrents.set(id, torrent);
    torrent.accept(id);
    this.emit("add", torrent);
    const told = (): void => {
      this.emit("torrent", torrent);
      if (torrent.own) this.emit("seed", torrent);
    };
    torrent.ready.then(told, () => undefined);
    for (const event of this.#early) if (event.id === id) torrent.receive(event);
    return torrent;
  }

  #forget(torrent: Torrent): void {
    if (this.#torrents.delete(torrent.id)) this.emit("remove", torrent);
  }

  #receive(event: EngineEvent): void {
    if (event.type === "hashing") this.emit("hashing", event);
    else if (event.type === "totals") this.manners.receive(event);
    else if (!belongs(event)) this.emit("error", new ShoalError(event.message));
    else {
      const torrent = this.#torrents.get(event.id);
      if (torrent) torrent.receive(event);
      else if (this.#adding > 0) this.#early.push(event);
    }
  }
}

/** The engine of this tab, or the one that all tabs share. */
function engineSource(assets: Assets, options: Options, registration: Promise<ServiceWorkerRegistration | null>, iceServers: () => readonly IceServer[]): Source {
  const hub = (left?: () => void): Hub =>
    new Hub({
      spawn: () => startWorker(assets),
      attach: (worker) => attachRTC(worker, options.relayOnly, iceServers),
      left,
    });
  const { locks, serviceWorker: container } = navigator as { locks?: LockManager; serviceWorker?: ServiceWorkerContainer };
  if (options.shareEngine === false || options.serviceWorker === false || !locks || !container) return alone(hub());
  const { worker } = assets;
  return new Tabs({ name: engineName(worker instanceof URL ? worker.href : Shoal.VERSION, options.storage ?? "auto", options.relayOnly ?? false, options.peers ?? true), hub, locks, container, registration });
}

function belongs(event: Exclude<EngineEvent, HashingEvent | TotalsEvent>): event is TorrentEvent {
  return event.id !== undefined;
}

function unique(list: string[]): string[] {
  return [...new Set(list)];
}
