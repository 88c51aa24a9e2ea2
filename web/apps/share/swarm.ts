import type { PeerInfo, Stats, Torrent } from "../../src/shoal";
import { advise, describe as inWords, hostOf, trackerLine, type Facts } from "./advice";
import { fish, h, setAttribute, setText } from "./dom";
import { bytes, percent, plural, speed, timeLeft } from "../../src/format";
import { safeName } from "../../src/names";
import { flowOf } from "./pace";

const shownPeers = 12;
const shownFish = 24;

/** What is known of a torrent now. */
function factsOf(torrent: Torrent): Facts {
  const now = performance.now();
  const { stats } = torrent;
  const flow = flowOf(torrent, now);
  return {
    stats,
    own: torrent.own,
    known: torrent.files.length > 0,
    complete: torrent.done || stats.progress >= 1,
    down: flow.down(now, stats),
    idle: flow.idle(now),
    alone: flow.alone(now),
    connected: flow.connected(now),
    met: flow.met,
    online: navigator.onLine,
    webrtc: typeof RTCPeerConnection !== "undefined",
    clock: Date.now(),
  };
}

/** What a torrent is doing, in words. */
export function describe(torrent: Torrent): string {
  return inWords(factsOf(torrent));
}

/** Bytes a second that arrive, 0 once they have stopped. */
export function downSpeed(torrent: Torrent): number {
  const now = performance.now();
  return flowOf(torrent, now).down(now, torrent.stats);
}

/** Progress, speeds and where the bytes come from. */
export class StatusCard {
  readonly element: HTMLElement;
  readonly #torrent: Torrent;
  readonly #announce: (text: string) => void;
  readonly #overHTTP: () => number;
  readonly #state = h("p", { class: "state" });
  readonly #share = h("span", { class: "state-share" });
  readonly #bar = h("div", { class: "bar-fill" });
  readonly #track = h("div", { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, this.#bar);
  readonly #hint = h("p", { class: "hint" });
  readonly #values = new Map<string, HTMLElement>();
  readonly #trackerList = h("ul");
  readonly #trackers = h("details", { class: "trackers", hidden: true }, h("summary", {}, "Trackers"), this.#trackerList);
  #said = "";

  /** `overHTTP` counts the bytes that a player had from the node instead of the swarm. */
  constructor(torrent: Torrent, announce: (text: string) => void, overHTTP: () => number = () => 0) {
    this.#torrent = torrent;
    this.#overHTTP = overHTTP;
    this.#announce = announce;
    const grid = h("dl", { class: "stats" });
    const names = torrent.own ? ["Sending", "Sent", "Connected"] : ["Down", "Up", "Peers", "From peers", "Sent", "Received", "From web seeds", "Over HTTP"];
    for (const name of names) {
      const value = h("dd", {}, "–");
      this.#values.set(name, value);
      grid.append(h("div", {}, h("dt", {}, name), value));
    }
    this.element = h(
      "section",
      { class: "card status", "aria-label": "Status" },
      h("div", { class: "state-row" }, this.#state, this.#share),
      !torrent.own && this.#track,
      this.#hint,
      grid,
      this.#trackers,
    );
    this.update(torrent.stats);
  }

  update(stats: Stats): void {
    const torrent = this.#torrent;
    const facts = factsOf(torrent);
    const state = inWords(facts);
    const progress = torrent.own ? 1 : torrent.done ? 1 : stats.progress;
    setText(this.#state, state);
    const left = progress < 1 && facts.down > 0 ? timeLeft((torrent.length * (1 - progress)) / facts.down) : "";
    setText(this.#share, torrent.own || torrent.files.length === 0 ? "" : [percent(progress), left].filter(Boolean).join(" · "));
    this.#bar.style.transform = `scaleX(${progress})`;
    setAttribute(this.#track, "aria-valuenow", String(Math.floor(progress * 100)));
    this.element.dataset.done = String(progress >= 1);
    const hint = advise(facts);
    setText(this.#hint, hint);
    this.#hint.hidden = hint === "";

    this.#set("Down", speed(facts.down));
    this.#set("Up", speed(stats.upSpeed));
    this.#set("Sending", speed(stats.upSpeed));
    this.#set("Sent", bytes(stats.uploaded));
    this.#set("Received", bytes(stats.downloaded));
    this.#set("Connected", plural(stats.peers, "peer"));
    this.#set("Peers", String(stats.peers));
    const overHTTP = this.#overHTTP();
    const received = stats.downloaded + overHTTP;
    this.#set("From peers", received > 0 ? percent((stats.downloaded - stats.fromWebSeeds) / received) : "–");
    this.#set("From web seeds", bytes(stats.fromWebSeeds), stats.fromWebSeeds === 0);
    this.#set("Over HTTP", bytes(overHTTP), overHTTP === 0);
    this.#showTrackers(facts);

    // Screen readers hear the turns of events, not every figure.
    if (state !== this.#said) {
      if (this.#said !== "") this.#announce(state);
      this.#said = state;
    }
  }

  #set(name: string, text: string, hidden = false): void {
    const value = this.#values.get(name);
    if (!value) return;
    setText(value, text);
    value.parentElement!.hidden = hidden;
  }

  /** Which trackers there are and what they said; of interest where one failed. */
  #showTrackers({ stats: { trackers }, clock }: Facts): void {
    this.#trackers.hidden = !trackers.some((tracker) => tracker.state === "failed" || tracker.reason !== "");
    resize(this.#trackerList, trackers.length, () => h("li", {}, h("strong"), h("span")));
    trackers.forEach((tracker, i) => {
      const row = this.#trackerList.children[i]!;
      setAttribute(row, "data-state", tracker.state);
      setText(row.children[0]!, hostOf(tracker.url));
      setText(row.children[1]!, safeName(trackerLine(tracker, clock)));
    });
  }
}

/** Who is connected, as a shoal and as a list. */
export class PeersCard {
  readonly element: HTMLElement;
  readonly #title = h("h2", { id: "peers-title" }, "Nobody connected yet");
  readonly #shoal = h("div", { class: "shoal", "aria-hidden": "true" });
  readonly #list = h("ul", { class: "peers" });
  readonly #rest = h("p", { class: "quiet-line", hidden: true });

  constructor() {
    this.element = h("section", { class: "card peers-card", "aria-labelledby": "peers-title" }, this.#title, this.#shoal, this.#list, this.#rest);
  }

  #met = false;

  update({ peers, seeds, peerList, state }: Stats): void {
    this.#met ||= peers > 0;
    const complete = seeds > 0 ? `, ${seeds} with everything` : "";
    // Two who have everything part company: that is no sign of trouble.
    const nobody = state === "seeding" ? "Nobody is downloading right now" : this.#met ? "Nobody connected any more" : "Nobody connected yet";
    setText(this.#title, peers === 0 ? nobody : plural(peers, "peer") + complete);
    const busiest = [...peerList].sort((a, b) => b.down + b.up - (a.down + a.up));
    resize(this.#shoal, Math.min(shownFish, Math.max(peers, 0)), () => h("span", { class: "fish" }, fish()));
    [...this.#shoal.children].forEach((element, i) => {
      const peer = busiest[i];
      setAttribute(element, "data-flow", peer && peer.down > 0 ? "down" : peer && peer.up > 0 ? "up" : "idle");
    });
    const rows = busiest.slice(0, shownPeers);
    resize(this.#list, rows.length, peerRow);
    rows.forEach((peer, i) => fillPeer(this.#list.children[i]!, peer));
    this.#rest.hidden = peers <= rows.length || rows.length === 0;
    setText(this.#rest, `and ${peers - rows.length} more`);
  }
}

function resize(parent: Element, count: number, make: () => Element): void {
  while (parent.children.length > count) parent.lastElementChild!.remove();
  while (parent.children.length < count) parent.append(make());
}

function peerRow(): HTMLElement {
  return h(
    "li",
    {},
    h("span", { class: "peer-name" }),
    h("span", { class: "peer-kind" }),
    h("span", { class: "peer-flow" }),
    h("span", { class: "peer-share" }),
  );
}

const kinds: Record<string, string> = { webrtc: "WebRTC", tcp: "TCP", utp: "uTP", http: "Web seed" };

function fillPeer(row: Element, peer: PeerInfo): void {
  const [name, kind, flow, share] = row.children as unknown as [Element, Element, Element, Element];
  setText(name, safeName(peer.client || peer.addr) || "Unknown client");
  setAttribute(name, "title", peer.addr);
  setText(kind, kinds[peer.kind] ?? peer.kind);
  const parts = [peer.down > 0 && "↓ " + speed(peer.down), peer.up > 0 && "↑ " + speed(peer.up)].filter(Boolean);
  setText(flow, parts.join("  ") || "idle");
  setText(share, percent(peer.progress));
}
