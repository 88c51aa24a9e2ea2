import type { CallMessage, EngineEvent, FromWorker } from "./protocol";

/** Something Shoal could not do; the message is for people. */
export class ShoalError extends Error {
  override name = "ShoalError";
}

export interface EngineSettings {
  iceServers: string[];
  loopback: boolean;
  storage: "auto" | "memory";
  maxPeers: number;
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** The page's end of the engine's worker: calls with answers, and events. */
export class Engine {
  readonly worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #onEvent: (event: EngineEvent) => void;
  readonly #onFatal: (error: ShoalError) => void;
  #calls = 0;
  #dead: string | null = null;

  constructor(worker: Worker, onEvent: (event: EngineEvent) => void, onFatal: (error: ShoalError) => void) {
    this.worker = worker;
    this.#onEvent = onEvent;
    this.#onFatal = onFatal;
    worker.addEventListener("message", (message: MessageEvent<FromWorker>) => this.#receive(message.data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail(event.message || "the engine's worker could not be loaded");
    });
  }

  call<T>(method: string, args: object, transfer: Transferable[] = []): Promise<T> {
    if (this.#dead !== null) return Promise.reject(new ShoalError(this.#dead));
    const message: CallMessage = { call: ++this.#calls, method, args };
    return new Promise<T>((resolve, reject) => {
      this.#pending.set(message.call, { resolve: resolve as (result: unknown) => void, reject });
      this.worker.postMessage(message, transfer);
    });
  }

  /** Ends the worker; every call, waiting or to come, fails with the message. */
  stop(message: string): void {
    this.#dead = message;
    this.worker.terminate();
    for (const { reject } of this.#pending.values()) reject(new ShoalError(message));
    this.#pending.clear();
  }

  #fail(message: string): void {
    if (this.#dead !== null) return;
    this.stop(message);
    this.#onFatal(new ShoalError(message));
  }

  #receive(data: FromWorker): void {
    if ("event" in data) this.#onEvent(data.event);
    else if ("fatal" in data) this.#fail(data.fatal);
    else if ("reply" in data) {
      const pending = this.#pending.get(data.reply);
      this.#pending.delete(data.reply);
      if (data.error === null) pending?.resolve(data.result);
      else pending?.reject(new ShoalError(data.error));
    }
  }
}
