import { isolated, safeName } from "../../src/names";
import type { Shoal, ShoalFile, Torrent } from "../../src/shoal";
import { everySecond, h, hero, icon, setText, throttled } from "./dom";
import { FileList } from "./files";
import { bytes, percent, plural } from "../../src/format";
import { roomNote } from "./kept";
import type { Node } from "./node";
import { hasFolders, pickFolder, saveToFolder, streamsDownloads } from "./save";
import { saveBlob, shareCard } from "./sharing";
import { describe, PeersCard, StatusCard } from "./swarm";
import { Viewer, viewable, type ViewerHost } from "./viewer";

export interface ViewHost {
  node: Node;
  shoal: Shoal;
  /** One that plays a file of the torrent already, from the node. */
  viewer: Viewer | null;
  /** The address that opens this torrent elsewhere; `local` when it works on this machine only. */
  link(torrent: Torrent): Promise<{ link: string; local: boolean }>;
  toast(text: string): void;
  announce(text: string): void;
  /** The torrent was removed: the view has nothing left to show. */
  leave(): void;
}

/** Over this size a page that keeps everything in memory leaves the bytes to the node's stream. */
const memoryLimit = 400e6;
const blobLimit = 1e9;

/** Everything about one torrent. */
export class TorrentView {
  readonly element: HTMLElement;
  readonly torrent: Torrent;
  readonly #host: ViewHost;
  readonly #status: StatusCard;
  readonly #peers = new PeersCard();
  readonly #title = h("h1", { dir: "auto" });
  readonly #meta = h("p", { class: "meta" });
  readonly #note = h("p", { class: "note", hidden: true });
  readonly #alert = h("p", { class: "alert", role: "alert", hidden: true });
  readonly #main = h("div", { class: "column wide" });
  readonly #side = h("div", { class: "column" });
  readonly #viewer: Viewer;
  readonly #pendingText = h("p");
  readonly #pending = h("div", { class: "pending" }, hero(), this.#pendingText);
  readonly #offs: (() => void)[] = [];
  #files: FileList | null = null;
  #gone = false;
  #link = "";
  #share: HTMLElement | null = null;

  constructor(torrent: Torrent, host: ViewHost) {
    this.torrent = torrent;
    this.#host = host;
    this.#status = new StatusCard(torrent, host.announce, () => host.node.streamed(torrent.id));
    const showing: ViewerHost = {
      node: host.node,
      torrent,
      streaming: host.shoal.streaming,
      announce: host.announce,
      download: ({ path }) => void this.#download(torrent.files.find((file) => file.path === path)!),
      ended: (file) => this.#next(file.path),
    };
    this.#viewer = host.viewer ?? new Viewer(showing);
    host.viewer?.become(showing);
    this.#pending.hidden = host.viewer !== null;
    this.#viewer.onnote = (text) => {
      this.#note.textContent = text;
      this.#note.hidden = text === "";
    };
    const remove = h("button", { class: "button quiet", type: "button", onclick: () => void this.#remove() }, icon("close"), torrent.own ? "Stop sharing" : "Remove");
    const room = roomNote(torrent);
    this.#offs.push(room.off);
    this.#main.append(this.#pending, this.#viewer.element, this.#note);
    this.#side.append(this.#status.element, this.#peers.element);
    this.element = h(
      "article",
      { class: "torrent", "data-id": torrent.id, "data-own": String(torrent.own) },
      h("div", { class: "title-row" }, h("div", { class: "title" }, this.#title, this.#meta), remove),
      this.#alert,
      room.element,
      h("div", { class: "columns" }, this.#main, this.#side),
    );
    const render = throttled(250, () => this.#render());
    this.#offs.push(
      torrent.on("stats", render),
      // What there is to say changes with time alone, too.
      everySecond(render),
      torrent.on("metadata", () => void this.#passOn()),
      torrent.on("done", () => {
        render();
        host.announce(`${safeName(torrent.name)} is complete.`);
      }),
      torrent.on("error", (error) => this.#fail(error.message)),
      torrent.on("warning", (error) => this.#fail(error.message)),
    );
    this.#render();
    torrent.ready.then(
      () => void this.#fill(),
      () => undefined,
    );
  }

  destroy(): void {
    this.#gone = true;
    for (const off of this.#offs) off();
    this.#viewer.clear();
  }

  #render(): void {
    if (this.#gone) return;
    const { stats } = this.torrent;
    const { files, own, done } = this.torrent;
    const name = safeName(this.torrent.name);
    if (files.length === 0) {
      setText(this.#title, name || "Opening…");
      setText(this.#pendingText, describe(this.torrent));
    }
    const share = own || done || files.length === 0 || stats.progress >= 1 ? "" : percent(stats.progress) + " · ";
    document.title = share + (isolated(name) || "Opening…") + " · Shoal";
    this.element.dataset.state = this.torrent.done ? "seeding" : stats.state;
    this.#status.update(stats);
    this.#peers.update(stats);
    this.#files?.update();
  }

  #fail(message: string): void {
    this.#alert.replaceChildren(icon("warning"), message);
    this.#alert.hidden = false;
  }

  /** Fills in what the metadata tells. */
  async #fill(): Promise<void> {
    const { torrent } = this;
    if (!(await this.#passOn())) return;
    this.#pending.remove();
    this.#title.textContent = this.#title.title = safeName(torrent.name);
    this.#meta.textContent = [torrent.files.length > 1 && plural(torrent.files.length, "file"), bytes(torrent.length)].filter(Boolean).join(" · ");
    this.#files = new FileList(torrent, {
      open: (file) => this.#open(file),
      download: (file, button) => void this.#download(file, button),
      choose: (file, on) => void file.select(on).catch((err: Error) => this.#fail(err.message)),
      together: [
        ...(streamsDownloads() ? [{ label: "Download zip", save: (files: ShoalFile[]) => void this.#zip(files) }] : []),
        ...(hasFolders() ? [{ label: "Save to a folder", save: (files: ShoalFile[], button: HTMLButtonElement) => void this.#folder(files, button) }] : []),
      ],
    });
    this.#main.append(this.#files.element);
    this.#render();
    this.#spareMemory();
    if (!torrent.own) this.#openFirst();
  }

  /** Shows the link to pass on, which better links that come later change. Reports false if the view is gone. */
  async #passOn(): Promise<boolean> {
    const { torrent } = this;
    const { link, local } = await this.#host.link(torrent);
    if (this.#gone) return false;
    if (link === this.#link) return true;
    this.#link = link;
    const share = shareCard(torrent, { link, local, toast: this.#host.toast });
    if (this.#share) this.#share.replaceWith(share);
    else if (torrent.own) this.#main.prepend(share);
    else this.#status.element.after(share);
    this.#share = share;
    return true;
  }

  /** A link that is opened plays by itself: the largest video, else sound, else the only picture or text. */
  #openFirst(): void {
    const files = this.#files!.files;
    const largest = (kind: string): ShoalFile | undefined => files.filter((file) => file.kind === kind).sort((a, b) => b.length - a.length)[0];
    const media = largest("video") ?? files.find((file) => file.kind === "audio");
    const only = files.length === 1 && viewable(files[0]!) ? files[0] : undefined;
    const first = media ?? only ?? (files.every((file) => file.kind === "image") ? files[0] : undefined);
    if (first) this.#show(first, true);
  }

  #open(file: ShoalFile): void {
    this.#show(file, true);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#viewer.element.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
  }

  #show(file: ShoalFile, play: boolean): void {
    this.#files?.mark(file);
    void this.#viewer.show(file, play);
  }

  /** An album goes on with its next track; a film does not start the next one. */
  #next(path: string): void {
    const tracks = this.#files?.files.filter((other) => other.kind === "audio") ?? [];
    const at = tracks.findIndex((track) => track.path === path);
    const next = at < 0 ? undefined : tracks[at + 1];
    if (next) this.#show(next, true);
  }

  /** Without disk storage a large torrent would fill memory; if the node can stream it, only what is watched is fetched. */
  #spareMemory(): void {
    const { torrent } = this;
    const first = torrent.files[0];
    if (torrent.own || window.isSecureContext || torrent.length < memoryLimit || !first || !this.#host.node.streamURL(torrent, first)) return;
    for (const file of torrent.files) file.select(false).catch(() => undefined);
  }

  async #download(file: ShoalFile, button?: HTMLButtonElement): Promise<void> {
    const streaming = (await this.#host.shoal.streaming) && streamsDownloads() ? file.streamURL : null;
    const node = this.#host.node.streamURL(this.torrent, file);
    if (streaming !== null) {
      fetchIntoDownloads(streaming + "?download");
      this.#host.toast(this.torrent.own || file.done ? `Saving ${safeName(file.name)}.` : `Saving ${safeName(file.name)} while it arrives. Keep this tab open until it is finished.`);
      return;
    }
    if (node !== null && !file.done && (file.length > memoryLimit || this.torrent.stats.peers === 0)) {
      h("a", { href: node, download: safeName(file.name) }).click();
      return;
    }
    if (file.length > blobLimit) this.#host.toast("This browser collects the file in memory before saving it; a file this large may not fit.");
    button?.setAttribute("data-busy", "");
    try {
      saveBlob(await file.blob((done) => button?.style.setProperty("--share", String(done / file.length))), file.name);
      this.#host.toast(`Saved ${safeName(file.name)}.`);
    } catch (err) {
      this.#host.toast(`${safeName(file.name)} could not be saved: ${(err as Error).message}`);
    } finally {
      button?.removeAttribute("data-busy");
    }
  }

  async #zip(files: ShoalFile[]): Promise<void> {
    const url = (await this.#host.shoal.streaming) ? this.torrent.zipURL(files) : null;
    if (url === null) return this.#host.toast("This browser has not let Shoal's service worker start, which makes the archive. The files can be downloaded one by one.");
    fetchIntoDownloads(url);
    this.#host.toast(`Saving ${plural(files.length, "file")} as one archive. Keep this tab open until it is finished.`);
  }

  async #folder(files: ShoalFile[], button: HTMLButtonElement): Promise<void> {
    const { torrent } = this;
    const total = files.reduce((sum, { length }) => sum + length, 0);
    const label = button.lastChild!;
    const said = label.textContent;
    try {
      const folder = await pickFolder();
      if (!folder) return;
      button.disabled = true;
      button.setAttribute("data-busy", "");
      await saveToFolder(folder, torrent, files, (complete, written) => {
        label.textContent = `Saving ${Math.min(complete + 1, files.length)} of ${files.length}`;
        button.style.setProperty("--share", String(total > 0 ? written / total : 1));
      });
      this.#host.toast(`Saved ${plural(files.length, "file")}.`);
    } catch (err) {
      this.#host.toast("The files could not be saved: " + (err as Error).message);
    } finally {
      label.textContent = said;
      button.disabled = false;
      button.removeAttribute("data-busy");
    }
  }

  async #remove(): Promise<void> {
    const { own, stats } = this.torrent;
    if (own && stats.upSpeed > 0 && !confirm("Someone is downloading from you right now. Stop sharing?")) return;
    try {
      await this.torrent.remove({ deleteData: true });
      this.#host.leave();
    } catch (err) {
      this.#fail((err as Error).message);
    }
  }
}

/** Has the browser download what a service worker answers. */
function fetchIntoDownloads(address: string): void {
  // A frame, not a link: navigations reach the service worker everywhere.
  const frame = h("iframe", { src: address, hidden: true, title: "Download" });
  document.body.append(frame);
  setTimeout(() => frame.remove(), 60_000);
}
