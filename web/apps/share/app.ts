// The page: it routes the address's fragment to views, starts the engine when
// it is needed and takes what is dropped or pasted anywhere.

import { parseFragment, parseSource, saysMore, SourceError, type Source } from "../../src/source";
import { Shoal, type SeedFile, type Torrent } from "../../src/shoal";
import { h, icon, setText } from "./dom";
import { filesOf } from "./drop";
import { bytes, percent } from "../../src/format";
import { HomeView } from "./home";
import { onLaunch, sharedLink } from "./handlers";
import { followEngine } from "./loading";
import { Node, type NodeTorrent } from "./node";
import { Preview } from "./preview";
import { holdShell } from "./shell";
import { TorrentView } from "./torrentview";
import type { Viewer } from "./viewer";

declare global {
  interface Window {
    /** The client, for the console. */
    shoal?: Shoal;
  }
}

type View = HomeView | TorrentView;

const ownKey = "shoal.own";

class App {
  readonly #node = new Node();
  readonly #main = document.getElementById("main")!;
  readonly #toasts = document.getElementById("toasts")!;
  readonly #announcer = document.getElementById("announcer")!;
  #shoal: Promise<Shoal> | null = null;
  #running: Shoal | null = null;
  readonly #away = h("p", { class: "away", role: "status", hidden: true });
  #view: View | null = null;
  /** Counts navigations: what was begun for an earlier one must not show. */
  #turn = 0;
  /** What the node shares, as far as it was asked. */
  #shared: NodeTorrent[] = [];

  start(): void {
    this.#header();
    this.#footer();
    this.#anywhere();
    addEventListener("hashchange", () => void this.#route());
    addEventListener("online", () => void this.#node.refresh().then(() => this.#sayAway()));
    onLaunch((file) => void this.#openTorrent(file));
    const shared = sharedLink(location.search);
    if (location.search !== "") history.replaceState(null, "", location.pathname + location.hash);
    addEventListener("beforeunload", (event) => {
      // Leaving would cut off people who are downloading right now, and those who wait for more.
      const taking = ({ own, stats }: Torrent): boolean => own && (stats.upSpeed > 0 || stats.peerList.some((peer) => peer.progress < 1));
      if (this.#running?.torrents.some(taking)) event.preventDefault();
    });
    if (shared === "") return void this.#route();
    try {
      this.#openText(shared);
    } catch (err) {
      this.#broken(err as Error);
    }
  }

  // Engine

  #engine(): Promise<Shoal> {
    return (this.#shoal ??= this.#boot().catch((err: unknown) => {
      this.#shoal = null;
      throw err;
    }));
  }

  async #boot(): Promise<Shoal> {
    const shoal = await Shoal.create({}, this.#node.config());
    shoal.on("error", (error) => this.#toast(sentence(error.message)));
    shoal.on("fatal", (error) => this.#problem("Shoal has stopped", sentence(error.message) + " Reload the page to go on."));
    for (const change of ["add", "remove"] as const) {
      shoal.on(change, () => this.#view instanceof HomeView && this.#view.list(this.#shared, shoal));
    }
    this.#running = window.shoal = shoal;
    this.#sayAway();
    holdShell(shoal.streaming);
    return shoal;
  }

  // Navigation

  /** A click on a link to the start page while the address already is the start page's. */
  #again(): void {
    if (location.hash === "") void this.#route();
  }

  async #route(): Promise<void> {
    const fragment = location.hash.slice(1);
    const source = parseFragment(fragment);
    if (source) return this.#open(source);
    if (fragment !== "") {
      return this.#problem("This link is not complete", "The part after # should be the 40 or 64 characters of an info hash, or a magnet link. Perhaps it was cut off when it was copied.");
    }
    return this.#home();
  }

  async #home(): Promise<void> {
    const turn = ++this.#turn;
    const home = new HomeView({
      open: (text) => this.#openText(text),
      openTorrent: (file) => void this.#openTorrent(file),
      seed: (files) => void this.#seed(files),
      toast: (text) => this.#toast(text),
    });
    document.title = "Shoal: share a file straight from this tab";
    home.list(this.#shared, this.#running);
    this.#show(home);
    this.#shared = (await this.#node.refresh()).torrents;
    if (turn !== this.#turn) return;
    home.list(this.#shared, this.#running);
    this.#sayAway();
    // Warm up while the visitor reads, so that what they drop starts at once.
    setTimeout(() => void this.#engine().then((shoal) => home.kept(shoal), () => undefined), this.#shoal ? 0 : 300);
  }

  async #open(source: Source & { kind: "hash" | "magnet" }): Promise<void> {
    const turn = ++this.#turn;
    const { id } = source;
    const known = this.#running?.get(id);
    if (known) {
      this.#showTorrent(known);
      return this.#improve(known, source);
    }
    const waiting = this.#waiting("Opening…");
    const arrived = this.#running ? () => undefined : followEngine(waiting);
    const progress = this.#main.firstElementChild!;
    const preview = this.#running ? null : new Preview(this.#node, id, (text) => setText(this.#announcer, text), (element) => {
      if (turn !== this.#turn) return preview?.end()?.clear();
      this.#main.replaceChildren(element);
      element.append(progress);
    });
    try {
      // The .torrent is fetched while the engine loads.
      const file = this.#node.torrentFile(id);
      const shoal = await this.#engine();
      const options = source.kind === "hash" ? { trackers: source.trackers } : { link: source.uri };
      const torrent = await shoal.add((await file) ?? (source.kind === "hash" ? source.hash : source.uri), options);
      if (turn === this.#turn) this.#showTorrent(torrent, preview?.end() ?? null);
      if (torrent.files.length === 0 && wasOwn(id)) {
        this.#toast("You shared this from this tab, and reloading ended it. Drop the same files again and the same link goes on working.");
      }
    } catch (err) {
      if (turn === this.#turn) this.#broken(err as Error);
    } finally {
      arrived();
      if (turn !== this.#turn) preview?.end()?.clear();
    }
  }

  /** What is in this browser can be used without the node, which brings people together. */
  #sayAway(): void {
    this.#away.hidden = !this.#node.away;
    setText(this.#away, this.#node.away ? "The computer behind this page cannot be reached. What this browser keeps plays all the same." : "");
  }

  /** A further link to a torrent that is there may know more trackers, or the .torrent that was lacking. */
  async #improve(torrent: Torrent, source: Source & { kind: "hash" | "magnet" }): Promise<void> {
    const file = torrent.files.length === 0 ? await this.#node.torrentFile(torrent.id) : null;
    const trackers = source.kind === "hash" ? source.trackers : [];
    if (source.kind === "hash" && !file && trackers.length === 0) return;
    const link = source.kind === "magnet" ? source.uri : "";
    await this.#running?.add(file ?? (link || source.id), file ? { trackers, link } : { trackers }).catch((err: Error) => this.#toast(sentence(err.message)));
  }

  /** Opens a pasted text by going to its address. */
  #openText(text: string): void {
    const source = parseSource(text);
    if (source.kind === "url") {
      void this.#add(() => this.#engine().then((shoal) => shoal.add(source.url)));
      return;
    }
    let target = source.kind === "hash" ? source.hash : source.uri;
    if (source.kind === "hash" && source.trackers.length > 0 && !text.startsWith(location.origin + "/")) {
      const topic = source.hash.length === 64 ? "btmh:1220" : "btih:";
      target = `magnet:?xt=urn:${topic}${source.hash}` + source.trackers.map((tracker) => "&tr=" + encodeURIComponent(tracker)).join("");
    }
    if (location.hash === "#" + target) void this.#route();
    else location.hash = target;
  }

  async #openTorrent(file: Blob): Promise<void> {
    await this.#add(() => this.#engine().then((shoal) => shoal.add(file)));
  }

  async #seed(files: SeedFile[]): Promise<void> {
    const only = files.length === 1 ? files[0]!.file : null;
    if (only && /\.torrent$/i.test(only.name)) return this.#openTorrent(only);
    const total = files.reduce((sum, { file }) => sum + file.size, 0);
    if (total === 0) {
      this.#toast(files.length === 0 ? "There is no file in there to share." : "There is nothing to share: every file is empty.");
      return;
    }
    await this.#add(async (progress) => {
      progress("Reading your files…", 0);
      const shoal = await this.#engine();
      const off = shoal.on("hashing", ({ done, total }) => progress(`Reading your files: ${bytes(done)} of ${bytes(total)}`, total > 0 ? done / total : 0));
      try {
        const torrent = await shoal.seed(files);
        rememberOwn(torrent.id);
        return torrent;
      } finally {
        off();
      }
    });
  }

  /** Runs something that ends in a torrent and goes to it, or says what went wrong and returns. */
  async #add(make: (progress: (text: string, share: number) => void) => Promise<Torrent>): Promise<void> {
    const turn = ++this.#turn;
    const progress = this.#waiting("One moment…");
    try {
      const torrent = await make(progress);
      if (turn !== this.#turn) return;
      if (location.hash === "#" + torrent.id) this.#showTorrent(torrent);
      else location.hash = torrent.id;
    } catch (err) {
      if (turn === this.#turn) this.#broken(err as Error);
    }
  }

  // Views

  #show(view: View): void {
    this.#view?.destroy();
    this.#view = view;
    this.#main.replaceChildren(view.element);
    scrollTo(0, 0);
    // Not on arrival: the browser puts the focus there by itself.
    if (this.#turn > 1) this.#main.focus({ preventScroll: true });
  }

  #showTorrent(torrent: Torrent, viewer: Viewer | null = null): void {
    const view = new TorrentView(torrent, {
      node: this.#node,
      shoal: this.#running!,
      viewer,
      link: (torrent) => this.#link(torrent),
      toast: (text) => this.#toast(text),
      announce: (text) => setText(this.#announcer, text),
      leave: () => {
        forgetOwn(torrent.id);
        this.#again();
        location.hash = "";
      },
    });
    this.#show(view);
  }

  /**
   * A plain hash is enough where this site's tracker brings people together. A torrent that has
   * trackers or web seeds besides is passed on with them.
   */
  async #link(torrent: Torrent): Promise<{ link: string; local: boolean }> {
    const { trackers, origin } = await this.#node.config();
    const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(location.hostname);
    const page = (loopback && origin !== null ? origin : location.origin) + location.pathname;
    const plain = trackers.length > 0 && (this.#node.has(torrent.id) || !saysMore(torrent.magnet, trackers));
    return { link: page + "#" + (plain ? torrent.id : torrent.magnet), local: loopback && origin === null };
  }

  /** A page that says that something is on its way; the result moves its bar. */
  #waiting(text: string): (text: string, share: number) => void {
    this.#view?.destroy();
    this.#view = null;
    const line = h("p", { role: "status" }, text);
    const fill = h("div", { class: "bar-fill" });
    const bar = h("div", { class: "bar", hidden: true }, fill);
    this.#main.replaceChildren(h("div", { class: "waiting" }, h("span", { class: "spinner" }), line, bar));
    return (text, share) => {
      setText(line, text);
      bar.hidden = false;
      fill.style.transform = `scaleX(${share})`;
      bar.title = percent(share);
    };
  }

  #broken(error: Error): void {
    const ours = error instanceof SourceError || error.name === "ShoalError";
    this.#problem("That did not work", ours ? sentence(error.message) : "This browser could not start Shoal: " + error.message);
  }

  #problem(title: string, text: string): void {
    this.#turn++;
    this.#view?.destroy();
    this.#view = null;
    this.#main.replaceChildren(
      h(
        "div",
        { class: "problem", role: "alert" },
        icon("warning"),
        h("h1", {}, title),
        h("p", {}, text),
        h(
          "div",
          { class: "row centred" },
          h("button", { class: "button primary", type: "button", onclick: () => location.reload() }, "Try again"),
          h("a", { class: "button", href: "#", onclick: () => this.#again() }, "Start page"),
        ),
      ),
    );
  }

  // The frame around the views

  #header(): void {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const root = document.documentElement;
    const current = (): string => root.dataset.theme ?? (dark.matches ? "dark" : "light");
    const button = h("button", { class: "icon-button", type: "button" });
    const draw = (): void => {
      const other = current() === "dark" ? "light" : "dark";
      button.replaceChildren(icon(other === "dark" ? "moon" : "sun"));
      button.setAttribute("aria-label", `Switch to ${other} colours`);
      button.title = `Switch to ${other} colours`;
    };
    button.addEventListener("click", () => {
      const theme = current() === "dark" ? "light" : "dark";
      root.dataset.theme = theme;
      try {
        localStorage.setItem("shoal.theme", theme);
      } catch {
        // it holds for this visit only
      }
      draw();
    });
    dark.addEventListener("change", draw);
    draw();
    document.getElementById("top-actions")!.append(button);
    this.#main.before(this.#away);
    document.querySelector(".brand")!.addEventListener("click", () => this.#again());
  }

  #footer(): void {
    const foot = document.getElementById("foot")!;
    if (window.isSecureContext) return;
    foot.append(
      h(
        "p",
        {},
        "This page came over plain http, so it plays from the computer that shares and keeps what it gets in memory. ",
        "Over https it could also stream from other viewers, keep pieces on disk and save large files as they arrive.",
      ),
    );
  }

  /** Files and links may be dropped or pasted anywhere on the page. */
  #anywhere(): void {
    let depth = 0;
    const lift = (on: boolean): boolean => document.body.classList.toggle("dragging", on);
    const useful = (event: DragEvent): boolean => /Files|text\/uri-list|text\/plain/.test([...(event.dataTransfer?.types ?? [])].join());
    addEventListener("dragenter", (event) => useful(event) && ++depth === 1 && lift(true));
    addEventListener("dragleave", (event) => useful(event) && --depth === 0 && lift(false));
    addEventListener("dragover", (event) => useful(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      depth = 0;
      lift(false);
      if (!event.dataTransfer || !useful(event) || (isField(event.target) && !event.dataTransfer.types.includes("Files"))) return;
      event.preventDefault();
      this.#take(event.dataTransfer);
    });
    addEventListener("paste", (event) => {
      if (isField(event.target) || !event.clipboardData) return;
      this.#take(event.clipboardData);
    });
  }

  #take(transfer: DataTransfer): void {
    if (transfer.types.includes("Files")) {
      filesOf(transfer).then(
        (files) => this.#seed(files),
        () => this.#toast("These files could not be read. Perhaps they were moved, or the browser may not open them."),
      );
      return;
    }
    const text = (transfer.getData("text/uri-list").split(/\r?\n/).find((line) => line && !line.startsWith("#")) ?? transfer.getData("text/plain")).trim();
    if (text === "") return;
    try {
      this.#openText(text);
    } catch (err) {
      this.#toast((err as Error).message);
    }
  }

  #toast(text: string): void {
    const toast = h("div", { class: "toast" }, text);
    this.#toasts.append(toast);
    setTimeout(() => toast.remove(), Math.max(4_000, text.length * 70));
  }
}

const isField = (target: EventTarget | null): boolean => target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;

/** A message of the engine as a sentence: capital letter, full stop. */
function sentence(message: string): string {
  return message.charAt(0).toUpperCase() + message.slice(1).replace(/([^.!?])$/, "$1.");
}

// What this tab has shared, to explain itself after a reload.

function ownIds(): string[] {
  try {
    return JSON.parse(sessionStorage.getItem(ownKey) ?? "[]") as string[];
  } catch {
    return [];
  }
}

function storeOwn(ids: string[]): void {
  try {
    sessionStorage.setItem(ownKey, JSON.stringify(ids));
  } catch {
    // only the explanation is lost
  }
}

const wasOwn = (id: string): boolean => ownIds().includes(id);
const rememberOwn = (id: string): void => storeOwn([...ownIds().filter((other) => other !== id), id]);
const forgetOwn = (id: string): void => storeOwn(ownIds().filter((other) => other !== id));

new App().start();
