// How the service worker finds the page that has a file, and reads from it.

import { swProtocol, type Have, type WantMessage, type WantOrder, type WantReply } from "./protocol";
import { pullStream, type PullStream } from "./pull";

declare const self: ServiceWorkerGlobalScope;

const answerWithin = 5_000;

/** A page that has a file, reached through its port. */
export class Holder {
  readonly have: Have;
  readonly #client: string;
  readonly #control: MessagePort;
  #reading: PullStream | null = null;

  constructor(client: string, control: MessagePort, have: Have) {
    this.#client = client;
    this.#control = control;
    this.have = have;
    control.onmessage = (message: MessageEvent<unknown>) => {
      const reply = replyOf(message.data);
      if (reply && "failed" in reply) this.#reading?.fail(reply.failed);
      else if (reply && "again" in reply) this.#reading?.reopen();
    };
  }

  /** The bytes [start, end) of a file. One stream at a time is read. */
  read(file: number, start: number, end: number, done?: () => void): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#reading = pullStream((from, to, port) => this.#order({ read: { start: from, end: to, file } }, port), start, end, {
      alive: async () => (await self.clients.get(this.#client)) !== undefined,
      ...(done ? { done } : {}),
    });
    return this.#reading.stream;
  }

  close(): void {
    this.#order({ close: true });
    this.#control.close();
  }

  #order(message: WantOrder, port?: MessagePort): void {
    this.#control.postMessage(message, port ? [port] : []);
  }
}

/**
 * Asks every page; the first that has the file wins. "other" when the only ones that answer
 * are of another version.
 */
export async function findHolder(want: WantMessage["shoalWant"]): Promise<Holder | "other" | null> {
  const clients = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const message: WantMessage = { shoalWant: want, protocol: swProtocol };
  return new Promise((resolve) => {
    const controls: MessagePort[] = [];
    let other = 0;
    const finish = (found: Holder | "other" | null, port?: MessagePort): void => {
      clearTimeout(timer);
      for (const control of controls) if (control !== port) control.close();
      resolve(found);
    };
    const timer = setTimeout(() => finish(other > 0 ? "other" : null), clients.length > 0 ? answerWithin : 0);
    for (const client of clients) {
      const { port1, port2 } = new MessageChannel();
      controls.push(port1);
      port1.onmessage = ({ data }: MessageEvent<unknown>) => {
        const reply = replyOf(data);
        if (reply && "have" in reply) finish(new Holder(client.id, port1, reply.have), port1);
        else if (reply && "other" in reply && ++other === clients.length) finish("other");
      };
      client.postMessage(message, [port2]);
    }
  });
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** A page's message, null where it is none that a page of this version sends. */
function replyOf(data: unknown): WantReply | null {
  if (typeof data !== "object" || data === null) return null;
  const { have, failed, again, other } = data as Record<string, unknown>;
  if (typeof failed === "string") return { failed };
  if (again === true) return { again };
  if (typeof other === "number") return { other };
  return isHave(have) ? { have } : null;
}

function isHave(have: unknown): have is Have {
  if (typeof have !== "object" || have === null) return false;
  const { length, name, type, entries } = have as Record<string, unknown>;
  const isEntry = (entry: Record<string, unknown> | null): boolean => isSize(entry?.length) && isSize(entry.index) && typeof entry.path === "string";
  return isSize(length) && typeof name === "string" && typeof type === "string" && (entries === undefined || (Array.isArray(entries) && entries.every(isEntry)));
}
