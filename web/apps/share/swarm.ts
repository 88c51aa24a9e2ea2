import type { PeerInfo, Stats, Torrent } from "../../src/shoal";
import { fish, h, setAttribute, setText } from "./dom";
import { bytes, percent, plural, speed, timeLeft } from "./format";

const shownPeers = 12;
const shownFish = 24;
/** How long nobody may be found before the page says so. */
const lonelyAfter = 12_000;

/** What a torrent is doing, in words. */
export function describe(torrent: Torrent): string {
  const { state, progress, peers, downSpeed, upSpeed } = torrent.stats;
  const complete = torrent.done || progress >= 1;
  if (torrent.own || state === "seeding" || complete) {
    if (upSpeed > 0) return torrent.own ? "Sending" : "Complete, helping others";
    return torrent.own ? "Ready to send" : "Complete";
  }
  if (state === "paused") return "Paused";
  if (state === "error") return "Stopped by an error";
  if (torrent.files.length === 0) return peers > 0 ? "Asking what is in it…" : "Looking for someone who has it…";
  if (peers === 0) return progress > 0 ? "Waiting for someone who has the rest…" : "Looking for someone who has it…";
  return downSpeed > 0 ? "Downloading" : "Connected, waiting for data…";
}

/** Progress, speeds and where the bytes come from. */
export class StatusCard {
  readonly element: HTMLElement;
  readonly #torrent: Torrent;
  readonly #announce: (text: string) => void;
  readonly #state = h("p", { class: "state" });
  readonly #share = h("span", { class: "state-share" });
  readonly #bar = h("div", { class: "bar-fill" });
  readonly #track = h("div", { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, this.#bar);
  readonly #hint = h("p", { class: "hint" });
  readonly #values = new Map<string, HTMLElement>();
  readonly #began = performance.now();
  #said = "";

  constructor(torrent: Torrent, announce: (text: string) => void) {
    this.#torrent = torrent;
    this.#announce = announce;
    const grid = h("dl", { class: "stats" });
    const names = torrent.own ? ["Sending", "Sent", "Connected"] : ["Down", "Up", "Peers", "From peers", "Sent", "Received"];
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
    );
    this.update(torrent.stats);
  }

  update(stats: Stats): void {
    const torrent = this.#torrent;
    const state = describe(torrent);
    const progress = torrent.own ? 1 : torrent.done ? 1 : stats.progress;
    setText(this.#state, state);
    const left = progress < 1 && stats.downSpeed > 0 ? timeLeft((torrent.length * (1 - progress)) / stats.downSpeed) : "";
    setText(this.#share, torrent.own || torrent.files.length === 0 ? "" : [percent(progress), left].filter(Boolean).join(" · "));
    this.#bar.style.transform = `scaleX(${progress})`;
    setAttribute(this.#track, "aria-valuenow", String(Math.floor(progress * 100)));
    this.element.dataset.done = String(progress >= 1);
    const hint = this.#advice(stats, progress);
    setText(this.#hint, hint);
    this.#hint.hidden = hint === "";

    this.#set("Down", speed(stats.downSpeed));
    this.#set("Up", speed(stats.upSpeed));
    this.#set("Sending", speed(stats.upSpeed));
    this.#set("Sent", bytes(stats.uploaded));
    this.#set("Received", bytes(stats.downloaded));
    this.#set("Connected", plural(stats.peers, "peer"));
    this.#set("Peers", String(stats.peers));
    const fromPeers = stats.fromPeers ?? stats.downloaded;
    this.#set("From peers", stats.downloaded > 0 ? percent(fromPeers / stats.downloaded) : "–");

    // Screen readers hear the turns of events, not every figure.
    if (state !== this.#said) {
      if (this.#said !== "") this.#announce(state);
      this.#said = state;
    }
  }

  #set(name: string, text: string): void {
    const value = this.#values.get(name);
    if (value) setText(value, text);
  }

  #advice(stats: Stats, progress: number): string {
    const torrent = this.#torrent;
    if (torrent.own) {
      const taking = stats.peerList.filter((peer) => peer.up > 0).length;
      if (taking > 0) return `Keep this tab open: ${taking === 1 ? "someone is" : `${taking} people are`} downloading from you.`;
      return "Keep this tab open. Your files stay on your device and go straight to whoever opens the link.";
    }
    if (progress >= 1) return stats.upSpeed > 0 ? "Keep this tab open: others are downloading from you." : "Keep this tab open a while to help the next one.";
    if (stats.peers > 0 || performance.now() - this.#began < lonelyAfter) return "";
    if (typeof RTCPeerConnection === "undefined") return "This browser has WebRTC switched off, so it cannot connect to anybody. Switch it on, or open the link in another browser.";
    return "Nobody who has this can be reached right now. Leave this tab open: it goes on by itself as soon as someone with the file is online.";
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

  update({ peers, seeds, peerList, state }: Stats): void {
    const complete = seeds > 0 ? `, ${seeds} with everything` : "";
    // Two who have everything part company: that is no sign of trouble.
    const nobody = state === "seeding" ? "Nobody is downloading right now" : "Nobody connected yet";
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

const kinds: Record<string, string> = { webrtc: "WebRTC", tcp: "TCP", utp: "uTP" };

function fillPeer(row: Element, peer: PeerInfo): void {
  const [name, kind, flow, share] = row.children as unknown as [Element, Element, Element, Element];
  setText(name, peer.client || peer.addr || "Unknown client");
  setAttribute(name, "title", peer.addr);
  setText(kind, kinds[peer.kind] ?? peer.kind);
  const parts = [peer.down > 0 && "↓ " + speed(peer.down), peer.up > 0 && "↑ " + speed(peer.up)].filter(Boolean);
  setText(flow, parts.join("  ") || "idle");
  setText(share, percent(peer.progress));
}
