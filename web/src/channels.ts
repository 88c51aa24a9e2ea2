// The worker's end of the WebRTC connections: it keeps what arrives on each
// data channel in order until Go takes it, and tells Go when more may be sent.
// The page (rtc.ts) owns the peer connections, because browsers allow them
// nowhere else; Go (transport/webrtc) decides which there are.

import { giveBack } from "./spent";

/** Worker to page, under the key `rtc`. */
export type ToPage =
  | { op: "open"; id: number; servers: string[]; gather: number; offer: string | null }
  | { op: "accept"; id: number; sdp: string }
  /** A further channel, on the connection that was opened under the number `link`. */
  | { op: "more"; id: number; link: number; label: string }
  | { op: "close"; id: number }
  /** Bytes for a channel that could not be transferred. */
  | { op: "send"; id: number; data: ArrayBuffer };

/** Page to worker, under the key `rtc`. */
export type ToWorker =
  | { ev: "sdp"; id: number; sdp: string }
  | { ev: "accepted"; id: number }
  /** The other side's description is no good; an offer of ours goes on waiting. */
  | { ev: "refused"; id: number; error: string }
  | { ev: "failed"; id: number; error: string }
  | { ev: "path"; id: number; remote: string }
  /** Nothing is heard of the other side for some seconds; a path follows, or the end. */
  | { ev: "doubt"; id: number }
  | { ev: "channel"; id: number; channel: RTCDataChannel }
  /** The other side has opened a further channel; null: it stays in the page. */
  | { ev: "more"; id: number; link: number; label: string; channel: RTCDataChannel | null }
  /** The channel is closed, with the connection if it was the last; nothing more comes of this id. */
  | { ev: "gone"; id: number }
  // For a channel that stays in the page.
  | { ev: "relay"; id: number }
  | { ev: "relay-open"; id: number }
  | { ev: "relay-data"; id: number; data: ArrayBuffer }
  /** So many bytes have left for the network. */
  | { ev: "relay-sent"; id: number; bytes: number }
  | { ev: "relay-closed"; id: number };

/** What Go is told; the numbers are those of bridge_js.go. */
export const enum Kind {
  SDP = 1,
  Accepted,
  Refused,
  Failed,
  Path,
  Open,
  Readable,
  Writable,
  Closed,
  Gone,
  More,
  Doubt,
}

export type Listener = (kind: Kind, id: number, value: string) => void;

/** Above this many bytes waiting to be sent, Go waits; below the other, it goes on. */
const sendHigh = 512 << 10;
const sendLow = 128 << 10;

/**
 * Bytes, and messages, that may wait for Go on one channel. A data channel cannot hold its
 * sender back, so who sends more than the engine takes loses the connection.
 */
const receiveMax = 32 << 20;
const receiveMaxMessages = 1 << 16;

/** How long a closed channel may take to deliver what was sent. */
const lingerTime = 3000;

interface Port {
  /** Bytes given to send that have not left. */
  readonly buffered: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  /** Closes once everything has been sent. */
  close(): void;
}

interface Channel {
  port: Port | null;
  /** Closing is our doing, closed the other side's or the network's. */
  state: "new" | "open" | "closing" | "closed";
  /** Go was told to wait and has not been told to go on. */
  full: boolean;
  queue: Uint8Array[];
  /** Bytes in queue, and bytes taken of its first entry. */
  queued: number;
  taken: number;
  announced: boolean;
  /** The page has closed the connection; what is in the queue is still Go's. */
  gone: boolean;
  /** Of a channel that the other side has opened: the number of its connection. */
  link: number;
  label: string;
}

type Post = (message: { rtc: ToPage }, transfer?: Transferable[]) => void;

/** All channels of the worker. */
export class Channels {
  /** Go copies what it sends into this. */
  readonly scratch = new Uint8Array(64 << 10);
  readonly #channels = new Map<number, Channel>();
  readonly #post: Post;
  readonly #later: (f: () => void) => void;
  #listener: Listener = () => {};
  #readable: number[] = [];
  /** What Go took last as a whole, and copies before it asks for more. */
  #spent: ArrayBufferLike | null = null;

  /** `later` runs a function after the messages that have already arrived were handled. */
  constructor(post: Post, later: (f: () => void) => void) {
    this.#post = post;
    this.#later = later;
  }

  // For Go.

  listen(listener: Listener): void {
    this.#listener = listener;
  }

  /** Makes a connection: an offer, or the answer to one. */
  open(id: number, servers: string, gather: number, offer: string | null): void {
    this.#add(id);
    this.#post({ rtc: { op: "open", id, servers: servers ? servers.split("\n") : [], gather, offer } });
  }

  /** Makes a further channel on a connection. */
  more(id: number, link: number, label: string): void {
    this.#add(id);
    this.#post({ rtc: { op: "more", id, link, label } });
  }

  #add(id: number): Channel {
    const c: Channel = {
      port: null,
      state: "new",
      full: false,
      queue: [],
      queued: 0,
      taken: 0,
      announced: false,
      gone: false,
      link: 0,
      label: "",
    };
    this.#channels.set(id, c);
    return c;
  }

  accept(id: number, sdp: string): void {
    this.#post({ rtc: { op: "accept", id, sdp } });
  }

  /** The next bytes of the stream, `max` at most, good until the next call; null when none are here. */
  take(id: number, max: number): Uint8Array | null {
    if (this.#spent) giveBack(this.#spent);
    this.#spent = null;
    const c = this.#channels.get(id);
    const first = c?.queue[0];
    if (!c || !first) return null;
    const end = Math.min(c.taken + max, first.byteLength);
    const part = c.taken === 0 && end === first.byteLength ? first : first.subarray(c.taken, end);
    c.queued -= end - c.taken;
    c.taken = end;
    if (end === first.byteLength) {
      c.queue.shift();
      c.taken = 0;
      this.#spent = first.buffer;
      if (c.gone && c.queue.length === 0) this.#channels.delete(id);
    }
    return part;
  }

  /** Sends the first n bytes of scratch; false: wait for Writable before the next. */
  send(id: number, n: number): boolean {
    const c = this.#channels.get(id);
    if (!c?.port || c.state !== "open") return true; // Go hears of the end by itself
    try {
      c.port.send(this.scratch.subarray(0, n));
    } catch {
      // Closed meanwhile, or its buffer is full beyond what we allow ourselves.
      this.#end(id, c);
      return true;
    }
    c.full = c.port.buffered > sendHigh;
    return !c.full;
  }

  /** Ends a connection; what was sent is still delivered. */
  close(id: number): void {
    const c = this.#channels.get(id);
    if (!c) return;
    c.queue = [];
    if (c.gone) return void this.#channels.delete(id);
    if (!c.port || c.state !== "open") {
      c.port?.close();
      return this.#release(id);
    }
    c.state = "closing";
    c.port.close();
    setTimeout(() => this.#release(id), lingerTime);
  }

  // From the page.

  receive(m: ToWorker): void {
    const c = this.#channels.get(m.id);
    if (m.ev === "gone") {
      if (c?.queue.length) c.gone = true;
      else this.#channels.delete(m.id);
      return this.#listener(Kind.Gone, m.id, "");
    }
    if (m.ev === "more") {
      const added = this.#add(m.id);
      added.link = m.link;
      added.label = m.label;
      if (m.channel) this.#attach(m.id, added, m.channel);
      return;
    }
    if (!c) {
      if (m.ev === "channel") m.channel.close();
      return;
    }
    switch (m.ev) {
      case "sdp":
        return this.#listener(Kind.SDP, m.id, m.sdp);
      case "accepted":
        return this.#listener(Kind.Accepted, m.id, "");
      case "refused":
        return this.#listener(Kind.Refused, m.id, m.error);
      case "failed":
        c.state = "closed";
        return this.#listener(Kind.Failed, m.id, m.error);
      case "path":
        return this.#listener(Kind.Path, m.id, m.remote);
      case "doubt":
        return this.#listener(Kind.Doubt, m.id, "");
      case "channel":
        return this.#attach(m.id, c, m.channel);
      case "relay":
        c.port = new RelayPort(m.id, this.#post);
        return;
      case "relay-open":
        return this.#opened(m.id, c);
      case "relay-data":
        return this.#arrived(m.id, c, m.data);
      case "relay-sent":
        (c.port as RelayPort).sent(m.bytes);
        if (c.port!.buffered <= sendLow) this.#writable(m.id, c);
        return;
      case "relay-closed":
        return this.#end(m.id, c);
    }
  }

  #attach(id: number, c: Channel, channel: RTCDataChannel): void {
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = sendLow;
    channel.onmessage = (m) => this.#arrived(id, c, m.data as ArrayBuffer | string);
    channel.onbufferedamountlow = () => this.#writable(id, c);
    channel.onclose = () => this.#end(id, c);
    channel.onopen = () => this.#opened(id, c);
    c.port = {
      get buffered() {
        return channel.bufferedAmount;
      },
      send: (data) => channel.send(data),
      close: () => channel.close(),
    };
    if (channel.readyState === "open") this.#opened(id, c);
    else if (channel.readyState === "closed") this.#end(id, c);
  }

  #opened(id: number, c: Channel): void {
    if (c.state !== "new") return;
    c.state = "open";
    // Go speaks first on such a channel, so it must not hear of it before it can be sent on.
    if (c.link) this.#listener(Kind.More, c.link, `${id} ${c.label}`);
    else this.#listener(Kind.Open, id, "");
    if (c.queue.length > 0) this.#announce(id, c);
  }

  #arrived(id: number, c: Channel, data: ArrayBuffer | string): void {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data);
    if (bytes.byteLength === 0 || (c.state !== "open" && c.state !== "new")) return;
    c.queue.push(bytes);
    c.queued += bytes.byteLength;
    if (c.queued > receiveMax || c.queue.length > receiveMaxMessages) {
      c.state = "closed";
      this.#listener(Kind.Failed, id, "the other side sends more than is taken");
      return this.#release(id);
    }
    // A message may come before the event that opens the channel; until then nothing can be sent.
    if (c.state === "open") this.#announce(id, c);
  }

  #announce(id: number, c: Channel): void {
    if (c.announced) return;
    c.announced = true;
    // Go is woken once for all that has arrived on all channels.
    if (this.#readable.push(id) === 1) this.#later(() => this.#wake());
  }

  #wake(): void {
    const ids = this.#readable;
    this.#readable = [];
    for (const id of ids) {
      const c = this.#channels.get(id);
      if (!c) continue;
      c.announced = false;
      this.#listener(Kind.Readable, id, "");
    }
  }

  #writable(id: number, c: Channel): void {
    if (!c.full) return;
    c.full = false;
    this.#listener(Kind.Writable, id, "");
  }

  /** The channel has closed. What is in the queue is still Go's. */
  #end(id: number, c: Channel): void {
    if (c.state === "closed") return;
    if (c.state !== "closing") this.#listener(Kind.Closed, id, "");
    c.state = "closed";
    this.#post({ rtc: { op: "close", id } });
  }

  #release(id: number): void {
    this.#post({ rtc: { op: "close", id } });
  }
}

/** A channel that the browser cannot transfer: the page sends and receives for us. */
class RelayPort implements Port {
  buffered = 0;
  readonly #id: number;
  readonly #post: Post;

  constructor(id: number, post: Post) {
    this.#id = id;
    this.#post = post;
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    const copy = data.slice().buffer;
    this.buffered += copy.byteLength;
    this.#post({ rtc: { op: "send", id: this.#id, data: copy } }, [copy]);
  }

  sent(bytes: number): void {
    this.buffered -= bytes;
  }

  close(): void {
    this.#post({ rtc: { op: "close", id: this.#id } });
  }
}

/** What is used of a worker's global scope; the page compiles this file's types too. */
interface Scope {
  shoalRTC?: Channels;
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (message: MessageEvent<{ rtc?: ToWorker } | null>) => void): void;
}

/** Sets up `shoalRTC`, which Go calls. Before Go starts. */
export function installChannels(): void {
  const scope = self as unknown as Scope;
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  const channels = new Channels(
    (message, transfer) => scope.postMessage(message, transfer ?? []),
    (f) => {
      waiting.push(f);
      port2.postMessage(null);
    },
  );
  scope.shoalRTC = channels;
  scope.addEventListener("message", (message) => {
    if (message.data?.rtc) channels.receive(message.data.rtc);
  });
}
