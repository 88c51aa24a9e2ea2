import { mimeOf } from "./mime";
import { safeName } from "./names";
import { diskPaths } from "./paths";
import { streamPrefix, swProtocol, type ClaimMessage, type Have, type PingMessage, type WantReply } from "./protocol";
import { zipFiles } from "./zipname";

/** What the page knows about a file that the service worker asks for. */
export interface Served {
  index: number;
  name: string;
  path: string;
  length: number;
  read(start: number, end: number, port: MessagePort): Promise<void>;
}

/** The torrent of that id, null where this page has none. */
export type Lookup = (id: string) => { name: string; files: readonly Served[] } | null;

const pingEvery = 15_000;
/** A browser that has a service worker start at all has it control the page within this. */
const controlWithin = 5_000;

/**
 * The page's half of the service worker: it registers it, says which files this
 * page has and connects the service worker's ports to the engine. Bytes do not
 * pass through here.
 */
export class StreamServer {
  readonly #container: ServiceWorkerContainer;
  readonly #lookup: Lookup;
  #scope: string | null = null;
  #pinging: ReturnType<typeof setInterval> | undefined;
  /** Of the streams that read from the engine. */
  readonly #controls = new Set<MessagePort>();
  readonly #listen = (message: MessageEvent<unknown>): void => this.#receive(message);

  constructor(container: ServiceWorkerContainer, lookup: Lookup) {
    this.#container = container;
    this.#lookup = lookup;
    container.addEventListener("message", this.#listen);
    container.startMessages();
  }

  /** True once the service worker controls this page, false where it does not come to that. */
  async start(registering: Promise<ServiceWorkerRegistration | null>): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), controlWithin)));
    const controlled = registering.then((registration) => registration !== null && this.#controlled(registration));
    try {
      return await Promise.race([controlled, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The address of a file, or of what zip.ts names, or null while no service worker answers it. */
  url(id: string, file: number | string, name: string): string | null {
    if (this.#scope === null || !this.#container.controller) return null;
    return this.#scope + streamPrefix + id + "/" + file + "/" + encodeURIComponent(name);
  }

  /** Has every stream ask again: another engine has taken over. */
  reopen(): void {
    const again: WantReply = { again: true };
    for (const control of this.#controls) control.postMessage(again);
  }

  /** Fails every stream and answers the service worker no more. */
  close(message: string): void {
    this.#container.removeEventListener("message", this.#listen);
    clearInterval(this.#pinging);
    this.#scope = null;
    const failed: WantReply = { failed: message };
    for (const control of this.#controls) control.postMessage(failed);
    this.#controls.clear();
  }

  async #controlled(registration: ServiceWorkerRegistration): Promise<boolean> {
    const yes = await new Promise<boolean>((resolve) => {
      if (this.#container.controller) return resolve(true);
      this.#container.addEventListener("controllerchange", () => resolve(true), { once: true });
      const coming = registration.installing ?? registration.waiting;
      coming?.addEventListener("statechange", () => coming.state === "redundant" && resolve(this.#container.controller !== null));
      // A page that was reloaded past its service worker has to be claimed again.
      const claim: ClaimMessage = { shoalClaim: true, protocol: swProtocol };
      registration.active?.postMessage(claim);
    });
    if (yes) this.#scope = registration.scope;
    return yes;
  }

  #receive({ data, ports }: MessageEvent<unknown>): void {
    if (typeof data !== "object" || data === null) return;
    const { shoalWant: want, shoalOpen, shoalOther, protocol = 1 } = data as Record<string, unknown>;
    if (want && ports[0]) this.#want(want, protocol, ports[0]);
    // One of another version would never answer; what it serves asks again by itself.
    if (shoalOpen === 0 || shoalOther !== undefined) {
      clearInterval(this.#pinging);
      this.#pinging = undefined;
    }
  }

  #want(want: unknown, protocol: unknown, control: MessagePort): void {
    const reply = (message: WantReply): void => control.postMessage(message);
    if (protocol !== swProtocol) return reply({ other: swProtocol });
    const { id, file } = want as Record<string, unknown>;
    const torrent = typeof id === "string" ? this.#lookup(id) : null;
    if (!torrent) return;
    const files = typeof file === "string" ? zipFiles(file, torrent.files) : torrent.files.filter(({ index }) => index === file);
    if (files?.[0]) this.#answer(torrent.name, files, typeof file === "string", control);
  }

  #answer(root: string, files: readonly Served[], zip: boolean, control: MessagePort): void {
    const byIndex = new Map(files.map((file) => [file.index, file]));
    const reply = (message: WantReply): void => control.postMessage(message);
    control.onmessage = ({ data, ports }: MessageEvent<unknown>) => {
      const read = readOf(data);
      const served = read && byIndex.get(read.file);
      if (!served || !ports[0]) {
        this.#controls.delete(control);
        return control.close();
      }
      this.#controls.add(control);
      served.read(read.start, read.end, ports[0]).catch((err: Error) => reply({ failed: err.message }));
      this.#keepAlive();
    };
    reply({ have: zip ? archive(root, files) : { length: files[0]!.length, name: safeName(files[0]!.name), type: mimeOf(files[0]!.name) } });
  }

  #keepAlive(): void {
    this.#pinging ??= setInterval(() => {
      const ping: PingMessage = { shoalPing: true, protocol: swProtocol };
      this.#container.controller?.postMessage(ping);
    }, pingEvery);
  }
}

function archive(root: string, files: readonly Served[]): Have {
  const paths = diskPaths(root, files);
  const entries = files.map(({ index, length }, i) => ({ index, length, path: paths[i]! }));
  return { length: 0, name: safeName(root) + ".zip", type: "application/zip", entries };
}

/** An order to read, null for anything else. */
function readOf(data: unknown): { start: number; end: number; file: number } | null {
  const read = typeof data === "object" && data !== null ? (data as Record<string, unknown>).read : null;
  if (typeof read !== "object" || read === null) return null;
  const { start, end, file } = read as Record<string, unknown>;
  const sound = Number.isSafeInteger(start) && Number.isSafeInteger(end) && typeof file === "number";
  return sound ? { start: start as number, end: end as number, file } : null;
}
