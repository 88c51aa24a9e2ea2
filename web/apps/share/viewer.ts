import { safeName } from "../../src/names";
import { encodingOf, subtitlesOf, toVTT, type ShoalFile, type Stats, type Torrent } from "../../src/shoal";
import { h, icon, setText } from "./dom";
import { bytes } from "../../src/format";
import type { Node } from "./node";
import { positionOf, rememberPosition } from "./positions";
import { takeOver } from "./takeover";

const textLimit = 512 << 10;
/** How often the place in a film is noted, and how long a stream may take to show that it is alive, in milliseconds. */
const noteEvery = 5_000;
const probeWithin = 5_000;
/** Seconds that the keys of a headset or a lock screen jump. */
const jump = 10;
/** How long a stream may stay empty without a single peer before plain HTTP is tried. */
const patience = 8_000;

/** How long the page may be without its service worker before it is said. */
const silence = 1_000;

/** What there is to show of a file, whether the engine or a node brings it. */
export type Shown = Pick<ShoalFile, "index" | "path" | "name" | "length" | "kind" | "streamURL" | "stream" | "blob">;

export interface ViewerHost {
  node: Pick<Node, "streamURL">;
  torrent: Pick<Torrent, "id" | "name" | "own"> & { files: readonly Shown[]; stats: Pick<Stats, "peers" | "downloaded"> };
  /** Resolves to whether stream URLs work in this page. */
  streaming: Promise<boolean>;
  announce(text: string): void;
  download(file: Shown): void;
  /** A file came to its end; the next one of its kind may start. */
  ended(file: Shown): void;
}

/** Whether a file has a viewer of its own. */
export function viewable(file: Shown): boolean {
  return file.kind === "pdf" ? navigator.pdfViewerEnabled !== false : file.kind !== "archive" && file.kind !== "other";
}

/** The place where a file is played or shown. */
export class Viewer {
  readonly element: HTMLElement;
  /** A line about where the bytes come from, "" when there is nothing to say. */
  onnote: (text: string) => void = () => undefined;
  #host: ViewerHost;
  readonly #stage = h("div", { class: "stage" });
  readonly #cover = h("div", { class: "cover", hidden: true });
  #current: Shown | null = null;
  /** What plays for a host before this one. */
  #before: HTMLMediaElement | null = null;
  #cleanups: (() => void)[] = [];

  constructor(host: ViewerHost) {
    this.#host = host;
    this.element = h("section", { class: "viewer", hidden: true, "aria-label": "Player" }, this.#stage, this.#cover);
  }

  get current(): Shown | null {
    return this.#current;
  }

  /** Shows a file; media starts by itself when `play` is set. */
  async show(file: Shown, play: boolean): Promise<void> {
    const before = this.#before;
    this.#before = null;
    if (before && this.#current?.path === file.path) {
      this.#current = file;
      return this.#follow(file, before);
    }
    this.clear();
    this.#current = file;
    this.element.hidden = false;
    this.element.dataset.kind = file.kind;
    this.onnote("");
    switch (file.kind) {
      case "video":
      case "audio":
        return this.#media(file, play);
      case "image":
        return this.#image(file);
      case "pdf":
        return this.#pdf(file);
      default:
        return this.#text(file);
    }
  }

  /** Goes on for another host, whose engine brings from now on what plays already. */
  become(host: ViewerHost): void {
    this.#host = host;
    this.#before = this.#stage.querySelector("video, audio");
  }

  clear(): void {
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
    this.#current = null;
    this.#stage.replaceChildren();
    this.#cover.hidden = true;
    this.element.hidden = true;
  }

  /** Addresses that a file can be had from, best first. */
  async #addresses(file: Shown): Promise<string[]> {
    const node = this.#host.node.streamURL(this.#host.torrent, file);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), silence)));
    const streaming = await Promise.race([this.#host.streaming, late]);
    clearTimeout(timer);
    if (streaming === null && node === null && this.#current === file) {
      this.#message("This browser has not started the service worker that streams need. Waiting a moment more…", true);
      await this.#host.streaming;
    }
    return [file.streamURL, node].filter((url) => url !== null);
  }

  async #media(file: Shown, play: boolean): Promise<void> {
    const media = player(file, play);
    this.#stage.replaceChildren(...(file.kind === "video" ? [media] : [h("div", { class: "record" }, icon("audio"), h("strong", { dir: "auto" }, safeName(file.name))), media]));
    this.#message("Getting the first part…", true);
    this.#cleanups.push(() => unload(media));
    const addresses = await this.#addresses(file);
    if (this.#current !== file) return;
    const next = this.#attach(file, media, addresses, play);
    if (!next()) return this.#whole(file, (url) => {
      media.src = url;
      if (play) void this.#start(media);
    });
    this.#impatient(media, next);
    // It plays from the node because the service worker is slow, or will not come.
    if (file.streamURL === null) await this.#follow(file, media);
  }

  /** Has the same file go on from the swarm, once that has what comes next. */
  async #follow(file: Shown, before: HTMLMediaElement): Promise<void> {
    await this.#host.streaming;
    const address = file.streamURL;
    if (this.#current !== file) return;
    if (address === null) {
      if (window.isSecureContext && before.src.startsWith("http")) this.onnote("This browser did not start Shoal's service worker, so this plays over plain HTTP from the computer that shares it.");
      return;
    }
    const media = player(file, true);
    media.classList.add("following");
    media.muted = true;
    media.src = address;
    before.after(media);
    const held = (): boolean => document.fullscreenElement === before || document.pictureInPictureElement === before;
    const stop = takeOver(before, media, held, () => {
      const plays = !before.paused;
      const offered = this.#stage.querySelector(".offer");
      offered?.remove();
      if (offered) media.muted = false; // whoever is muted by the browser is asked again
      for (const cleanup of this.#cleanups.splice(0)) if (cleanup !== drop) cleanup();
      before.remove();
      media.classList.remove("following");
      this.#cleanups.push(() => unload(media));
      this.#attach(file, media, [this.#host.node.streamURL(this.#host.torrent, file)].filter((url) => url !== null), plays);
      if (file.kind === "video") void this.#subtitles(file, media);
      this.#message(null);
      this.onnote("");
      if (plays) void this.#start(media);
    });
    const drop = (): void => {
      stop();
      unload(media);
    };
    this.#cleanups.push(drop);
  }

  /** Listens to a player; what is returned gives it the next address, and says whether there was one. */
  #attach(file: Shown, media: HTMLMediaElement, addresses: string[], play: boolean): () => boolean {
    let current = media.currentSrc;
    const next = (): boolean => {
      const address = addresses.shift();
      if (address === undefined) return false;
      const at = media.currentTime || this.#left(file);
      current = address;
      media.src = address;
      if (at > 0) media.currentTime = at;
      if (play) void this.#start(media);
      return true;
    };
    media.addEventListener("loadeddata", () => this.#message(null));
    media.addEventListener("loadeddata", () => file.kind === "video" && void this.#subtitles(file, media), { once: true });
    this.#remember(file, media);
    this.#session(file, media);
    media.addEventListener("playing", () => this.#message(null));
    media.addEventListener("waiting", () => this.#message("Waiting for the next part…", true));
    media.addEventListener("seeking", () => media.readyState < 2 && this.#message("Jumping there…", true));
    media.addEventListener("seeked", () => media.readyState >= 2 && this.#message(null));
    media.addEventListener("ended", () => this.#host.ended(file));
    media.addEventListener("error", () => {
      if (!media.error || this.#current !== file) return;
      if (media.error.code !== MediaError.MEDIA_ERR_DECODE && next()) return;
      void this.#fault(file, media.error.code, current);
    });
    return next;
  }

  /** No peer and no data, but a node that has the file: HTTP works where WebRTC does not. */
  #impatient(media: HTMLMediaElement, next: () => boolean): void {
    const timer = setTimeout(() => {
      const { peers, downloaded } = this.#host.torrent.stats;
      if (media.readyState >= 2 || peers > 0 || downloaded > 0 || this.#host.torrent.own) return;
      if (next()) this.onnote("No direct connection came about, so this plays over plain HTTP from the computer that shares it.");
    }, patience);
    this.#cleanups.push(() => clearTimeout(timer));
  }

  async #start(media: HTMLMediaElement): Promise<void> {
    try {
      await media.play();
    } catch (err) {
      // Anything else is a source that was replaced, or an error event of its own.
      if (!(err instanceof DOMException) || err.name !== "NotAllowedError") return;
      if (media instanceof HTMLAudioElement) return this.#offer(media, "Play", "play", () => void this.#start(media));
      media.muted = true;
      await media.play().then(
        () => this.#offer(media, "Tap for sound", "muted", () => (media.muted = false)),
        () => this.#offer(media, "Play", "play", () => void media.play()),
      );
    }
  }

  /** A large button over the picture for what the browser allows only after a tap. */
  #offer(media: HTMLMediaElement, label: string, shape: "play" | "muted", act: () => void): void {
    const button = h("button", { class: "offer", type: "button" }, icon(shape), label);
    const remove = (): void => button.remove();
    button.addEventListener("click", () => {
      act();
      remove();
      media.focus();
    });
    media.addEventListener("volumechange", () => shape === "muted" && !media.muted && remove());
    this.#stage.append(button);
  }

  /** Without any address the whole file is read first. */
  async #whole(file: Shown, use: (url: string) => void): Promise<void> {
    try {
      const blob = await file.blob((done) => {
        if (this.#current === file) this.#message(`This browser cannot stream here, so the whole file comes first: ${bytes(done)} of ${bytes(file.length)}`, true);
      });
      if (this.#current !== file) return;
      const url = URL.createObjectURL(blob);
      this.#cleanups.push(() => URL.revokeObjectURL(url));
      this.#message(null);
      use(url);
    } catch (err) {
      if (this.#current === file) this.#message("This file could not be read: " + (err as Error).message);
    }
  }

  async #image(file: Shown): Promise<void> {
    const image = h("img", { alt: safeName(file.name), hidden: true });
    this.#stage.replaceChildren(image);
    this.#message("Getting the picture…", true);
    image.addEventListener("load", () => {
      image.hidden = false;
      this.#message(null);
    });
    const addresses = await this.#addresses(file);
    if (this.#current !== file) return;
    image.addEventListener("error", () => {
      const address = addresses.shift();
      if (address !== undefined) image.src = address;
      else this.#refused(file, 0);
    });
    const address = addresses.shift();
    if (address !== undefined) image.src = address;
    else await this.#whole(file, (url) => (image.src = url));
  }

  async #pdf(file: Shown): Promise<void> {
    this.#message("Getting the document…", true);
    const addresses = await this.#addresses(file);
    if (this.#current !== file) return;
    const show = (url: string): void => {
      this.#stage.replaceChildren(h("iframe", { src: url, title: safeName(file.name) }));
      this.#message(null);
    };
    if (addresses[0] !== undefined) show(addresses[0]);
    else await this.#whole(file, show);
  }

  async #text(file: Shown): Promise<void> {
    const text = h("pre", { tabindex: 0, "aria-label": safeName(file.name) });
    this.#stage.replaceChildren(text);
    this.#message("Getting the text…", true);
    const reader = file.stream({ end: textLimit }).getReader();
    this.#cleanups.push(() => void reader.cancel().catch(() => undefined));
    let decoder: TextDecoder | null = null;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (this.#current !== file) return;
        if (value) decoder ??= new TextDecoder(encodingOf(value));
        text.append(decoder?.decode(value, { stream: !done }) ?? "");
        this.#message(null);
        if (done) break;
      }
    } catch (err) {
      if (this.#current === file) this.#message("This file could not be read: " + (err as Error).message);
      return;
    }
    if (file.length > textLimit) this.onnote(`This is the first ${bytes(textLimit)} of ${bytes(file.length)}. Download the file to see all of it.`);
  }

  /** The name under which the place in a file is remembered. */
  #key(file: Shown): string {
    return this.#host.torrent.id + "/" + file.index;
  }

  #left(file: Shown): number {
    try {
      return positionOf(localStorage, this.#key(file));
    } catch {
      return 0; // storage is refused
    }
  }

  /** Notes where a film is, to go on there another time. */
  #remember(file: Shown, media: HTMLMediaElement): void {
    const note = (): void => {
      if (!media.duration || media.readyState === 0) return;
      try {
        rememberPosition(localStorage, this.#key(file), media.currentTime, media.duration);
      } catch {
        // storage is refused
      }
    };
    const timer = setInterval(() => media.paused || note(), noteEvery);
    media.addEventListener("pause", note);
    media.addEventListener("ended", note);
    addEventListener("pagehide", note);
    this.#cleanups.unshift(() => {
      note();
      clearInterval(timer);
      removeEventListener("pagehide", note);
    });
  }

  /** What plays, for the lock screen and the keys of a headset. */
  #session(file: Shown, media: HTMLMediaElement): void {
    const session = navigator.mediaSession as MediaSession | undefined;
    if (!session || typeof MediaMetadata === "undefined") return;
    const { torrent } = this.#host;
    session.metadata = new MediaMetadata({ title: safeName(file.name), album: torrent.files.length > 1 ? safeName(torrent.name) : "" });
    const actions: [MediaSessionAction, MediaSessionActionHandler | null][] = [
      ["seekbackward", (details) => (media.currentTime -= details.seekOffset ?? jump)],
      ["seekforward", (details) => (media.currentTime += details.seekOffset ?? jump)],
      ["seekto", (details) => details.seekTime !== undefined && (media.currentTime = details.seekTime)],
      ["nexttrack", file.kind === "audio" ? () => this.#host.ended(file) : null],
    ];
    const set = (action: MediaSessionAction, handler: MediaSessionActionHandler | null): void => {
      try {
        session.setActionHandler(action, handler);
      } catch {
        // this browser does not know the action
      }
    };
    for (const [action, handler] of actions) set(action, handler);
    this.#cleanups.push(() => {
      session.metadata = null;
      for (const [action] of actions) set(action, null);
    });
  }

  /** Gives a film the subtitles that came with it, once it shows something itself. */
  async #subtitles(file: Shown, media: HTMLMediaElement): Promise<void> {
    for (const { file: from, label, language } of subtitlesOf(file as ShoalFile, this.#host.torrent.files as readonly ShoalFile[])) {
      try {
        const text = toVTT(new Uint8Array(await (await from.blob()).arrayBuffer()));
        if (this.#current !== file) return;
        const url = URL.createObjectURL(new Blob([text], { type: "text/vtt" }));
        this.#cleanups.push(() => URL.revokeObjectURL(url));
        media.append(h("track", { kind: "subtitles", src: url, label: safeName(label), srclang: language || null }));
      } catch {
        // the film plays without them
      }
    }
  }

  /**
   * Says what is wrong with a film. A browser says that a source is not supported also
   * when it could not get it: then it is not the film's fault.
   */
  async #fault(file: Shown, code: number, address: string): Promise<void> {
    if (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED && address !== "" && !(await answers(address))) code = MediaError.MEDIA_ERR_NETWORK;
    if (this.#current === file) this.#refused(file, code);
  }

  #refused(file: Shown, code: number): void {
    const broken = code === MediaError.MEDIA_ERR_NETWORK;
    const extension = /\.([^.]+)$/.exec(safeName(file.name))?.[1]?.toUpperCase();
    this.#message(
      broken
        ? "The stream broke off. Nobody who has this part may be reachable right now."
        : code === MediaError.MEDIA_ERR_DECODE
        ? "This browser cannot decode what comes next: the file may be damaged, or made in a way that it does not know. You can still download it."
        : `This browser cannot show ${extension ? `this kind of ${extension} file` : "this file"}. You can still download it.`,
    );
    const retry = h("button", { class: "button", type: "button", onclick: () => void this.show(file, true) }, "Try again");
    const save = h("button", { class: "button", type: "button", onclick: () => this.#host.download(file) }, icon("download"), "Download");
    this.#cover.append(broken ? retry : save);
  }

  #message(text: string | null, busy = false): void {
    this.#cover.hidden = text === null;
    if (text === null) return;
    const line = this.#cover.querySelector("p");
    if (busy && line && this.#cover.classList.contains("busy")) return setText(line, text);
    this.#cover.classList.toggle("busy", busy);
    this.#cover.replaceChildren(busy ? h("span", { class: "spinner" }) : icon("warning"), h("p", {}, text));
    if (!busy) this.#host.announce(text);
  }
}

/** An element that plays a file. */
function player(file: Shown, play: boolean): HTMLMediaElement {
  return h(file.kind === "video" ? "video" : "audio", { controls: true, playsinline: true, preload: play ? "auto" : "metadata", "aria-label": safeName(file.name) });
}

/** Has a player let go of what it reads from. */
function unload(media: HTMLMediaElement): void {
  media.pause();
  media.removeAttribute("src");
  media.load();
}

/** Whether an address brings its first byte. */
async function answers(address: string): Promise<boolean> {
  try {
    const response = await fetch(address, { headers: { Range: "bytes=0-0" }, signal: AbortSignal.timeout(probeWithin) });
    return response.ok && (await response.arrayBuffer()).byteLength > 0;
  } catch {
    return false;
  }
}
