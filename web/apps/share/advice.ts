// What the page says of a torrent: in a few words what it does, and where that is not
// what one wants, why, and what helps. Time counts as much as what happens: nothing at
// all happens where nobody is found.

import type { Stats, TrackerInfo } from "../../src/shoal";
import { plural } from "../../src/format";

/** How long nobody may be found, or nothing come, before the page says so. */
const lonelyAfter = 12_000;
const stalledAfter = 10_000;

/** What is known of a torrent when it is looked at. */
export interface Facts {
  stats: Stats;
  /** Made from files of this page. */
  own: boolean;
  /** Its files are known. */
  known: boolean;
  complete: boolean;
  /** Bytes a second that arrive, 0 once they have stopped. */
  down: number;
  /** Milliseconds since the last byte. */
  idle: number;
  /** Milliseconds since anybody was connected, or since it was opened. */
  alone: number;
  /** Milliseconds for which there has been somebody. */
  connected: number;
  /** Somebody was connected before. */
  met: boolean;
  /** The browser says that the device has a network. */
  online: boolean;
  webrtc: boolean;
  /** Milliseconds since 1970. */
  clock: number;
}

/** What the torrent does, in a few words. */
export function describe(facts: Facts): string {
  const { stats, own, known, complete, down } = facts;
  if (own || stats.state === "seeding" || complete) {
    if (stats.upSpeed > 0) return own ? "Sending" : "Complete, helping others";
    return own ? "Ready to send" : "Complete";
  }
  if (stats.state === "paused") return "Paused";
  if (stats.state === "error") return "Stopped by an error";
  const sources = stats.peers + stats.webSeeds;
  if (!known) return sources > 0 ? "Asking what is in it…" : facts.alone < lonelyAfter ? "Looking for someone who has it…" : "Nobody found yet, still looking…";
  if (sources === 0) {
    if (stats.progress > 0 || facts.met) return "Waiting for someone who has the rest…";
    return facts.alone < lonelyAfter ? "Looking for someone who has it…" : "Nobody found yet, still looking…";
  }
  return down > 0 ? "Downloading" : "Connected, waiting for data…";
}

/** What to know or do about it; "" where all is well. */
export function advise(facts: Facts): string {
  const { stats, own, complete } = facts;
  const trouble = unreachable(facts);
  if (own) {
    if (trouble && stats.peers === 0) return `${trouble} Until then nobody can find what you share.`;
    const taking = stats.peerList.filter((peer) => peer.up > 0).length;
    if (taking > 0) return `Keep this tab open: ${taking === 1 ? "someone is" : `${taking} people are`} downloading from you.`;
    return "Keep this tab open. Your files stay on your device and go straight to whoever opens the link.";
  }
  if (complete) return stats.upSpeed > 0 ? "Keep this tab open: others are downloading from you." : "Keep this tab open a while to help the next one.";
  if (stats.peers + stats.webSeeds > 0) {
    if (!facts.known || facts.down > 0 || Math.min(facts.idle, facts.connected) < stalledAfter) return "";
    return "Those who are connected send nothing right now. They may have gone away, or may be busy with others: it goes on by itself.";
  }
  if (trouble) return trouble;
  if (facts.alone < lonelyAfter) return "";
  const gone = facts.met ? "Everybody who had this has gone away." : "Nobody who has this can be reached right now.";
  const failed = failures(stats.trackers, facts.clock);
  return [gone, "Leave this tab open: it goes on by itself as soon as someone with the file is online.", failed].filter(Boolean).join(" ");
}

/** Why nobody can be found at all, "" while somebody may be. */
function unreachable(facts: Facts): string {
  const { trackers } = facts.stats;
  if (!facts.online) return "This device is offline. It goes on by itself as soon as the network is back.";
  if (!facts.webrtc) return "This browser has WebRTC switched off, so it cannot connect to anybody. Switch it on, or open the link in another browser.";
  if (trackers.length === 0) {
    return facts.alone < lonelyAfter
      ? ""
      : "This link names no tracker that a browser can reach, so nobody can be found from here. Ask for a link with a wss:// tracker, or open it in a BitTorrent client.";
  }
  return trackers.every((tracker) => tracker.state === "failed") ? "Nobody can be found without a tracker. " + failures(trackers, facts.clock) : "";
}

/** Which trackers failed and why, "" if none did. */
export function failures(trackers: readonly TrackerInfo[], clock: number): string {
  const failed = trackers.filter((tracker) => tracker.state === "failed");
  if (failed.length === 0) return "";
  const words = failed.slice(0, 3).map((tracker) => `${hostOf(tracker.url)} (${tracker.reason})`);
  const more = failed.length > words.length ? ` and ${plural(failed.length - words.length, "other")}` : "";
  const next = Math.min(...failed.map((tracker) => (tracker.next > 0 ? tracker.next : Infinity)));
  const again = Number.isFinite(next) ? ` Next try ${inTime(next - clock)}.` : "";
  return `${failed.length === 1 ? "A tracker" : plural(failed.length, "tracker")} failed: ${words.join(", ")}${more}.${again}`;
}

/** What a tracker does, in a line. */
export function trackerLine(tracker: TrackerInfo, clock: number): string {
  if (tracker.state === "asking") return "asking…";
  if (tracker.state === "working") return tracker.reason || "working";
  return tracker.reason + (tracker.next > 0 ? `, next try ${inTime(tracker.next - clock)}` : "");
}

export function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}

function inTime(ms: number): string {
  if (ms < 1_500) return "now";
  return ms < 90_000 ? `in ${Math.round(ms / 1000)} s` : `in ${Math.round(ms / 60_000)} min`;
}
