import { safeName, subtitlesOf, toVTT, type Part, type ShoalFile, type Stats } from "../shoal";
import { clock, savings, swarm } from "./status";
import { finder, relabel } from "./template";
import { words } from "./words";

/** Seconds that an arrow key jumps; milliseconds after which controls that nobody uses fade. */
const jump = 5;
const fadeAfter = 3_000;

/** What the controls steer. */
export interface Played {
  readonly media: HTMLVideoElement;
  toggle(): void;
}

/** The bar below the picture, and the keys. */
export class Controls {
  readonly #root: ShadowRoot;
  readonly #played: Played;
  readonly #media: HTMLVideoElement;
  readonly #part: ReturnType<typeof finder>;
  #parts: readonly Part[] = [];
  #length = 0;
  #fade = 0;
  #tracks: HTMLTrackElement[] = [];

  constructor(root: ShadowRoot, played: Played) {
    this.#root = root;
    this.#played = played;
    this.#media = played.media;
    this.#part = finder(root);
    const media = this.#media;
    const seek = this.#part<HTMLInputElement>("seek");
    const volume = this.#part<HTMLInputElement>("volume");
    const on = (part: string, act: () => void, type = "click"): void => this.#part(part).addEventListener(type, act);
    on("play", () => played.toggle());
    on("mute", () => (media.muted = !media.muted));
    on("volume", () => {
      media.volume = volume.valueAsNumber;
      media.muted = false;
    }, "input");
    on("seek", () => (media.currentTime = seek.valueAsNumber), "input");
    on("fullscreen", () => void this.#fullscreen());
    on("pip", () => void (document.pictureInPictureElement === media ? document.exitPictureInPicture() : media.requestPictureInPicture()).catch(() => undefined));
    this.#part("pip").hidden = !document.pictureInPictureEnabled;
    for (const type of ["timeupdate", "durationchange", "progress", "play", "pause", "volumechange", "seeking", "emptied"]) media.addEventListener(type, () => this.draw());
    media.addEventListener("click", (event) => {
      // A finger's first tap only brings the controls.
      if ((event as PointerEvent).pointerType !== "touch" || !this.#stage.classList.contains("quiet")) played.toggle();
    });
    for (const type of ["pointermove", "pointerup", "focusin", "keydown"]) root.addEventListener(type, () => this.wake());
    root.addEventListener("keydown", (event) => this.#key(event as KeyboardEvent));
    root.host.addEventListener("fullscreenchange", () => this.draw());
    queueMicrotask(() => this.draw());
  }

  get #stage(): Element {
    return this.#root.firstElementChild!;
  }

  /** Shows the controls; they fade when the film runs and nobody uses them. */
  wake(): void {
    this.#stage.classList.remove("quiet");
    clearTimeout(this.#fade);
    this.#fade = setTimeout(() => {
      const used = this.#root.activeElement?.matches(":focus-visible") && this.#root.activeElement.closest("[part=controls]");
      if (!this.#media.paused && this.#media.readyState > 2 && !used) this.#stage.classList.add("quiet");
    }, fadeAfter) as unknown as number;
  }

  /** Which parts of a file of `length` bytes are there. */
  have(parts: readonly Part[], length: number): void {
    this.#parts = parts;
    this.#length = length;
    this.draw();
  }

  stats(stats: Stats | null): void {
    const line = this.#part("swarm");
    line.textContent = stats ? swarm(stats) : "";
    line.title = stats ? savings(stats) : "";
  }

  /** Shows where the film is. */
  draw(): void {
    const media = this.#media;
    const { currentTime, paused } = media;
    const duration = Number.isFinite(media.duration) ? media.duration : 0;
    const seek = this.#part<HTMLInputElement>("seek");
    seek.max = String(duration);
    seek.value = String(currentTime);
    seek.disabled = duration === 0;
    seek.setAttribute("aria-valuetext", `${clock(currentTime)} ${words.of} ${clock(duration)}`);
    this.#part("time").textContent = duration > 0 ? `${clock(currentTime)} / ${clock(duration)}` : "";
    relabel(this.#part("play"), paused ? "play" : "pause", paused ? "play" : "pause");
    const silent = media.muted || media.volume === 0;
    relabel(this.#part("mute"), silent ? "muted" : "sound", silent ? "unmute" : "mute");
    this.#part<HTMLInputElement>("volume").value = String(media.muted ? 0 : media.volume);
    const full = document.fullscreenElement === this.#root.host;
    relabel(this.#part("fullscreen"), full ? "small" : "full", full ? "window" : "fullscreen");
    const canvas = this.#part<HTMLElement>("parts") as HTMLCanvasElement;
    const pen = canvas.getContext("2d");
    if (!pen) return;
    const { width, height } = canvas;
    const style = getComputedStyle(canvas);
    const fill = (colour: string, spans: (readonly [number, number])[]): void => {
      pen.fillStyle = style.getPropertyValue(colour);
      for (const [from, to] of spans) pen.fillRect(from * width, 0, Math.max(1, (to - from) * width), height);
    };
    pen.clearRect(0, 0, width, height);
    fill("--_have", this.#parts.map(({ start, end }) => [start / this.#length, end / this.#length]));
    if (duration === 0) return;
    const { buffered } = media;
    fill("--_ready", Array.from({ length: buffered.length }, (_, i) => [buffered.start(i) / duration, buffered.end(i) / duration]));
    if (currentTime > 0) fill("--_accent", [[0, currentTime / duration]]);
  }

  /** Offers the subtitles that lie beside the film; each is fetched when it is chosen. */
  subtitles(film: ShoalFile | null, files: readonly ShoalFile[]): void {
    for (const track of this.#tracks.splice(0)) {
      URL.revokeObjectURL(track.src);
      track.remove();
    }
    const select = this.#part<HTMLElement>("subtitles") as HTMLSelectElement;
    const list = film ? subtitlesOf(film, files) : [];
    select.hidden = list.length === 0;
    select.replaceChildren(new Option(words.subtitles + ": " + words.off, ""), ...list.map(({ label }, i) => new Option(safeName(label), String(i))));
    const made = new Map<number, Promise<HTMLTrackElement>>();
    const make = async ({ file, label, language }: (typeof list)[number]): Promise<HTMLTrackElement> => {
      // Above the controls, where the subtitles do not say otherwise.
      const text = toVTT(new Uint8Array(await file.arrayBuffer())).replace(/^(.*-->\s*[\d:.]+)[ \t]*$/gm, "$1 line:74%");
      const track = document.createElement("track");
      Object.assign(track, { kind: "subtitles", label: safeName(label), srclang: language, src: URL.createObjectURL(new Blob([text], { type: "text/vtt" })) });
      this.#tracks.push(track);
      this.#media.append(track);
      return track;
    };
    select.onchange = async () => {
      for (const { track } of this.#tracks) track.mode = "disabled";
      const chosen = select.value;
      const i = Number(chosen);
      if (chosen === "") return;
      if (!made.has(i)) made.set(i, make(list[i]!));
      try {
        const { track } = await made.get(i)!;
        if (select.value === chosen) track.mode = "showing";
      } catch {
        made.delete(i); // the film goes on without them
        select.value = "";
      }
    };
  }

  #key(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    const { key } = event;
    if (event.altKey || event.ctrlKey || event.metaKey || target.matches("select")) return;
    const media = this.#media;
    const arrow = key.startsWith("Arrow");
    if (arrow && target.matches("[part=volume]")) return;
    if (key === " " && target.matches("button")) return;
    if (key === "ArrowLeft" || key === "ArrowRight") media.currentTime += key === "ArrowLeft" ? -jump : jump;
    else if (arrow) media.volume = Math.min(1, Math.max(0, media.volume + (key === "ArrowUp" ? 0.1 : -0.1)));
    else if (key === " " || key === "k") this.#played.toggle();
    else if (key === "m") media.muted = !media.muted;
    else if (key === "f") void this.#fullscreen();
    else return;
    event.preventDefault();
  }

  async #fullscreen(): Promise<void> {
    const host = this.#root.host;
    const media = this.#media as HTMLVideoElement & { webkitEnterFullscreen?(): void };
    try {
      if (document.fullscreenElement === host) await document.exitFullscreen();
      else if (host.requestFullscreen) await host.requestFullscreen();
      else media.webkitEnterFullscreen?.(); // iPhones know films alone
    } catch {
      // the browser or the page's frame does not allow it
    }
  }
}
