import type { ShoalFile, Stats } from "../shoal";
import { bytes } from "../format";
import { words } from "./words";

/** How long nobody may be found before the player says so, in milliseconds. */
const lonelyAfter = 12_000;

/** What is known of a player that has nothing to show yet, or no longer. */
export interface Facts {
  /** Null while the engine starts. */
  stats: Stats | null;
  /** The torrent's files are known. */
  known: boolean;
  /** It has shown something already. */
  shown: boolean;
  /** Bytes of the file that are there where all must come first, else -1. */
  whole: number;
  /** Bytes of the file. */
  length: number;
  /** Milliseconds since anybody was connected, or since it was opened. */
  alone: number;
  online: boolean;
}

/** What a player that waits says, and whether trying again may help. */
export function waiting({ stats, known, shown, whole, length, alone, online }: Facts): { text: string; retry: boolean } {
  const say = (text: string, retry = false): { text: string; retry: boolean } => ({ text, retry });
  if (!stats) return say(words.opening);
  if (stats.peers + stats.webSeeds === 0 && stats.state !== "seeding") {
    if (!online) return say(words.offline);
    if (alone >= lonelyAfter) return say(words.nobody, true);
    if (!known || stats.downloaded === 0) return say(words.looking);
  }
  if (!known) return say(words.opening);
  if (whole >= 0) return say(`${words.whole} ${bytes(whole)} ${words.of} ${bytes(length)}`);
  return say(shown ? words.next : words.first);
}

/** "3 peers · 75% from peers": who delivers, and how much that saves the site. */
export function swarm({ peers, downloaded, fromWebSeeds }: Stats): string {
  const who = `${peers} ${peers === 1 ? words.peer : words.peers}`;
  return downloaded > 0 ? `${who} · ${Math.floor((1 - fromWebSeeds / downloaded) * 100)}% ${words.fromPeers}` : who;
}

/** The same in bytes. */
export function savings({ downloaded, fromWebSeeds }: Stats): string {
  return `${bytes(downloaded - fromWebSeeds)} ${words.fromPeers}, ${bytes(fromWebSeeds)} ${words.fromSite}`;
}

/** "1:02:03" or "2:03". */
export function clock(seconds: number): string {
  const whole = Math.floor(Number.isFinite(seconds) ? seconds : 0);
  const two = (n: number): string => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** The file to play: the one of that path, name or index; without any, the largest that plays. */
export function choose(files: readonly ShoalFile[], wanted: string | null): ShoalFile | undefined {
  if (wanted) {
    return files.find((file) => file.path === wanted) ?? files.find((file) => file.name === wanted) ?? (/^\d+$/.test(wanted) ? files[Number(wanted)] : undefined);
  }
  const playable = files.filter((file) => file.kind === "video" || file.kind === "audio");
  return playable.reduce<ShoalFile | undefined>((best, file) => (best && best.length >= file.length ? best : file), undefined);
}
