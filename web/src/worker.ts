// The dedicated worker that runs the engine: it loads shoal.wasm and carries
// messages between the page and Go.

import "go:wasm_exec";
import { installChannels } from "./channels";
import { PieceHasher } from "./digest";
import { FileHasher, hashWorker, serveHashes } from "./filehash";
import type { CallMessage, EngineEvent, EngineMessage, EventMessage, FatalMessage, Method, ReplyMessage } from "./protocol";
import { giveBack } from "./spent";
import { Tally, tallyStore, type Sums } from "./tally";
import { WebSeedStream } from "./webseedwire";

type Reply = (error: unknown, result: unknown) => void;

interface GoRuntime {
  importObject: WebAssembly.Imports;
  run(instance: WebAssembly.Instance): Promise<void>;
}

declare const self: DedicatedWorkerGlobalScope & {
  Go: new () => GoRuntime;
  /** Set by Go once it takes calls. */
  shoalCall?: (method: Method, args: unknown, reply: Reply) => void;
  /** Missing where the browser withholds WebCrypto. */
  shoalHasher?: PieceHasher;
  /** Starts the hashing of files. */
  shoalHashFiles?: (...args: ConstructorParameters<typeof FileHasher>) => FileHasher;
  /** Starts a web seed for Go. */
  shoalWebSeed?: (...args: ConstructorParameters<typeof WebSeedStream>) => WebSeedStream;
  shoalEvent?: (event: Exclude<EngineEvent, { type: "totals" }> | ({ type: "totals" } & Sums)) => void;
  /** Go gives buffers back that it has copied. */
  shoalSpent?: (buffer: ArrayBuffer) => void;
};

/** Calls that arrived before Go was ready; null from then on. */
let early: CallMessage[] | null = [];

installChannels();

self.addEventListener("message", (message: MessageEvent<Partial<CallMessage & EngineMessage> | null>) => {
  const data = message.data;
  if (data?.engine) start(data.engine).catch(fatal);
  if (data?.call === undefined) return;
  if (early) early.push(data as CallMessage);
  else run(data as CallMessage);
});

if (self.crypto?.subtle) self.shoalHasher = new PieceHasher();

self.shoalHashFiles = (...args) => new FileHasher(...args);

self.shoalSpent = giveBack;

self.shoalWebSeed = (...args) => new WebSeedStream(...args);

const tell = (event: EngineEvent): void => {
  const message: EventMessage = { event };
  self.postMessage(message);
};

const tally = new Tally(tallyStore(), (totals) => tell({ type: "totals", ...totals }));

self.shoalEvent = (event) => {
  if (event.type === "totals") tally.take(event);
  else tell(event);
};

function run({ call, method, args }: CallMessage): void {
  const answer = (error: unknown, result: unknown): void => {
    const reply: ReplyMessage = { reply: call, error: error == null ? null : words(error), result: result ?? null };
    self.postMessage(reply);
  };
  if (method === "close") void tally.save();
  if (!self.shoalCall) return answer("the engine has stopped", null);
  try {
    self.shoalCall(method, args, answer);
  } catch (err) {
    answer(err, null);
  }
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function fatal(error: unknown): void {
  const message: FatalMessage = { fatal: words(error) };
  self.postMessage(message);
}

async function compile(from: EngineMessage["engine"], imports: WebAssembly.Imports): Promise<WebAssembly.Instance> {
  if (from instanceof WebAssembly.Module) return WebAssembly.instantiate(from, imports);
  const response = typeof from === "string" ? await fetch(from) : new Response(from);
  if (!response.ok) throw new Error(`the engine could not be loaded (HTTP ${response.status})`);
  if (response.headers.get("Content-Type")?.startsWith("application/wasm")) {
    return (await WebAssembly.instantiateStreaming(response, imports)).instance;
  }
  // A server that does not know the type of .wasm files.
  return (await WebAssembly.instantiate(await response.arrayBuffer(), imports)).instance;
}

async function start(from: EngineMessage["engine"]): Promise<void> {
  const go = new self.Go();
  const instance = await compile(from, go.importObject);
  const ready = new Promise<void>((resolve) => {
    let set = self.shoalCall;
    Object.defineProperty(self, "shoalCall", {
      configurable: true,
      get: () => set,
      set: (value: typeof set) => {
        set = value;
        resolve();
      },
    });
  });
  const stopped = go.run(instance).then(() => {
    self.shoalCall = undefined;
    throw new Error("the engine stopped unexpectedly");
  });
  await Promise.race([ready, stopped]);
  const waiting = early ?? [];
  early = null;
  waiting.forEach(run);
  await stopped;
}

if (self.name === hashWorker) serveHashes(self);
