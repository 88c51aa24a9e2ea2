import type { SeedFile, Shoal, Torrent } from "../../src/shoal";
import { filesFrom } from "./drop";
import { everySecond, h, hero, icon, setText, throttled, type Icon } from "./dom";
import { bytes, percent, speed } from "../../src/format";
import { takeMagnets, takesMagnets } from "./handlers";
import { keptList } from "./kept";
import type { NodeTorrent } from "./node";
import { safeName } from "../../src/names";
import { describe, downSpeed } from "./swarm";

export interface HomeHost {
  /** Opens a pasted text; throws with words for people when it is no link. */
  open(text: string): void;
  openTorrent(file: Blob): void;
  seed(files: SeedFile[]): void;
  toast(text: string): void;
}

/** The start page: it explains itself, takes files and takes links. */
export class HomeView {
  readonly element: HTMLElement;
  readonly #host: HomeHost;
  readonly #lists = h("div", { class: "lists" });
  readonly #kept = h("div", { class: "lists" });
  #offs: (() => void)[] = [];

  constructor(host: HomeHost) {
    this.#host = host;
    this.element = h(
      "div",
      { class: "home" },
      h(
        "div",
        { class: "hero" },
        hero(),
        h("h1", {}, "Share a file straight from this tab"),
        h("p", { class: "lead" }, "Send the link. Whoever opens it watches or downloads at once, and every viewer helps to deliver to the next. Nothing is uploaded to a server."),
      ),
      this.#lists,
      this.#kept,
      this.#dropZone(),
      this.#linkForm(),
      h(
        "ul",
        { class: "facts" },
        fact("bolt", "Plays while it arrives", "Video and music start in seconds and skip anywhere, long before the download is complete."),
        fact("people", "Faster with every viewer", "Open tabs pass the pieces on. Each piece is checked before it is shown, saved or shared."),
        fact("globe", "Open to every client", "It is plain BitTorrent and WebTorrent: qBittorrent, Transmission and other sites can join with the same magnet link."),
      ),
    );
  }

  /** Lists what the node shares and what this tab holds. */
  list(shared: NodeTorrent[], shoal: Shoal | null): void {
    this.#clear();
    const here = shoal?.torrents ?? [];
    const ids = new Set(here.map((torrent) => torrent.id));
    const offered = shared.filter((torrent) => !ids.has(torrent.id));
    this.#lists.replaceChildren(
      ...(here.length > 0 ? [group("In this tab", here.map((torrent) => this.#held(torrent)))] : []),
      ...(offered.length > 0 ? [group("Shared here", offered.map((torrent) => entry(torrent.id, torrent.name, bytes(torrent.length)).element))] : []),
    );
  }

  /** Lists what the browser keeps of earlier visits. */
  async kept(shoal: Shoal): Promise<void> {
    const list = await keptList(shoal).catch(() => null);
    this.#kept.replaceChildren(...(list ? [list] : []));
  }

  destroy(): void {
    this.#clear();
  }

  #clear(): void {
    for (const off of this.#offs.splice(0)) off();
  }

  #held(torrent: Torrent): HTMLElement {
    const { element, name, detail } = entry(torrent.id, torrent.name || torrent.id, "");
    const render = (): void => {
      const { stats } = torrent;
      setText(name, safeName(torrent.name) || torrent.id);
      const down = downSpeed(torrent);
      const flow = down > 0 ? "↓ " + speed(down) : stats.upSpeed > 0 ? "↑ " + speed(stats.upSpeed) : "";
      const share = torrent.own || torrent.done || stats.progress >= 1 ? "" : percent(stats.progress);
      setText(detail, [describe(torrent), share, flow].filter(Boolean).join(" · "));
    };
    render();
    const later = throttled(500, render);
    this.#offs.push(torrent.on("stats", later), torrent.on("metadata", later), torrent.on("done", later), everySecond(later));
    return element;
  }

  #dropZone(): HTMLElement {
    const files = h("input", { type: "file", multiple: true, class: "sr", tabindex: -1, "aria-hidden": "true", id: "pick-files" });
    const folder = h("input", { type: "file", webkitdirectory: true, class: "sr", tabindex: -1, "aria-hidden": "true", id: "pick-folder" });
    for (const input of [files, folder]) {
      input.addEventListener("change", () => {
        const chosen = filesFrom(input);
        input.value = "";
        if (chosen.length > 0) this.#host.seed(chosen);
      });
    }
    // Phones cannot choose folders.
    const folders = "webkitdirectory" in folder && !matchMedia("(pointer: coarse)").matches;
    return h(
      "section",
      { class: "drop", "aria-label": "Share files" },
      h("div", { class: "drop-icon" }, icon("upload")),
      h("p", { class: "drop-title" }, matchMedia("(pointer: coarse)").matches ? "Pick something to share" : "Drop files or a folder here"),
      h(
        "div",
        { class: "row centred" },
        h("button", { class: "button primary", type: "button", onclick: () => files.click() }, "Choose files"),
        folders && h("button", { class: "button", type: "button", onclick: () => folder.click() }, "Choose a folder"),
      ),
      h("p", { class: "quiet-line" }, "The files stay on your device and are read from there while this tab is open."),
      files,
      folder,
    );
  }

  #linkForm(): HTMLElement {
    const error = h("p", { class: "field-error", id: "link-error", role: "alert" });
    const field = h("input", {
      id: "link-input",
      type: "text",
      inputmode: "url",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      placeholder: "Share link, magnet link, info hash or .torrent address",
      "aria-describedby": "link-error",
    });
    const torrent = h("input", { type: "file", accept: ".torrent,application/x-bittorrent", class: "sr", tabindex: -1, "aria-hidden": "true" });
    torrent.addEventListener("change", () => {
      const file = torrent.files?.[0];
      torrent.value = "";
      if (file) this.#host.openTorrent(file);
    });
    const form = h(
      "form",
      { class: "open", novalidate: true },
      h("label", { for: "link-input" }, "Got a link?"),
      h("div", { class: "link-row" }, field, h("button", { class: "button primary", type: "submit" }, "Open")),
      error,
      h("p", { class: "quiet-line" }, "or ", h("button", { class: "text-button", type: "button", onclick: () => torrent.click() }, "open a .torrent file"), torrent),
      takesMagnets() && h("p", { class: "quiet-line" }, h("button", { class: "text-button", type: "button", onclick: () => takeMagnets() }, "Open magnet links here"), " from now on, wherever they are clicked."),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      error.textContent = "";
      field.removeAttribute("aria-invalid");
      try {
        this.#host.open(field.value);
      } catch (err) {
        error.textContent = (err as Error).message;
        field.setAttribute("aria-invalid", "true");
        field.focus();
      }
    });
    return form;
  }
}

function fact(shape: Icon, title: string, text: string): HTMLElement {
  return h("li", {}, icon(shape), h("h2", {}, title), h("p", {}, text));
}

function group(title: string, entries: HTMLElement[]): HTMLElement {
  return h("section", { class: "group" }, h("h2", {}, title), h("ul", {}, ...entries));
}

function entry(id: string, title: string, text: string): { element: HTMLElement; name: HTMLElement; detail: HTMLElement } {
  const name = h("span", { class: "entry-name", dir: "auto" }, safeName(title));
  const detail = h("span", { class: "entry-detail" }, text);
  return { element: h("li", {}, h("a", { class: "entry", href: "#" + id }, name, detail, icon("play"))), name, detail };
}
