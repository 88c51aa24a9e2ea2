// A web seed as Go sees it: a stream of the peer wire protocol (BEP 3, 6).

import { giveBack } from "./spent";
import { WebSeed, type WebSeedLayout } from "./webseed";

const handshakeLength = 68;

const enum Message {
  Choke = 0,
  Unchoke = 1,
  Bitfield = 5,
  Request = 6,
  Piece = 7,
  Cancel = 8,
  Reject = 16,
}

export class WebSeedStream {
  readonly #seed: WebSeed;
  readonly #wake: () => void;
  /** A bit a piece, the first the highest of its byte. */
  readonly #has: Uint8Array;
  #out: Uint8Array[] = [];
  /** What was taken last as a whole, and is copied before more is asked for. */
  #spent: ArrayBufferLike | null = null;
  #over = false;

  /** `wake` is called when there is something to take. */
  constructor(url: string, layout: WebSeedLayout & { pieces: number }, wake: () => void) {
    this.#wake = wake;
    this.#has = new Uint8Array(Math.ceil(layout.pieces / 8));
    for (let i = 0; i < layout.pieces; i++) this.#mark(i, true);
    this.#seed = new WebSeed(url, layout, {
      put: (index, begin, bytes) => this.#send(Message.Piece, [index, begin], bytes),
      reject: (index, begin, length) => this.#send(Message.Reject, [index, begin, length]),
      rest: (on) => this.#send(on ? Message.Choke : Message.Unchoke),
      lacks: (first, end) => {
        for (let i = first; i < end; i++) this.#mark(i, false);
        this.#send(Message.Bitfield, [], this.#has);
      },
      end: () => {
        this.#over = true;
        this.#wake();
      },
    });
  }

  #mark(i: number, on: boolean): void {
    const bit = 0x80 >> (i & 7);
    this.#has[i >> 3] = on ? (this.#has[i >> 3] ?? 0) | bit : (this.#has[i >> 3] ?? 0) & ~bit;
  }

  /** Takes a handshake or whole messages: Go never writes parts of them. */
  write(bytes: Uint8Array): void {
    if (bytes[0] === 19) {
      const answer = bytes.slice(0, handshakeLength);
      answer.fill(0, 20, 28);
      answer[27] = 4; // the fast extension: what does not come is rejected by name
      crypto.getRandomValues(answer.subarray(48));
      this.#out.push(answer);
      this.#send(Message.Bitfield, [], this.#has);
      return this.#send(Message.Unchoke);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + 4 <= bytes.length; at += 4 + view.getUint32(at)) {
      const id = view.getUint32(at) > 0 ? view.getUint8(at + 4) : undefined;
      if (id !== Message.Request && id !== Message.Cancel) continue;
      const block = [view.getUint32(at + 5), view.getUint32(at + 9), view.getUint32(at + 13)] as const;
      if (id === Message.Request) this.#seed.ask(...block);
      else this.#seed.cancel(...block);
    }
  }

  /** Returns at most so many bytes, good until the next call, undefined if there are none yet, null if none will come. */
  take(most: number): Uint8Array | null | undefined {
    if (this.#spent) giveBack(this.#spent);
    this.#spent = null;
    const head = this.#out[0];
    if (!head) return this.#over ? null : undefined;
    if (head.length <= most) {
      this.#out.shift();
      this.#spent = head.buffer;
    } else this.#out[0] = head.subarray(most);
    return head.subarray(0, most);
  }

  close(): void {
    this.#over = true;
    this.#out = [];
    this.#seed.close();
  }

  #send(id: Message, numbers: number[] = [], bytes?: Uint8Array): void {
    if (this.#over) return;
    const length = 1 + 4 * numbers.length + (bytes?.length ?? 0);
    const m = new Uint8Array(4 + length);
    const view = new DataView(m.buffer);
    view.setUint32(0, length);
    m[4] = id;
    numbers.forEach((n, k) => view.setUint32(5 + 4 * k, n));
    if (bytes) m.set(bytes, m.length - bytes.length);
    this.#out.push(m);
    this.#wake();
  }
}
