import type { Options } from "./shoal";

/** Options under the names that webtorrent.js has for them; those of Shoal come first. */
export interface ForeignOptions {
  /** `maxPeers`. */
  maxConns?: number;
  /** `trackers` and `iceServers`; false is without trackers but a torrent's own. */
  tracker?: boolean | { announce?: string[]; rtcConfig?: { iceServers?: RTCIceServer[] } };
  /** Bytes a second of all torrents together; 0 is nothing, less than 0 any number. Default -1. */
  downloadLimit?: number;
  uploadLimit?: number;
}

/** Options in Shoal's own names. */
export function understood(options: Options): Options {
  const tracker = typeof options.tracker === "object" ? options.tracker : {};
  return {
    ...options,
    maxPeers: options.maxPeers ?? options.maxConns,
    trackers: options.trackers ?? tracker.announce,
    iceServers: options.iceServers ?? tracker.rtcConfig?.iceServers,
  };
}
