import type { ShoalFile, Torrent } from "../../src/shoal";
import { cutName, isRightToLeft, safeName } from "../../src/names";
import { h, icon, setAttribute, setText } from "./dom";
import { bytes, percent, plural } from "../../src/format";
import { viewable } from "./viewer";

/** Rows shown at first and added at each "show more": a page of 20,000 rows would not scroll. */
const pageSize = 200;
/** On a phone the list stands above what else there is to say. */
const phonePageSize = 30;
const searchFrom = 12;

interface Row {
  file: ShoalFile;
  element: HTMLLIElement;
  open: HTMLButtonElement;
  choice: HTMLInputElement | null;
  detail: HTMLElement;
  bar: HTMLElement;
  progress: number;
}

export interface FileListHost {
  open(file: ShoalFile): void;
  download(file: ShoalFile, button: HTMLButtonElement): void;
  /** A file is wanted, or no more. */
  choose(file: ShoalFile, on: boolean): void;
  /** Ways to save several files at once, as far as this browser has them. */
  together: { label: string; save(files: ShoalFile[], button: HTMLButtonElement): void }[];
}

/** The files of a torrent with their sizes and progress. */
export class FileList {
  readonly element: HTMLElement;
  /** In the order that people expect: "2" before "10". */
  readonly files: ShoalFile[];
  readonly #host: FileListHost;
  readonly #own: boolean;
  readonly #list = h("ul", { class: "files" });
  readonly #more = h("button", { class: "button more", type: "button" });
  #rows: Row[] = [];
  readonly #pageSize = matchMedia("(max-width: 900px)").matches ? phonePageSize : pageSize;
  #shown = this.#pageSize;
  #filter = "";
  #current: ShoalFile | null = null;
  /** What is left out. */
  readonly #without = new Set<ShoalFile>();
  readonly #all = h("input", { type: "checkbox", id: "choose-all" });
  readonly #sum = h("span", {});
  readonly #together: HTMLButtonElement[] = [];

  constructor(torrent: Torrent, host: FileListHost) {
    this.#host = host;
    this.#own = torrent.own;
    const order = new Intl.Collator(undefined, { numeric: true });
    this.files = [...torrent.files].sort((a, b) => order.compare(folderOf(a), folderOf(b)) || order.compare(a.name, b.name));
    const search = h("input", { type: "search", class: "search", placeholder: "Find a file", "aria-label": "Find a file" });
    search.addEventListener("input", () => {
      this.#filter = search.value.trim().toLowerCase();
      this.#shown = this.#pageSize;
      this.#build();
    });
    this.#more.addEventListener("click", () => {
      this.#shown += this.#pageSize;
      this.#build();
    });
    this.element = h(
      "section",
      { class: "card", "aria-labelledby": "files-title" },
      h("div", { class: "card-head" }, h("h2", { id: "files-title" }, plural(this.files.length, "file")), this.files.length >= searchFrom && search),
      this.#choosing && this.#choice(),
      this.#list,
      this.#more,
    );
    this.#build();
  }

  /** Marks the file that is on show. */
  mark(file: ShoalFile | null): void {
    this.#current = file;
    for (const row of this.#rows) {
      if (row.file === file) row.open.setAttribute("aria-current", "true");
      else row.open.removeAttribute("aria-current");
    }
  }

  /** Brings progress up to date; touches only rows that changed. */
  update(): void {
    for (const row of this.#rows) this.#progress(row);
  }

  get #choosing(): boolean {
    return !this.#own && this.files.length > 1;
  }

  get #found(): ShoalFile[] {
    return this.#filter === "" ? this.files : this.files.filter((file) => file.path.toLowerCase().includes(this.#filter));
  }

  /** Chooses all that are listed, says what is chosen, and saves it. */
  #choice(): HTMLElement {
    this.#all.addEventListener("change", () => {
      for (const file of this.#found) this.#choose(file, this.#all.checked);
      for (const row of this.#rows) row.choice!.checked = !this.#without.has(row.file);
      this.#total();
    });
    for (const { label, save } of this.#host.together) {
      const button = h("button", { class: "button", type: "button" }, icon("download"), label);
      button.addEventListener("click", () => save(this.files.filter((file) => !this.#without.has(file)), button));
      this.#together.push(button);
    }
    return h("div", { class: "choice" }, h("label", { class: "choose", for: "choose-all" }, this.#all, this.#sum), h("div", { class: "row" }, ...this.#together));
  }

  #choose(file: ShoalFile, on: boolean): void {
    if (on !== this.#without.has(file)) return;
    if (on) this.#without.delete(file);
    else this.#without.add(file);
    this.#host.choose(file, on);
  }

  #total(): void {
    const chosen = this.files.filter((file) => !this.#without.has(file));
    const length = chosen.reduce((sum, file) => sum + file.length, 0);
    setText(this.#sum, (chosen.length === this.files.length ? "All" : `${chosen.length.toLocaleString("en")} chosen`) + " · " + bytes(length));
    const without = this.#found.filter((file) => this.#without.has(file)).length;
    this.#all.checked = without === 0;
    this.#all.indeterminate = without > 0 && without < this.#found.length;
    for (const button of this.#together) button.disabled = chosen.length === 0;
  }

  #build(): void {
    const found = this.#found;
    const items: Element[] = [];
    this.#rows = [];
    let folder = "";
    for (const file of found.slice(0, this.#shown)) {
      const here = folderOf(file);
      if (here !== folder) items.push(h("li", { class: "folder" }, icon("folder"), h("bdi", {}, safeName(here))));
      folder = here;
      const row = this.#row(file);
      this.#rows.push(row);
      items.push(row.element);
    }
    if (found.length === 0) items.push(h("li", { class: "empty" }, "No file has that in its name."));
    this.#list.replaceChildren(...items);
    this.#more.hidden = found.length <= this.#shown;
    this.#more.textContent = `Show more (${found.length - this.#shown} left)`;
    this.mark(this.#current);
    if (this.#choosing) this.#total();
  }

  #row(file: ShoalFile): Row {
    const detail = h("span", { class: "file-detail" });
    const bar = h("span", { class: "file-bar", "aria-hidden": "true" });
    const shown = viewable(file);
    const open = h(
      "button",
      { class: "file-open", type: "button", onclick: () => (shown ? this.#host.open(file) : this.#host.download(file, save)) },
      h("span", { class: "file-icon", "data-kind": file.kind }, icon(file.kind)),
      h("span", { class: "file-text" }, h("span", { class: "file-name" }, ...nameParts(file.name)), detail),
    );
    const save = h(
      "button",
      { class: "icon-button", type: "button", "data-download": file.index, "aria-label": `Download ${safeName(file.name)}`, title: "Download" },
      icon("download"),
    );
    save.addEventListener("click", () => this.#host.download(file, save));
    const choice = this.#choosing ? h("input", { type: "checkbox", checked: !this.#without.has(file), "aria-label": `Choose ${safeName(file.name)}` }) : null;
    choice?.addEventListener("change", () => {
      this.#choose(file, choice.checked);
      this.#total();
    });
    const element = h("li", { class: "file" }, choice && h("label", { class: "choose" }, choice), open, save, bar);
    const row: Row = { file, element, open, choice, detail, bar, progress: -1 };
    this.#progress(row);
    return row;
  }

  #progress(row: Row): void {
    const { file } = row;
    const progress = this.#own ? 1 : Math.floor(file.progress * 1000) / 1000;
    if (progress === row.progress) return;
    row.progress = progress;
    const done = progress >= 1;
    setText(row.detail, bytes(file.length) + (this.#own ? "" : done ? " · complete" : progress > 0 ? ` · ${percent(progress)}` : ""));
    setAttribute(row.element, "data-done", String(done));
    row.bar.style.transform = `scaleX(${progress})`;
  }
}

function folderOf(file: ShoalFile): string {
  return file.path.slice(0, Math.max(0, file.path.length - file.name.length - 1));
}

/** A long name is cut in the middle, so that its end, which says what it is, stays readable. */
function nameParts(name: string): HTMLElement[] {
  const shown = safeName(name);
  if (isRightToLeft(shown)) return [h("span", { class: "name-whole", dir: "auto" }, shown)];
  const [start, end] = cutName(shown, 28, 12);
  return [h("span", { class: "name-start" }, start), ...(end ? [h("span", { class: "name-end" }, end)] : [])];
}
