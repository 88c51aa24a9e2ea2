// How the service worker finds the page that has a file, and reads from it.

import { swProtocol, type Have, type WantMessage, type WantOrder, type WantReply } from "./protocol";
import { pullStream, type PullStream } from "./pull";

declare const self: ServiceWorkerGlobalScope;

const answerWithin = 5_000;
/** How long the page that asks may take to say that it has the file itself, when another has said so. */
const ownWithin = 200;

/** A page that has a file, and the port to it. */
interface Found {
  client: string;
  control: MessagePort;
  have: Have;
}

/** The page that has a file. Should it go, another that has it takes its place: tabs share an engine. */
export class Holder {
  readonly have: Have;
  readonly #find: () => Promise<Found | "other" | null>;
  #at: Found;
  #reading: PullStream | null = null;

  constructor(found: Found, find: () => Promise<Found | "other" | null>) {
    this.have = found.have;
    this.#find = find;
    this.#at = found;
    this.#listen();
  }

  /** The bytes [start, end) of a file. One stream at a time is read. */
  read(file: number, start: number, end: number, done?: () => void): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#reading = pullStream((from, to, port) => this.#order({ read: { start: from, end: to, file } }, port), start, end, {
      alive: () => this.#alive(),
      ...(done ? { done } : {}),
    });
    return this.#reading.stream;
  }

  close(): void {
    this.#order({ close: true });
    this.#at.control.close();
  }

  async #alive(): Promise<boolean> {
    if (await self.clients.get(this.#at.client)) return true;
    this.#at.control.close();
    const next = await this.#find();
    if (next === null || next === "other") return false;
    this.#at = next;
    this.#listen();
    this.#reading?.reopen();
    return true;
  }

  #listen(): void {
    this.#at.control.onmessage = (message: MessageEvent<unknown>) => {
      const reply = replyOf(message.data);
      if (reply && "failed" in reply) this.#reading?.fail(reply.failed);
      else if (reply && "again" in reply) this.#reading?.reopen();
    };
  }

  #order(message: WantOrder, port?: MessagePort): void {
    this.#at.control.postMessage(message, port ? [port] : []);
  }
}

/**
 * Looks for the page that has the file: the first that says so, but for the client that asks,
 * which is there for as long as the answer is wanted. "other" when the only ones that answer
 * are of another version.
 */
export async function findHolder(want: WantMessage["shoalWant"], asking: string): Promise<Holder | "other" | null> {
  const find = (): Promise<Found | "other" | null> => ask(want, asking);
  const found = await find();
  return found === null || found === "other" ? found : new Holder(found, find);
}

async function ask(want: WantMessage["shoalWant"], asking: string): Promise<Found | "other" | null> {
  const clients = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const message: WantMessage = { shoalWant: want, protocol: swProtocol };
  const askerIsPage = clients.some(({ id }) => id === asking);
  return new Promise((resolve) => {
    const controls: MessagePort[] = [];
    let others = 0;
    let second: Found | null = null;
    let over = false;
    const finish = (found: Found | "other" | null): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      const kept = found === null || found === "other" ? null : found.control;
      for (const control of controls) if (control !== kept) control.close();
      resolve(found);
    };
    const timer = setTimeout(() => finish(others > 0 ? "other" : null), clients.length > 0 ? answerWithin : 0);
    for (const client of clients) {
      const { port1, port2 } = new MessageChannel();
      controls.push(port1);
      port1.onmessage = ({ data }: MessageEvent<unknown>) => {
        const reply = replyOf(data);
        if (reply && "other" in reply && ++others === clients.length) return finish("other");
        if (!reply || !("have" in reply)) return;
        const found = { client: client.id, control: port1, have: reply.have };
        if (client.id === asking || !askerIsPage) return finish(found);
        if (!second) setTimeout(() => finish(second), ownWithin);
        second ??= found;
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
