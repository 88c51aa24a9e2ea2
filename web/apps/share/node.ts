import type { ShoalFile, Torrent } from "../../src/shoal";

export interface NodeTorrent {
  id: string;
  name: string;
  length: number;
}

export interface NodeConfig {
  trackers: string[];
  iceServers: string[];
  loopback: boolean;
  torrents: NodeTorrent[];
  /** How other devices reach the node, "http://host:port"; null when it does not say. */
  origin: string | null;
}

/** A file as the node lists it. */
export interface NodeFile {
  index: number;
  path: string;
  length: number;
}

const empty: NodeConfig = { trackers: [], iceServers: [], loopback: false, torrents: [], origin: null };

/**
 * The `shoal share` behind this page, if there is one: it names trackers, hands
 * out .torrent files and streams over plain HTTP. The page works without it.
 */
export class Node {
  /** Ids of torrents whose .torrent this node handed out. */
  readonly #has = new Set<string>();
  /** Ids of torrents whose files it serves. */
  readonly #serves = new Set<string>();
  /** It was asked and could not be reached. */
  away = false;
  #config: Promise<NodeConfig> | null = null;
  /** Bytes of its streams by torrent, as far as the browser has told of them. */
  readonly #streamed = new Map<string, number>();

  constructor() {
    const prefix = new URL("stream/", document.baseURI).href;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as PerformanceResourceTiming[]) {
        if (!entry.name.startsWith(prefix)) continue;
        const id = entry.name.slice(prefix.length, prefix.length + 40);
        this.#streamed.set(id, this.streamed(id) + entry.encodedBodySize);
      }
    }).observe({ type: "resource", buffered: true });
  }

  /** Bytes of a torrent that a player of this page had from the node over HTTP. */
  streamed(id: string): number {
    return this.#streamed.get(id) ?? 0;
  }

  /** Whether the node hands out the torrent, with all trackers that are in it. */
  has(id: string): boolean {
    return this.#has.has(id);
  }

  config(): Promise<NodeConfig> {
    return (this.#config ??= readConfig().then(
      (config) => {
        this.away = false;
        return config;
      },
      (err: unknown) => {
        this.away = !(err instanceof SyntaxError); // what answers is no node, but it is there
        return empty;
      },
    ));
  }

  /** Asks again; what a node shares may change. */
  refresh(): Promise<NodeConfig> {
    this.#config = null;
    return this.config();
  }

  /** The .torrent of that id, or null when the node does not have it. */
  async torrentFile(id: string): Promise<Uint8Array | null> {
    try {
      const response = await fetch(new URL(`torrents/${id}.torrent`, document.baseURI), { signal: AbortSignal.timeout(10_000) });
      if (!response.ok || response.headers.get("Content-Type")?.startsWith("text/html")) return null;
      const torrent = new Uint8Array(await response.arrayBuffer());
      this.#has.add(id);
      this.#serves.add(id);
      return torrent;
    } catch {
      return null;
    }
  }

  /** The name and files of that id without its .torrent, or null when the node does not tell. */
  async content(id: string): Promise<{ name: string; files: NodeFile[] } | null> {
    try {
      const response = await fetch(new URL(`torrents/${id}.json`, document.baseURI), { signal: AbortSignal.timeout(10_000) });
      if (!response.ok) return null;
      const { name, files } = (await response.json()) as { name: unknown; files: unknown };
      const sound = ({ index, path, length }: NodeFile): boolean => Number.isInteger(index) && typeof path === "string" && Number.isSafeInteger(length);
      if (typeof name !== "string" || !Array.isArray(files) || !files.every(sound)) return null;
      this.#serves.add(id);
      return { name, files: files as NodeFile[] };
    } catch {
      return null;
    }
  }

  /** Where the node serves a file over HTTP, or null when it does not have it. */
  streamURL(torrent: Pick<Torrent, "id">, file: Pick<ShoalFile, "path">): string | null {
    if (!this.#serves.has(torrent.id)) return null;
    const path = file.path.split("/").map(encodeURIComponent).join("/");
    return new URL(`stream/${torrent.id}/${path}`, document.baseURI).href;
  }
}

async function readConfig(): Promise<NodeConfig> {
  const response = await fetch(new URL("shoal/config.json", document.baseURI), { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) return empty;
  const json = (await response.json()) as Record<string, unknown>;
  return {
    trackers: strings(json.trackers).map(trackerURL),
    iceServers: strings(json.iceServers),
    loopback: json.loopback === true,
    origin: typeof json.origin === "string" && /^https?:\/\//.test(json.origin) ? json.origin : null,
    torrents: (Array.isArray(json.torrents) ? (json.torrents as Record<string, unknown>[]) : []).map((torrent) => ({
      id: String(torrent.info_hash),
      name: String(torrent.name),
      length: Number(torrent.length),
    })),
  };
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

/** A path stands for this host; a page over https may open secure sockets only. */
function trackerURL(tracker: string): string {
  const secure = location.protocol === "https:";
  if (tracker.startsWith("/")) return (secure ? "wss://" : "ws://") + location.host + tracker;
  return secure ? tracker.replace(/^ws:/, "wss:") : tracker;
}
