import { Shoal, type Options, type Torrent } from "../shoal";
import { setUpload } from "./upload";

let shared: Promise<Shoal> | undefined;
let settings: Options = {};

/**
 * Says how the page's players are to make their client: trackers, ICE servers and the
 * like. To be called before the first player starts; a client that the page made itself
 * goes to `player.shoal` instead.
 */
export function configure(options: Options): void {
  settings = options;
}

/**
 * The client that all players of a page share, made when it is first needed. Where the page
 * has a `<shoal-consent>` it is made after the visitor's answer, and so is every connection.
 */
export function sharedShoal(): Promise<Shoal> {
  shared ??= start().catch((error: unknown) => {
    shared = undefined; // another may have more luck
    throw error;
  });
  return shared;
}

async function start(): Promise<Shoal> {
  await null; // the script that imports the players may have something to configure
  const bar = document.querySelector("shoal-consent");
  const yes = bar ? await bar.decided : true;
  const shoal = await Shoal.create(yes ? settings : bar!.without(settings));
  bar?.addEventListener("answer", () => setUpload(shoal, bar.answer === true));
  return shoal;
}

const users = new WeakMap<Torrent, number>();
const ours = new WeakSet<Torrent>();

/** Counts a player in that uses the torrent, and notes whether it was added for one. */
export function hold(torrent: Torrent, added: boolean): void {
  if (added) ours.add(torrent);
  users.set(torrent, (users.get(torrent) ?? 0) + 1);
}

/** Counts a player out. A torrent that was added for players is removed with the last of them. */
export function release(torrent: Torrent): void {
  const left = (users.get(torrent) ?? 1) - 1;
  users.set(torrent, left);
  if (left === 0 && ours.has(torrent)) void torrent.remove().catch(() => undefined);
}
