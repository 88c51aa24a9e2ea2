import { Journal } from "./journal";
import type { Call, CallMessage, Calls, EngineEvent, FromWorker, Method } from "./protocol";

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
  /** Sets up what the worker needs of the page, and returns what undoes it. */
  attach(worker: Worker): () => void;
  event(event: EngineEvent): void;
  /** The engine stopped, and another has taken over where it was. */
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
 * The page's end of the engine's worker: calls with answers, and events. When the worker
 * crashes, another one is started and told what this page had asked for.
 */
export class Engine {
  readonly #spawn: () => Worker;
  readonly #hooks: EngineHooks;
  readonly #journal = new Journal();
  readonly #pending = new Map<number, Pending>();
  readonly #fed = new Set<Fed>();
  #worker!: Worker;
  #detach!: () => void;
  #calls = 0;
  #dead: string | null = null;
  /** When engines have stopped. */
  #stops: number[] = [];
  /** Calls wait for this while an engine takes over. */
  #ready: Promise<unknown> | null = null;

  constructor(spawn: () => Worker, hooks: EngineHooks) {
    this.#spawn = spawn;
    this.#hooks = hooks;
    this.#start();
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
   * Ends the engine: trackers and peers are told, and what is stored is made permanent.
   * Every call, waiting or to come, fails with the message.
   */
  async close(message: string): Promise<void> {
    if (this.#dead !== null) return;
    const goodbye = this.#post({ method: "close", args: {} });
    this.#dead = message;
    for (const stream of [...this.#fed]) stream.fail(message);
    await Promise.race([goodbye.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, closeWithin))]);
    this.#end(message);
  }

  #post(call: Call, transfer: Transferable[] = [], replayed = false): Promise<unknown> {
    if (this.#dead !== null) return Promise.reject(new ShoalError(this.#dead));
    const message: CallMessage = { call: ++this.#calls, ...call };
    return new Promise((resolve, reject) => {
      this.#pending.set(message.call, { call, replayed, resolve, reject });
      this.#worker.postMessage(message, transfer);
    });
  }

  #start(): void {
    const worker = this.#spawn();
    this.#worker = worker;
    this.#detach = this.#hooks.attach(worker);
    worker.addEventListener("message", (message: MessageEvent<FromWorker>) => {
      if (worker === this.#worker) this.#receive(message.data);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      if (worker === this.#worker) this.#crashed(event.message || "the engine's worker could not be loaded");
    });
  }

  /** Ends the worker, with all its connections, and what waits for it. */
  #end(message: string): void {
    this.#worker.terminate();
    this.#detach();
    for (const { reject } of this.#pending.values()) reject(new ShoalError(message));
    this.#pending.clear();
  }

  #crashed(message: string): void {
    if (this.#dead !== null) return;
    const calls = this.#journal.calls();
    const now = Date.now();
    this.#stops = [...this.#stops.filter((at) => now - at < restartsWithin), now];
    if (calls.length === 0 || this.#stops.length > mostRestarts) {
      this.#dead = message;
      this.#end(message);
      for (const stream of [...this.#fed]) stream.fail(message);
      return this.#hooks.fatal(new ShoalError(message));
    }
    for (const [id, { call, resolve }] of this.#pending) {
      if (call.method !== "read") continue;
      this.#pending.delete(id); // its stream is opened again
      resolve(undefined);
    }
    this.#end(message);
    this.#start();
    const worker = this.#worker;
    const replay = (async () => {
      for (const call of calls) {
        // What cannot be had again says so by an event of its torrent, or is tried again by who asks for it.
        await this.#post(call, [], true).catch((err: Error) => {
          if (worker !== this.#worker || this.#dead !== null) return;
          const { id } = call.args as { id?: string };
          this.#hooks.event({ type: "error", ...(id ? { id } : {}), message: err.message });
        });
      }
    })();
    const ready = replay.finally(() => {
      if (this.#ready !== ready) return; // it crashed again
      this.#ready = null;
      if (this.#dead !== null) return;
      for (const stream of [...this.#fed]) stream.reopen();
      this.#hooks.restarted(new ShoalError(message));
    });
    this.#ready = ready;
  }

  #receive(data: FromWorker): void {
    if ("event" in data) {
      if (this.#journal.seen(data.event)) this.#hooks.event(data.event);
    } else if ("fatal" in data) this.#crashed(data.fatal);
    else if ("reply" in data) {
      const pending = this.#pending.get(data.reply);
      this.#pending.delete(data.reply);
      if (!pending) return;
      if (data.error !== null) return pending.reject(new ShoalError(data.error));
      if (!pending.replayed) this.#journal.note(pending.call, data.result);
      pending.resolve(data.result);
    }
  }
}
