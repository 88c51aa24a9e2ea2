import { mimeOf } from "./mime";
import { safeName } from "./names";
import { streamPrefix, type ClaimMessage, type PingMessage, type PongMessage, type WantMessage, type WantOrder, type WantReply } from "./protocol";

/** What the page knows about a file that the service worker asks for. */
export interface Served {
  name: string;
  length: number;
  read(start: number, end: number, port: MessagePort): Promise<void>;
}

export type Lookup = (id: string, file: number) => Served | null;

const pingEvery = 15_000;
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

  /** True once the service worker controls this page. */
  async start(registration: ServiceWorkerRegistration): Promise<boolean> {
    if (!(await this.#controlled(registration))) return false;
    this.#scope = registration.scope;
    return true;
  }

  /** The address of a file, or null while no service worker answers it. */
  url(id: string, file: number, name: string): string | null {
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
    if (this.#container.controller) return true;
    const controlled = new Promise<boolean>((resolve) => {
      this.#container.addEventListener("controllerchange", () => resolve(true), { once: true });
      setTimeout(() => resolve(this.#container.controller !== null), controlWithin);
    });
    // A page that was reloaded past its service worker has to be claimed again.
    const claim: ClaimMessage = { shoalClaim: true };
    registration.active?.postMessage(claim);
    return controlled;
  }

  #receive(message: MessageEvent<unknown>): void {
    const data = message.data as Partial<WantMessage & PongMessage> | null;
    if (data?.shoalWant) this.#answer(data.shoalWant, message.ports[0]);
    if (data?.shoalOpen === 0) {
      clearInterval(this.#pinging);
      this.#pinging = undefined;
    }
  }

  #answer(want: WantMessage["shoalWant"], control: MessagePort | undefined): void {
    const served = this.#lookup(want.id, want.file);
    if (!served || !control) return;
    const reply = (message: WantReply): void => control.postMessage(message);
    control.onmessage = (order: MessageEvent<WantOrder>) => {
      const reader = order.ports[0];
      if (!("read" in order.data) || !reader) {
        this.#controls.delete(control);
        return control.close();
      }
      this.#controls.add(control);
      const { start, end } = order.data.read;
      served.read(start, end, reader).catch((err: Error) => reply({ failed: err.message }));
      this.#keepAlive();
    };
    reply({ have: { length: served.length, name: safeName(served.name), type: mimeOf(served.name) } });
  }

  #keepAlive(): void {
    this.#pinging ??= setInterval(() => {
      const ping: PingMessage = { shoalPing: true };
      this.#container.controller?.postMessage(ping);
    }, pingEvery);
  }
}
