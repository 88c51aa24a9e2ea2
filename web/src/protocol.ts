// The messages between the page, the engine's worker and the service worker.
// A message has exactly one of the top keys named here; `rtc` belongs to
// rtc.ts and channels.ts.

import type { Pieces } from "./parts";
import type { Totals } from "./tally";

/** What the engine is started with. */
export interface EngineSettings {
  loopback: boolean;
  storage: "auto" | "memory";
  maxPeers: number;
  maxMemory: number;
  /** False: none are looked for, and web seeds alone deliver. */
  peers: boolean;
}

/** How much a file or a piece is wanted, as the engine has it: not at all, after others, as others, before others. */
export type Priority = 0 | 1 | 2 | 3;

/** The methods of the engine: what each is given, and what it answers. `id` names a torrent. */
export interface Calls {
  init: { args: EngineSettings; result: { version: string; storage: "opfs" | "memory" } };
  add: {
    args: {
      /** A magnet link, an info hash, or the bytes of a .torrent. */
      source: string | Uint8Array;
      /** The magnet link beside a .torrent, or "". */
      link: string;
      trackers: string[];
      webSeeds?: string[];
      paused?: boolean;
      /** No file is wanted until one is selected. */
      deselect?: boolean;
      /** Pieces in their order instead of the rarest first. */
      sequential?: boolean;
    };
    result: { id: string };
  };
  seed: {
    args: { files: { file: Blob; path: string[] }[]; name: string; trackers: string[]; webSeeds?: string[]; comment?: string; createdBy?: string; private?: boolean; paused?: boolean; job: string };
    result: { id: string; torrent: Uint8Array };
  };
  /** Ends the hashing of files under that name; `seed` fails. */
  unseed: { args: { job: string }; result: null };
  remove: { args: { id: string; deleteData: boolean }; result: null };
  /** Starts a reader of the bytes [start, end) on a port that is transferred along. */
  read: { args: { id: string; file: number; start: number; end: number; port: MessagePort }; result: object };
  select: { args: { id: string; file: number; on: boolean; priority?: Priority }; result: null };
  /** Chooses pieces, both ends included; overrules what was said of their files before. */
  pieces: { args: { id: string; first: number; last: number; priority: Priority }; result: null };
  /** Has pieces fetched before everything else. */
  critical: { args: { id: string; first: number; last: number }; result: null };
  pause: { args: { id: string; on: boolean }; result: null };
  /** Bytes a second of all torrents together, as far as they are named; 0 is nothing, less than 0 any number. `allowed` bounds sending besides `up`. */
  limits: { args: { down?: number; up?: number; allowed?: number }; result: null };
  webSeed: { args: { id: string; url: string }; result: null };
  /** Asks for `verified` events of a torrent. */
  watch: { args: { id: string }; result: null };
  /** Which pieces of a file are there. */
  parts: { args: { id: string; file: number }; result: Pieces };
  retry: { args: { id: string }; result: null };
  /** The network may be back; `moved`: by other addresses. */
  wake: { args: { moved: boolean }; result: null };
  kept: { args: object; result: KeptTorrent[] };
  forget: { args: { id: string }; result: null };
  close: { args: object; result: null };
}

export type Method = keyof Calls;

/** One call of the engine. */
export type Call = { [M in Method]: { method: M; args: Calls[M]["args"] } }[Method];

/** Page to worker: run a method of the engine. */
export type CallMessage = { call: number } & Call;

/** Worker to page: the answer to the call of that number. */
export interface ReplyMessage {
  reply: number;
  error: string | null;
  result: unknown;
}

/** Worker to page: something happened. */
export interface EventMessage {
  event: EngineEvent;
}

/** Worker to page: the engine cannot start, or has stopped for good. */
export interface FatalMessage {
  fatal: string;
}

export type FromWorker = ReplyMessage | EventMessage | FatalMessage | { rtc: unknown };

export interface FileInfo {
  index: number;
  /** Path below the torrent's name, or the name alone for a single file. */
  path: string[];
  /** Bytes. */
  length: number;
  /** Where the file starts in the torrent's piece space. */
  offset: number;
}

export interface MetadataEvent {
  type: "metadata";
  id: string;
  name: string;
  length: number;
  pieceLength: number;
  pieces: number;
  files: FileInfo[];
  magnet: string;
  /** The .torrent; null while piece layers of it are missing. */
  torrent: Uint8Array | null;
  /** "" where the .torrent does not say, or is not at hand. */
  comment: string;
  createdBy: string;
  /** Seconds since 1970; 0 as above. */
  created: number;
}

export type TorrentState = "metadata" | "downloading" | "seeding" | "paused" | "error";

export interface PeerInfo {
  /** Its peer id, 40 hex digits. */
  id: string;
  addr: string;
  client: string;
  kind: string;
  /** Bytes a second from the peer and to it. */
  down: number;
  up: number;
  /** Bytes of payload from the peer and to it, since it is connected. */
  received: number;
  sent: number;
  /** How much of the torrent the peer has, 0 to 1. */
  progress: number;
}

export interface TrackerInfo {
  url: string;
  state: "asking" | "working" | "failed";
  /** Why it failed, or what it wants its users to read; else "". */
  reason: string;
  /** When one that failed is asked again, in milliseconds since 1970; 0 when that is not planned. */
  next: number;
}

export interface Stats {
  state: TorrentState;
  /** Verified share of the wanted bytes, 0 to 1. */
  progress: number;
  /** Verified pieces. */
  have: number;
  /** Bytes since the torrent was added. */
  downloaded: number;
  uploaded: number;
  /** Bytes a second. */
  downSpeed: number;
  upSpeed: number;
  peers: number;
  seeds: number;
  /** Verified bytes of each file, in the order of the metadata's files. */
  files: number[];
  /** How many of the downloaded bytes came from web seeds; the rest came from peers. */
  fromWebSeeds: number;
  /** Web seeds that are asked; they are no peers. */
  webSeeds: number;
  peerList: PeerInfo[];
  /** Those that a tab can reach. */
  trackers: TrackerInfo[];
}

export interface StatsEvent extends Stats {
  type: "stats";
  id: string;
}

export interface HashingEvent {
  type: "hashing";
  name: string;
  /** Bytes. */
  done: number;
  total: number;
}

/** Where a torrent's pieces are. */
export interface TorrentStorage {
  /** The browser's own disk space, memory, or files of the user. */
  kind: "opfs" | "memory" | "files";
  /**
   * There is no room for the whole torrent: only what is being read is fetched, and held
   * in memory for so long. It plays and can be saved, but is not kept.
   */
  full: boolean;
  /** Why, in words for people; "" while it is not full. */
  message: string;
}

export interface StorageEvent extends TorrentStorage {
  type: "storage";
  id: string;
}

/** A torrent that lies in the browser's disk space. */
export interface KeptTorrent {
  id: string;
  /** "" for one that can no longer be used. */
  name: string;
  /** Bytes of the torrent. */
  length: number;
  /** Bytes of it that lie here. */
  stored: number;
  /** When it was last opened or written to, in milliseconds since 1970. */
  used: number;
  /** This page has it open. */
  open: boolean;
}

export type EngineEvent =
  | MetadataEvent
  | StatsEvent
  | StorageEvent
  | HashingEvent
  | (Totals & { type: "totals" })
  | { type: "done"; id: string }
  /** A tracker knows nobody else, and there is no peer. */
  | { type: "noPeers"; id: string; announceType: "tracker" }
  /** The pieces that are there, a bit for each, the first the highest of its byte. */
  | { type: "verified"; id: string; have: Uint8Array }
  /** Something failed, and the torrent goes on. */
  | { type: "warning"; id: string; message: string }
  | { type: "error"; id?: string; message: string };

// Service worker and page. The service worker asks every page of its origin
// who has a torrent; the port that comes with the question carries the rest.

/**
 * The version of these messages. An update replaces the service worker under open pages, so
 * each side may meet the other's past or future: a page answers a question of another version
 * by `other`, and a service worker answers a message of another by `shoalOther`; neither does
 * anything else. A message that names no version is of the first.
 */
export const swProtocol = 1;

/** Service worker to page, with a port for the answers. */
export interface WantMessage {
  /** `file` is an index, or for several files as one zip what zipname.ts makes of their indices. */
  shoalWant: { id: string; file: number | string };
  protocol: number;
}

/** A file of a zip: what it is called in there, and its length in bytes. */
export interface ZipEntry {
  index: number;
  path: string;
  length: number;
}

/** What a page has: a file, or with `entries` several that become a zip, whose length these tell. */
export interface Have {
  length: number;
  name: string;
  type: string;
  entries?: ZipEntry[];
}

/** Page to service worker on that port. A page without the torrent is silent. */
export type WantReply =
  | { have: Have }
  | { failed: string }
  /** The engine that had the reader is gone; another can be asked. */
  | { again: true }
  /** The page speaks this version of the protocol. */
  | { other: number };

/** Service worker to page on that port: start a reader on the port that is transferred along. */
export type WantOrder = { read: { start: number; end: number; file: number } } | { close: true };

/** Page to service worker, now and then while streams are open, so that it is not stopped. */
export interface PingMessage {
  shoalPing: true;
  protocol: number;
}

/** The service worker's answer: how many streams it is serving. */
export interface PongMessage {
  shoalOpen: number;
}

/** Page to service worker: take control of this page. */
export interface ClaimMessage {
  shoalClaim: true;
  protocol: number;
}

/** Page to service worker: keep the page itself, to open it while its server is away. */
export interface KeepMessage {
  shoalKeep: true;
  protocol: number;
}

/** Service worker to page: it speaks this version of the protocol. */
export interface OtherMessage {
  shoalOther: number;
}

/** The name of the lock that a page of that version of the shell holds while it is open. */
export const shellLock = (version: string): string => "shoal-shell " + version;

/** The path segment, below the service worker's scope, of every stream URL. */
export const streamPrefix = "shoal-stream/";

/** Page to worker, first of all: shoal.wasm compiled, as it is, or its address. */
export interface EngineMessage {
  engine: WebAssembly.Module | Blob | string;
}
