import type { Hub } from "./hub";
import type { FromEngine, Link, Receive, SignMessage, Source, ToHub } from "./link";
import type { NoteMessage } from "./meet";

/**
 * To be raised whenever pages and engine say other things to each other than before: a page
 * of the old and one of the new do not meet then.
 */
const dialect = 1;

/** How often it is asked who runs the engine, and how many times at most; in milliseconds. */
const seekEvery = 250;
const maxSeeks = 20;

/** How often the tab that runs the engine is asked for a sign of life, in milliseconds, and how many in a row it may owe. */
const pingEvery = 5_000;
const maxSilent = 3;

const gone = "The tab that ran the engine is gone.";

/** The name of an engine, by all that keeps two pages from sharing one. */
export function engineName(...settings: unknown[]): string {
  return ["shoal", dialect, ...settings].join(" ");
}

/** A page that shares its engine with nobody. */
export function alone(hub: Hub): Source {
  return { connect: async (receive) => hub.connect(receive), close: () => hub.close("") };
}

export interface TabsOptions {
  name: string;
  hub(left: () => void): Hub;
  locks: Pick<LockManager, "request">;
  container: Pick<ServiceWorkerContainer, "addEventListener" | "removeEventListener" | "startMessages">;
  /** The service worker that passes notes between tabs; null: there will be none. */
  registration: Promise<Pick<ServiceWorkerRegistration, "active"> | null>;
}

interface Wanted {
  receive: Receive;
  resolve(link: Link): void;
  reject(error: unknown): void;
}

/**
 * One engine for the tabs of an origin. The tab that holds the engine's lock runs it; browsers
 * pass the lock on to the next that waits as soon as the tab is closed, has crashed or has
 * gone to another page, and do not freeze a tab that has one. The others have ports to it,
 * which the service worker carries from tab to tab: broadcast channels take no ports, so where
 * there is no service worker each tab runs an engine of its own.
 *
 * Should the tab that has the lock not answer (some phones stop tabs in the background whatever
 * they hold), the lock is taken from it. A tab that lost it so and finds nobody runs an engine
 * of its own from then on, or two that cannot hear each other would rob each other for ever.
 */
export class Tabs implements Source {
  readonly #options: TabsOptions;
  readonly #tab = crypto.randomUUID();
  /** Ends the waiting for the lock. */
  #queue = new AbortController();
  /** Lets go of the lock. */
  #release = (): void => {};
  /** Resolves once this tab's own lock is held, by which the engine's tab sees that it is there. */
  readonly #present: Promise<void>;
  #vanish = (): void => {};
  /** The engine, in a tab that runs it. */
  #hub: Hub | null = null;
  /** The hub is for all tabs. */
  #leads = false;
  #wanted: Wanted | null = null;
  /** Ends the link to another tab, and tells the page. */
  #cut: ((why: string) => void) | null = null;
  /** Numbers the searches: an earlier one ends. */
  #search = 0;
  #robbed = false;

  constructor(options: TabsOptions) {
    this.#options = options;
    options.container.addEventListener("message", this.#listen);
    options.container.startMessages();
    this.#present = new Promise((present) => {
      const stay = (): Promise<void> => {
        present();
        return new Promise((resolve) => (this.#vanish = resolve));
      };
      options.locks.request(this.#lockOf(this.#tab), stay).catch(() => undefined);
    });
    this.#enqueue();
  }

  connect(receive: Receive): Promise<Link> {
    return new Promise((resolve, reject) => {
      this.#wanted = { receive, resolve, reject };
      if (this.#hub) this.#serve(this.#hub);
      else void this.#seek();
    });
  }

  close(): void {
    this.#options.container.removeEventListener("message", this.#listen);
    this.#search++;
    this.#wanted?.reject(new Error(gone));
    this.#wanted = null;
    this.#queue.abort();
    this.#cut?.("");
    this.#hub?.close("");
    this.#leave();
    this.#vanish();
  }

  #lockOf(tab: string): string {
    return this.#options.name + " " + tab;
  }

  /** Waits for the lock, or takes it from who has it. */
  #enqueue(steal = false): void {
    const { signal } = (this.#queue = new AbortController());
    let led = false;
    const lead = (): Promise<void> => {
      led = true;
      return this.#lead();
    };
    this.#options.locks.request(this.#options.name, steal ? { steal } : { signal }, lead).catch(() => {
      if (led) this.#lose();
      else if (!signal.aborted) this.#run(); // there are no locks here
    });
  }

  /** The lock is this tab's, until the promise resolves. */
  #lead(): Promise<void> {
    this.#leads = true;
    const held = new Promise<void>((resolve) => (this.#release = resolve));
    this.#run();
    void this.#note("lead");
    return held;
  }

  #leave(): void {
    this.#leads = false;
    this.#release();
  }

  /** Another tab has taken the lock. */
  #lose(): void {
    const hub = this.#hub;
    this.#hub = null;
    this.#leads = false;
    this.#robbed = true;
    this.#enqueue();
    hub?.close("The tab that ran the engine did not answer.");
  }

  #run(): void {
    const hub = (this.#hub = this.#options.hub(() => this.#leave()));
    if (this.#cut) this.#cut(gone);
    else this.#serve(hub);
  }

  #runAlone(): void {
    this.#queue.abort();
    this.#run();
  }

  #serve(hub: Hub): void {
    const wanted = this.#wanted;
    this.#wanted = null;
    if (!wanted) return;
    try {
      wanted.resolve(hub.connect(wanted.receive));
    } catch (err) {
      wanted.reject(err);
    }
  }

  async #seek(): Promise<void> {
    const search = ++this.#search;
    const over = (): boolean => search !== this.#search || !this.#wanted || this.#hub !== null;
    await this.#present;
    const registration = await Promise.race([this.#options.registration, sleep(seekEvery * maxSeeks).then(() => null)]);
    if (over()) return;
    if (!registration) return this.#runAlone();
    for (let n = 0; n < maxSeeks; n++) {
      void this.#note("seek");
      await sleep(seekEvery);
      if (over()) return;
    }
    if (this.#robbed) return this.#runAlone();
    this.#queue.abort();
    this.#enqueue(true);
  }

  async #note(say: "seek" | "lead"): Promise<void> {
    const message: NoteMessage = { shoalNote: { say, name: this.#options.name, tab: this.#tab } };
    (await this.#options.registration)?.active?.postMessage(message);
  }

  readonly #listen = ({ data, ports, source }: MessageEvent<unknown>): void => {
    const note = (data as Partial<NoteMessage> | null)?.shoalNote;
    if (note?.name !== this.#options.name) return;
    const mine = note.tab === this.#tab;
    if (note.say === "port") {
      if (mine && ports[0]) this.#join(ports[0]);
    } else if (mine) return;
    else if (note.say === "seek") {
      if (this.#leads) this.#meet(this.#hub!, note.tab, note.from ?? "", source as ServiceWorker | null);
    } else if (this.#cut) this.#cut(gone);
    else if (this.#wanted) void this.#seek();
  };

  /** Gives another tab a port to the engine. */
  #meet(hub: Hub, tab: string, to: string, worker: ServiceWorker | null): void {
    const { port1, port2 } = new MessageChannel();
    hub.accept(port1, (then) => {
      const watch = new AbortController();
      this.#options.locks.request(this.#lockOf(tab), { signal: watch.signal }, then).catch(() => undefined);
      return () => watch.abort();
    });
    const message: NoteMessage = { shoalNote: { say: "port", name: this.#options.name, tab, to } };
    worker?.postMessage(message, [port2]);
  }

  /** Uses the engine of another tab. */
  #join(port: MessagePort): void {
    let pinging: ReturnType<typeof setInterval> | undefined;
    const tell = (sign: SignMessage["sign"]): void => port.postMessage({ sign } satisfies ToHub);
    const end = (): void => {
      clearInterval(pinging);
      if (this.#cut === cut) this.#cut = null;
      tell("leave");
      port.close();
    };
    const wanted = this.#wanted;
    const cut = (why: string): void => {
      if (this.#cut !== cut) return;
      end();
      wanted?.receive({ lost: why });
    };
    if (!wanted || this.#hub) return end(); // it has asked more than once
    this.#wanted = null;
    let silent = 0;
    pinging = setInterval(() => {
      if (++silent > maxSilent) return cut("The tab that ran the engine does not answer.");
      tell("ping");
    }, pingEvery);
    this.#cut = cut;
    port.onmessage = ({ data }: MessageEvent<FromEngine>) => {
      silent = 0;
      if ("sign" in data) return;
      if ("lost" in data || "fatal" in data) end();
      wanted.receive(data);
    };
    wanted.resolve({ post: (message, transfer) => port.postMessage(message, transfer), close: end });
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
