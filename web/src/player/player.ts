import type { Shoal, ShoalFile, Torrent } from "../shoal";
import { Controls } from "./controls";
import { Base, sheetOf } from "./element";
import css from "./player.css";
import { hold, release, sharedShoal } from "./shared";
import { choose, waiting } from "./status";
import { fill, finder, template } from "./template";
import { setUpload, uploads } from "./upload";
import { words } from "./words";

const sheet = sheetOf(css);
const lookEvery = 1_000;

/** The events of the media element that the player fires as its own. */
const passed = ["play", "pause", "playing", "waiting", "timeupdate", "durationchange", "loadedmetadata", "loadeddata", "canplay", "seeking", "seeked", "ended", "volumechange", "ratechange"];

/**
 * `<shoal-player src="magnet:...">`: plays a film or a piece of music out of a torrent
 * while it arrives.
 *
 * | attribute | says |
 * |---|---|
 * | `src` | a magnet link, info hash, share link or the address of a .torrent, relative to the page |
 * | `file` | path, name or index of the file to play; default: the largest that plays |
 * | `poster` | a picture to show before |
 * | `autoplay`, `muted`, `loop` | as of a media element |
 * | `controls` | `none` hides the player's own |
 * | `preload` | `none` (default): nothing happens before somebody plays; else the file is fetched at once |
 * | `trackers`, `web-seeds` | further ones, separated by spaces; web seeds relative to the page |
 *
 * It fires the events of a media element that matter to a page, `torrent` when the torrent
 * and its files are known, and `error`, with `error` saying what is wrong.
 */
export class ShoalPlayer extends Base {
  /** @internal */
  static readonly observedAttributes = ["src", "file", "poster", "muted", "loop", "controls"];
  /** The media element inside. */
  readonly media: HTMLVideoElement;
  /** The torrent, null until its files are known. */
  torrent: Torrent | null = null;
  /** The file that is played, null until it is known. */
  currentFile: ShoalFile | null = null;
  /** What went wrong, in words for people, or null. */
  error: Error | null = null;
  readonly #controls: Controls;
  readonly #part: ReturnType<typeof finder>;
  #own: Shoal | null = null;
  #shoal: Shoal | null = null;
  /** What was opened last, the torrent of it as soon as the engine has accepted it, and a promise of its address. */
  #run: object | null = null;
  #held: Torrent | null = null;
  #open: Promise<void> | null = null;
  #wants = false;
  #starved = false;
  #retry = false;
  #whole = false;
  #met = 0;
  #timer = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    root.innerHTML = template;
    fill(root);
    this.#part = finder(root);
    this.media = this.#part<HTMLVideoElement>("media");
    this.#controls = new Controls(root, { media: this.media, toggle: () => this.#toggle() });
    this.#part("start").addEventListener("click", () => {
      this.#toggle();
      this.#part("play").focus();
    });
    this.#part("retry").addEventListener("click", () => this.#again());
    const upload = this.#part("upload");
    upload.addEventListener("click", () => {
      if (this.#shoal) setUpload(this.#shoal, !uploads(this.#shoal));
      this.#look();
    });
    const media = this.media;
    for (const type of passed) media.addEventListener(type, () => this.dispatchEvent(new Event(type)));
    media.addEventListener("play", () => {
      this.#wants = true;
      this.#controls.wake();
    });
    media.addEventListener("pause", () => (this.#wants = false));
    media.addEventListener("error", () => media.error && void this.#fault(media.error.code));
    for (const type of ["waiting", "seeking"]) media.addEventListener(type, () => (this.#starved = true));
    for (const type of ["playing", "canplay", "emptied"]) media.addEventListener(type, () => (this.#starved = false));
    for (const type of ["play", "pause", "waiting", "playing", "canplay", "loadeddata", "seeking", "emptied"]) media.addEventListener(type, () => this.#render());
  }

  /** @internal */
  connectedCallback(): void {
    this.#timer ||= setInterval(() => this.#look(), lookEvery) as unknown as number;
    this.#begin();
  }

  /** @internal */
  disconnectedCallback(): void {
    // One that is moved within the page is connected again at once.
    queueMicrotask(() => {
      if (this.isConnected) return;
      clearInterval(this.#timer);
      this.#timer = 0;
      this.#close();
    });
  }

  /** @internal */
  attributeChangedCallback(name: string, old: string | null, value: string | null): void {
    if (old === value) return;
    if (name === "poster") this.media.poster = value ?? "";
    else if (name === "muted") this.media.muted = value !== null;
    else if (name === "loop") this.media.loop = value !== null;
    else if (name === "controls") this.#part("controls").hidden = value === "none";
    else if (this.isConnected) {
      this.#close();
      this.#begin();
    }
  }

  /** A magnet link, info hash, share link or the address of a .torrent. */
  get src(): string {
    return this.getAttribute("src") ?? "";
  }
  set src(value: string) {
    this.setAttribute("src", value);
  }

  /** The client to play by; default: one that all players of the page share. */
  get shoal(): Shoal | null {
    return this.#own ?? this.#shoal;
  }
  set shoal(shoal: Shoal | null) {
    this.#own = shoal;
    this.#close();
    if (this.isConnected) this.#begin();
  }

  get currentTime(): number {
    return this.media.currentTime;
  }
  set currentTime(seconds: number) {
    this.media.currentTime = seconds;
  }
  get duration(): number {
    return this.media.duration;
  }
  get paused(): boolean {
    return this.media.paused;
  }
  get ended(): boolean {
    return this.media.ended;
  }
  get volume(): number {
    return this.media.volume;
  }
  set volume(share: number) {
    this.media.volume = share;
  }
  get muted(): boolean {
    return this.media.muted;
  }
  set muted(on: boolean) {
    this.media.muted = on;
  }

  /** Starts, and first of all gets, the film. Rejects when that fails or the browser wants a click first. */
  async play(): Promise<void> {
    this.#wants = true;
    this.#open ??= this.#load();
    this.#render();
    await this.#open;
    if (!this.#wants) return; // paused meanwhile
    try {
      await this.media.play();
    } catch (error) {
      this.#wants = !this.media.paused;
      this.#render();
      throw error;
    }
  }

  pause(): void {
    this.#wants = false;
    this.media.pause();
    this.#render();
  }

  #begin(): void {
    if (this.src !== "" && !this.#open) {
      if (this.hasAttribute("autoplay")) this.play().catch(() => undefined);
      else if ((this.getAttribute("preload") ?? "none") !== "none") (this.#open = this.#load()).catch(() => undefined);
    }
    this.#look();
  }

  #toggle(): void {
    if (this.#wants || !this.media.paused) this.pause();
    else this.play().catch(() => undefined);
  }

  /** Tries again what failed, from where it was. */
  #again(): void {
    const at = this.media.currentTime;
    this.#close();
    if (at > 0) this.media.addEventListener("loadedmetadata", () => (this.media.currentTime = at), { once: true });
    this.play().catch(() => undefined);
    this.#part("play").focus();
  }

  #close(): void {
    this.#run = this.#open = this.torrent = this.currentFile = this.error = null;
    this.#wants = this.#whole = this.#retry = false;
    if (this.#held) release(this.#held);
    this.#held = null;
    this.media.removeAttribute("src");
    this.media.load();
    this.#controls.subtitles(null, []);
    this.#controls.have([], 0);
    this.#render();
  }

  async #load(): Promise<void> {
    const run = (this.#run = {});
    const current = (): boolean => this.#run === run;
    this.#met = performance.now();
    try {
      const shoal = this.#own ?? (await sharedShoal());
      if (!current()) return;
      this.#shoal = shoal;
      const before = new Set(shoal.torrents.map(({ id }) => id));
      const torrent = await shoal.add(this.#source(), { trackers: this.#list("trackers") });
      const added = !before.has(torrent.id);
      hold(torrent, added);
      if (!current()) return release(torrent);
      this.#held = torrent;
      for (const seed of this.#list("web-seeds")) torrent.addWebSeed(new URL(seed, document.baseURI).href).catch(() => undefined);
      await torrent.ready;
      if (!current()) return;
      const wanted = this.getAttribute("file");
      const file = choose(torrent.files, wanted);
      if (!file) throw new Error(wanted ? words.noFile : words.nothing);
      if (added) for (const other of torrent.files) other.select(other === file).catch(() => undefined);
      this.torrent = torrent;
      this.currentFile = file;
      this.dispatchEvent(new CustomEvent("torrent", { detail: torrent }));
      this.#controls.subtitles(file, torrent.files);
      this.#whole = !(await shoal.streaming);
      await file.streamTo(this.media);
      if (current()) this.#whole = false;
    } catch (error) {
      if (!current()) return;
      this.#fail((error as Error).message, true);
      throw error;
    }
  }

  #source(): string {
    const src = this.src.trim();
    return /^(magnet:|https?:|[0-9a-z]{32,68}$)/i.test(src) ? src : new URL(src, document.baseURI).href;
  }

  #list(name: string): string[] {
    return this.getAttribute(name)?.split(/\s+/).filter(Boolean) ?? [];
  }

  /** A browser says that a film is not supported also when it could not get it. */
  async #fault(code: number): Promise<void> {
    const run = this.#run;
    const { src } = this.media;
    const reached = code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED && (await fetch(src, { headers: { range: "bytes=0-0" } }).then(({ ok }) => ok, () => false));
    if (run !== this.#run) return;
    if (reached) this.#fail(words.unsupported, false);
    else this.#fail(code === MediaError.MEDIA_ERR_DECODE ? words.damaged : words.broken, true);
  }

  #fail(text: string, retry: boolean): void {
    this.error = new Error(text);
    this.#retry = retry;
    this.#render();
    this.dispatchEvent(new Event("error"));
  }

  /** Looks at how it goes, every second. */
  #look(): void {
    const torrent = this.#held;
    const stats = torrent?.stats ?? null;
    if (stats && stats.peers + stats.webSeeds > 0) this.#met = performance.now();
    this.#controls.stats(stats);
    const upload = this.#part("upload");
    upload.hidden = !this.#shoal;
    if (this.#shoal) upload.ariaChecked = String(uploads(this.#shoal));
    const file = this.currentFile;
    if (file && !document.hidden) {
      const show = (parts: Awaited<ReturnType<ShoalFile["parts"]>>): void => {
        if (file === this.currentFile) this.#controls.have(parts, file.length);
      };
      if (file.done) show([{ start: 0, end: file.length }]);
      else file.parts().then(show, () => undefined);
    }
    this.#render();
  }

  /** Shows over the picture what there is to say. */
  #render(): void {
    const { media } = this;
    const busy = !this.error && this.#wants && (media.readyState < 3 || this.#starved);
    const bar = document.querySelector("shoal-consent");
    const asked = busy && !this.#own && !this.#shoal && bar?.answer === null;
    const file = this.currentFile;
    const said = this.error
      ? { text: this.error.message, retry: this.#retry }
      : asked
        ? { text: words.consent, retry: false }
        : busy
          ? waiting({
              stats: this.#held?.stats ?? null,
              known: file !== null,
              shown: media.currentTime > 0,
              whole: this.#whole && file ? file.have : -1,
              length: file?.length ?? 0,
              alone: performance.now() - this.#met,
              online: navigator.onLine,
            })
          : { text: "", retry: false };
    const start = this.#part("start");
    start.hidden = this.error !== null || busy || !media.paused || (media.currentTime > 0 && !media.ended);
    this.#part("spinner").hidden = !busy;
    this.#part("retry").hidden = !said.retry;
    const message = this.#part("message");
    if (message.textContent !== said.text) message.textContent = said.text;
    this.#part("cover").classList.toggle("dim", this.error !== null || busy);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "shoal-player": ShoalPlayer;
  }
}
