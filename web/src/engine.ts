import { Journal } from "./journal";
import type { FromEngine, Link, Source } from "./link";
import type { Call, CallMessage, Calls, EngineEvent, Method } from "./protocol";

/** Something Shoal could not do; the message is for people. */
export class ShoalError extends Error {
  override name = "ShoalError";
}

interface Pending {
  call: Call;
  /** It is in the journal already. */
  replayed: boolean;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** A stream that an engine feeds. */
export interface Fed {
  /** Asks again for what it waits for: the engine that had it is gone. */
  reopen(): void;
  fail(message: string): void;
}

/** What the page is told. */
export interface EngineHooks {
  event(event: EngineEvent): void;
  /** The engine stopped, or its tab is gone, and another has taken over where it was. */
  restarted(error: ShoalError): void;
  /** The engine has stopped for good. */
  fatal(error: ShoalError): void;
}

/** An engine that stops more often than this in so many milliseconds stays stopped. */
const mostRestarts = 3;
const restartsWithin = 60_000;

/** How long an engine may take to say goodbye; a little more than its own limit (browser/close.go). */
const closeWithin = 3_000;

/**
 * The page's end of the engine, which runs in a worker of this tab or of another: calls with
 * answers, and events. When the engine crashes or its tab is gone, the next is told what this
 * page had asked for.
 */
export class Engine {
  readonly #source: Source;
  readonly #hooks: EngineHooks;
  readonly #journal = new Journal();
  readonly #pending = new Map<number, Pending>();
  readonly #fed = new Set<Fed>();
  #link: Link | null = null;
  #calls = 0;
  #dead: string | null = null;
  /** When engines have stopped. */
  #stops: number[] = [];
  /** Numbers the engines. */
  #turn = 0;
  /** Calls wait for this while there is no engine yet, or one takes over. */
  #ready: Promise<unknown> | null = null;

  constructor(source: Source, hooks: EngineHooks) {
    this.#source = source;
    this.#hooks = hooks;
    this.#connect(null);
  }

  async call<M extends Method>(method: M, args: Calls[M]["args"], transfer: Transferable[] = []): Promise<Calls[M]["result"]> {
    while (this.#ready) await this.#ready;
    return this.#post({ method, args } as Call, transfer) as Promise<Calls[M]["result"]>;
  }

  /** Has a stream go on with the next engine should this one crash; the function it returns ends that. */
  feeds(stream: Fed): () => void {
    this.#fed.add(stream);
    return () => this.#fed.delete(stream);
  }

  /**
   * Ends the engine, or what this page has of one that other tabs use too: trackers and peers
   * are told, and what is stored is made permanent. Every call, waiting or to come, fails with
   * the message.
   */
  async close(message: string): Promise<void> {
    if (this.#dead !== null) return;
    const goodbye = this.#link ? this.#post({ method: "close", args: {} }) : Promise.resolve();
    this.#die(message);
    await Promise.race([goodbye.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, closeWithin))]);
    this.#end(message);
  }

  #post(call: Call, transfer: Transferable[] = [], replayed = false): Promise<unknown> {
    if (this.#dead !== null) return Promise.reject(new ShoalError(this.#dead));
    const message: CallMessage = { call: ++this.#calls, ...call };
    return new Promise((resolve, reject) => {
      this.#pending.set(message.call, { call, replayed, resolve, reject });
      this.#link!.post(message, transfer);
    });
  }

  #die(message: string): void {
    this.#dead = message;
    for (const stream of [...this.#fed]) stream.fail(message);
  }

  /** Ends all there is, and what waits for it. */
  #end(message: string): void {
    this.#turn++;
    this.#link?.close();
    this.#link = null;
    this.#source.close();
    this.#reject(message, () => true);
  }

  #reject(message: string, which: (pending: Pending) => boolean): void {
    for (const [call, pending] of this.#pending) {
      if (!which(pending)) continue;
      this.#pending.delete(call);
      pending.reject(new ShoalError(message));
    }
  }

  #fatal(message: string): void {
    this.#die(message);
    this.#end(message);
    this.#hooks.fatal(new ShoalError(message));
  }

  #crashed(message: string): void {
    if (this.#dead !== null) return;
    const now = Date.now();
    this.#stops = [...this.#stops.filter((at) => now - at < restartsWithin), now];
    if (this.#journal.calls().length === 0 || this.#stops.length > mostRestarts) return this.#fatal(message);
    // What had been asked of it may be why.
    this.#next(message, () => true);
  }

  /** Goes on with the next engine; the calls that are under way fail or are made again there. */
  #next(message: string, fail: (pending: Pending) => boolean): void {
    for (const [number, { call, resolve }] of this.#pending) {
      if (call.method !== "read") continue;
      this.#pending.delete(number); // its stream is opened again
      resolve(undefined);
    }
    this.#link?.close();
    this.#link = null;
    this.#turn++;
    this.#reject(message, fail);
    this.#connect(message);
  }

  /** Gets a way to an engine and brings it to where the last one was, which `lost` tells of. */
  #connect(lost: string | null): void {
    const turn = this.#turn;
    const current = (): boolean => turn === this.#turn && this.#dead === null;
    const ready = (async () => {
      const link = await this.#source.connect((data) => turn === this.#turn && this.#receive(data));
      if (!current()) return link.close();
      this.#link = link;
      const waiting = [...this.#pending];
      for (const call of this.#journal.calls()) {
        // What cannot be had again says so by an event of its torrent, or is tried again by who asks for it.
        await this.#post(call, [], true).catch((err: Error) => {
          if (!current()) return;
          const { id } = call.args as { id?: string };
          this.#hooks.event({ type: "error", ...(id ? { id } : {}), message: err.message });
        });
        if (!current()) return;
      }
      for (const [number, { call }] of waiting) link.post({ call: number, ...call }, []);
    })()
      .catch((err: Error) => current() && this.#fatal(err.message))
      .finally(() => {
        if (this.#ready !== ready) return; // it is gone again
        this.#ready = null;
        if (lost === null || !current()) return;
        for (const stream of [...this.#fed]) stream.reopen();
        this.#hooks.restarted(new ShoalError(lost));
      });
    this.#ready = ready;
  }

  #receive(data: FromEngine): void {
    if ("event" in data) {
      if (this.#journal.seen(data.event)) this.#hooks.event(data.event);
    } else if ("fatal" in data) this.#crashed(data.fatal);
    else if ("lost" in data) {
      if (this.#dead === null) this.#next(data.lost, ({ replayed }) => replayed);
    } else if ("reply" in data) {
      const pending = this.#pending.get(data.reply);
      this.#pending.delete(data.reply);
      if (!pending) return;
      if (data.error !== null) return pending.reject(new ShoalError(data.error));
      if (!pending.replayed) this.#journal.note(pending.call, data.result);
      pending.resolve(data.result);
    }
  }
}
