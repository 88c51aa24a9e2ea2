import { Emitter } from "./emitter";
import { monthOf, noSums, plus, type Totals } from "./tally";

/** What a page may take of its visitor's line to pass on to other peers. */
export interface MannersSettings {
  /** Pass on what is here. Default true; false only downloads, which other peers notice. */
  upload: boolean;
  /** Bytes a second to peers, of all torrents. Default Infinity. */
  uploadLimit: number;
  /** Bytes to peers in a calendar month (UTC), in all tabs and visits of this origin. Default Infinity. */
  monthlyUpload: number;
  /** Upload also on a cellular connection and where the visitor asks to save data. Default false. */
  onMetered: boolean;
  /** Upload also while the device runs on its battery, where the browser tells. Default true. */
  onBattery: boolean;
  /** Upload also while nobody sees the page. Default true. */
  whenHidden: boolean;
}

/** Why nothing is uploaded; "" while something may be. */
export type MannersReason = "" | "off" | "budget" | "saveData" | "cellular" | "battery" | "hidden";

/** What holds at the moment. */
export interface MannersState {
  /** Peers are served. */
  uploading: boolean;
  /** Bytes a second that they may get: Infinity without a limit, 0 when they are not served. */
  limit: number;
  reason: MannersReason;
}

export interface MannersEvents {
  change: MannersState;
  /** At most 4 a second, while bytes pass. */
  totals: Totals;
}

/** The engine's event about what has passed. */
export interface TotalsEvent extends Totals {
  type: "totals";
}

interface Watched {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** What of the browser is looked at; what is missing never stands in the way. */
export interface MannersSources {
  connection?: Watched & { saveData?: boolean; type?: string };
  getBattery?(): Promise<Watched & { charging: boolean }>;
  document: Watched & { visibilityState: string };
  now(): number;
}

/** How often a month's end is looked for while its budget is spent. */
const lookAgain = 3_600_000;

const defaults: MannersSettings = {
  upload: true,
  uploadLimit: Infinity,
  monthlyUpload: Infinity,
  onMetered: false,
  onBattery: true,
  whenHidden: true,
};

function browser(): MannersSources {
  const nav = navigator as Navigator & Omit<MannersSources, "document" | "now">;
  const { connection } = nav;
  return { ...(connection ? { connection } : {}), getBattery: nav.getBattery?.bind(nav), document, now: Date.now } as MannersSources;
}

/** Decides whether and how fast this page passes bytes on; they may be changed at any time. */
export class Manners extends Emitter<MannersEvents> {
  /** What has passed over the network. */
  totals: Totals = { session: noSums, key: "", month: noSums, ever: noSums };
  state: MannersState = { uploading: true, limit: Infinity, reason: "" };
  #settings: MannersSettings;
  readonly #allow: (limit: number) => void;
  readonly #sources: MannersSources;
  readonly #look = (): void => this.#decide();
  #battery: (Watched & { charging: boolean }) | undefined;
  #asked = false;
  #started = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Of engines before this one. */
  #before = noSums;

  /** `allow` tells the engine how many bytes a second may be sent. */
  constructor(settings: Partial<MannersSettings>, allow: (limit: number) => void, sources = browser()) {
    super();
    this.#settings = { ...defaults, ...settings };
    this.#allow = allow;
    this.#sources = sources;
    sources.connection?.addEventListener("change", this.#look);
    sources.document.addEventListener("visibilitychange", this.#look);
    this.#decide();
  }

  get settings(): Readonly<MannersSettings> {
    return this.#settings;
  }

  /** Changes what is named, from now on. */
  set(settings: Partial<MannersSettings>): void {
    this.#settings = { ...this.#settings, ...settings };
    this.#decide();
  }

  /** @internal The engine takes calls. */
  start(): void {
    this.#started = true;
    if (this.state.limit !== Infinity) this.#allow(this.state.limit);
  }

  /** @internal */
  receive({ session, key, month, ever }: TotalsEvent): void {
    const last = plus(this.totals.session, this.#before, -1);
    if (session.fromPeers + session.toPeers + session.fromWebSeeds < last.fromPeers + last.toPeers + last.fromWebSeeds) {
      this.#before = this.totals.session; // another engine has taken over, and counts from zero
    }
    this.totals = { session: plus(session, this.#before), key, month, ever };
    this.emit("totals", this.totals);
    this.#decide();
  }

  /** @internal */
  close(): void {
    this.#sources.connection?.removeEventListener("change", this.#look);
    this.#sources.document.removeEventListener("visibilitychange", this.#look);
    this.#battery?.removeEventListener("chargingchange", this.#look);
    clearInterval(this.#timer);
  }

  #reason(): MannersReason {
    const { upload, uploadLimit, monthlyUpload, onMetered, onBattery, whenHidden } = this.#settings;
    const { connection, document, now } = this.#sources;
    if (!upload || uploadLimit <= 0) return "off";
    if ((this.totals.key === monthOf(now()) ? this.totals.month.toPeers : 0) >= monthlyUpload) return "budget";
    if (!onMetered && connection?.saveData) return "saveData";
    if (!onMetered && connection?.type === "cellular") return "cellular";
    if (!onBattery && this.#battery?.charging === false) return "battery";
    return !whenHidden && document.visibilityState === "hidden" ? "hidden" : "";
  }

  #decide(): void {
    if (!this.#settings.onBattery) void this.#askBattery();
    const reason = this.#reason();
    clearInterval(this.#timer);
    if (reason === "budget") this.#timer = setInterval(this.#look, lookAgain);
    const limit = reason ? 0 : this.#settings.uploadLimit;
    const { state } = this;
    if (state.reason === reason && state.limit === limit) return;
    this.state = { uploading: !reason, limit, reason };
    if (this.#started) this.#allow(limit);
    this.emit("change", this.state);
  }

  async #askBattery(): Promise<void> {
    if (this.#asked) return;
    this.#asked = true;
    try {
      this.#battery = await this.#sources.getBattery?.();
    } catch {
      return; // the page may not know
    }
    this.#battery?.addEventListener("chargingchange", this.#look);
    this.#decide();
  }
}
