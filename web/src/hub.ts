import type { FromEngine, Link, Receive, ToHub } from "./link";
import type { Call, CallMessage, Calls, EngineEvent, FromWorker, Method } from "./protocol";

/** Events of which the last is told to who comes later. */
const lasting = ["metadata", "storage", "stats", "done", "error"];

/** A torrent of the engine. */
interface Shared {
  clients: Set<Client>;
  /** The last event of each type that lasts, in the order in which they came first. */
  told: Map<string, EngineEvent>;
}

type Settle = (error: string | null, result: unknown) => void;

interface Pending {
  client: Client;
  method: Method;
  settle: Settle;
}

/** One page that uses the engine. */
interface Client {
  receive: Receive;
  /** The page in which the engine runs. */
  own: boolean;
  limits: Calls["limits"]["args"];
}

export interface HubOptions {
  spawn(): Worker;
  /** Sets up what the worker needs of the page, and returns what undoes it. */
  attach(worker: Worker): () => void;
  /** The page that runs the engine closes it: whoever else wants one may begin. */
  left?(): void;
}

/**
 * One engine for any number of pages: its worker, and who wants which torrent. The settings are those
 * of the first page that calls `init`. A torrent ends with the last page that wants it.
 */
export class Hub {
  readonly #options: HubOptions;
  readonly #clients = new Set<Client>();
  readonly #pending = new Map<number, Pending>();
  readonly #torrents = new Map<string, Shared>();
  #worker: Worker | null = null;
  #detach = (): void => {};
  /** The answer to the first `init`, which is that to all. */
  #init: Promise<Parameters<Settle>> | null = null;
  #calls = 0;

  constructor(options: HubOptions) {
    this.#options = options;
  }

  /** The way for the page in which the engine runs. */
  connect(receive: Receive): Link {
    return this.#link({ receive, own: true, limits: {} });
  }

  /** Serves another tab on the port. `gone` is called back once, when that tab has vanished; its result ends the watch. */
  accept(port: MessagePort, gone: (then: () => void) => () => void): void {
    const link = this.#link({
      own: false,
      limits: {},
      receive: (data) => {
        port.postMessage(data);
        if ("lost" in data || "fatal" in data) end();
      },
    });
    const unwatch = gone(() => end());
    const end = (): void => {
      unwatch();
      port.close();
      link.close();
    };
    port.onmessage = ({ data, ports }: MessageEvent<ToHub>) => {
      if (!("sign" in data)) link.post(data, [...ports]);
      else if (data.sign === "leave") end();
      else port.postMessage({ sign: "here" } satisfies FromEngine);
    };
  }

  /** Ends the engine with all its connections. */
  close(message: string): void {
    this.#end({ lost: message });
  }

  #link(client: Client): Link {
    if (!this.#worker) this.#start();
    this.#clients.add(client);
    return {
      post: (message, transfer) => {
        if (this.#clients.has(client)) this.#handle(client, message, transfer);
      },
      close: () => void this.#drop(client),
    };
  }

  #start(): void {
    const worker = this.#options.spawn();
    this.#worker = worker;
    this.#detach = this.#options.attach(worker);
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      if (worker !== this.#worker) return;
      if ("event" in data) this.#event(data.event);
      else if ("fatal" in data) this.#end(data);
      else if ("reply" in data) {
        const pending = this.#pending.get(data.reply);
        this.#pending.delete(data.reply);
        pending?.settle(data.error, data.result);
      }
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      if (worker === this.#worker) this.#end({ fatal: event.message || "the engine's worker could not be loaded" });
    });
  }

  /** The next that connects gets another worker. */
  #end(why: FromEngine): void {
    const clients = [...this.#clients];
    this.#worker?.terminate();
    this.#worker = null;
    this.#init = null;
    this.#detach();
    this.#detach = () => {};
    for (const all of [this.#clients, this.#pending, this.#torrents]) all.clear();
    for (const client of clients) client.receive(why);
  }

  #handle(client: Client, message: CallMessage, transfer: Transferable[]): void {
    const { call: number, ...call } = message;
    const answer: Settle = (error, result) => client.receive({ reply: number, error, result });
    switch (call.method) {
      case "init":
        this.#init ??= new Promise((resolve) => this.#ask(client, call, (...answer) => resolve(answer)));
        return void this.#init.then(([error, result]) => answer(error, result));
      case "add":
      case "seed":
        return this.#ask(client, call, (error, result) => {
          answer(error, result);
          if (error === null) this.#share(client, (result as { id: string }).id);
          if (![...this.#pending.values()].some(adds)) {
            for (const [id, { clients }] of this.#torrents) if (clients.size === 0) this.#torrents.delete(id);
          }
        });
      case "remove":
        if (this.#leaves(client, call.args.id)) return answer(null, null);
        break;
      case "limits":
        Object.assign(client.limits, call.args);
        return this.#ask(client, this.#limits(), answer);
      case "close":
        if (!client.own) return void this.#drop(client).then(() => answer(null, null));
        for (const other of [...this.#clients]) {
          if (other === client) continue;
          this.#clients.delete(other);
          other.receive({ lost: "The tab that ran the engine has closed it." });
        }
        this.#torrents.clear();
        this.#options.left?.();
    }
    this.#ask(client, call as Call, answer, transfer);
  }

  #ask(client: Client, call: Call, settle: Settle, transfer: Transferable[] = []): void {
    const message: CallMessage = { call: ++this.#calls, ...call };
    this.#pending.set(message.call, { client, method: call.method, settle });
    this.#worker!.postMessage(message, transfer);
  }

  /** Of each limit the strictest that a page has set: what one may not send none may. */
  #limits(): Call {
    const args: Calls["limits"]["args"] = {};
    for (const name of ["down", "up", "allowed"] as const) {
      const set = [...this.#clients].map(({ limits }) => limits[name] ?? -1).filter((limit) => limit >= 0);
      args[name] = set.length > 0 ? Math.min(...set) : -1;
    }
    return { method: "limits", args };
  }

  /** A page has a torrent; of one that others have it is told what it has missed. */
  #share(client: Client, id: string): void {
    if (!this.#clients.has(client)) return this.#unwanted(client, id);
    const shared = this.#shared(id);
    if (shared.clients.has(client)) return;
    shared.clients.add(client);
    for (const event of shared.told.values()) client.receive({ event });
  }

  #shared(id: string): Shared {
    let shared = this.#torrents.get(id);
    if (!shared) this.#torrents.set(id, (shared = { clients: new Set(), told: new Map() }));
    return shared;
  }

  /** A page gives a torrent up; false: it is the engine's to do so too, for no other page has it. */
  #leaves(client: Client, id: string): boolean {
    const clients = this.#torrents.get(id)?.clients;
    clients?.delete(client);
    if (clients?.size) return true;
    this.#torrents.delete(id);
    return false;
  }

  /** A page is gone that had asked for it meanwhile. */
  #unwanted(client: Client, id: string): void {
    if (this.#torrents.get(id)?.clients.size || !this.#worker) return;
    this.#torrents.delete(id);
    this.#ask(client, { method: "remove", args: { id, deleteData: false } }, () => {});
  }

  /** A page is gone, and what only it wanted ends. Resolves when what is stored of that is permanent. */
  async #drop(client: Client): Promise<void> {
    if (!this.#clients.delete(client) || !this.#worker) return;
    if (Object.keys(client.limits).length > 0) this.#ask(client, this.#limits(), () => {});
    const last = [...this.#torrents].filter(([id, { clients }]) => clients.has(client) && !this.#leaves(client, id));
    await Promise.all(
      last.map(([id]) => new Promise<void>((resolve) => this.#ask(client, { method: "remove", args: { id, deleteData: false } }, () => resolve()))),
    );
  }

  #event(event: EngineEvent): void {
    if (event.type === "hashing") {
      for (const { client, method } of this.#pending.values()) if (method === "seed") client.receive({ event });
      return;
    }
    const id = "id" in event ? event.id : undefined;
    if (id === undefined) {
      for (const client of this.#clients) client.receive({ event });
      return;
    }
    // The first of a torrent may come before the answer that names it.
    if (!this.#torrents.has(id) && ![...this.#pending.values()].some(adds)) return;
    const { told, clients } = this.#shared(id);
    if (lasting.includes(event.type)) told.set(event.type, event);
    if (event.type === "stats" && event.state !== "error") told.delete("error"); // it is over
    for (const client of clients) client.receive({ event });
  }
}

function adds({ method }: Pending): boolean {
  return method === "add" || method === "seed";
}
