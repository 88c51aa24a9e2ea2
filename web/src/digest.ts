import { BlockHasher, blockMax } from "./sha256";
import { giveBack } from "./spent";

const sha1Size = 20;
const sha256Size = 32;

/** Room for a piece of more bytes is given back after use. */
const keep = 4 << 20;

/** Hashes pieces for Go, which is slow at it in WebAssembly. */
export class PieceHasher {
  #room = new Uint8Array();
  readonly #blocks = blockHasher();

  /** Where Go writes a piece of so many bytes before it calls `digest`. */
  room(size: number): Uint8Array {
    if (this.#room.byteLength < size) {
      giveBack(this.#room.buffer);
      this.#room = new Uint8Array(size);
    }
    return this.#room;
  }

  /**
   * The SHA-1 of the `size` bytes written to `room`, if v1 is set, then the SHA-256 of each block of the
   * first `tree` of them, one after the other. The room is free for another piece once this returns.
   */
  digest(size: number, v1: boolean, tree: number, block: number): Promise<Uint8Array> {
    const sums = this.sums(this.#room.subarray(0, size), v1, tree, block);
    if (this.#room.byteLength > keep) {
      giveBack(this.#room.buffer);
      this.#room = new Uint8Array();
    }
    return sums;
  }

  /** `digest` of bytes anywhere, which are free for others once this returns. */
  async sums(piece: Uint8Array<ArrayBuffer>, v1: boolean, tree: number, block: number): Promise<Uint8Array<ArrayBuffer>> {
    const blocks = Math.ceil(tree / block);
    const out = new Uint8Array((v1 ? sha1Size : 0) + blocks * sha256Size);
    const rest: Promise<void>[] = [];
    // The browser copies what it is to hash before it returns.
    const sum = (name: string, from: number, end: number, at: number): void => {
      rest.push(crypto.subtle.digest(name, piece.subarray(from, end)).then((hash) => out.set(new Uint8Array(hash), at)));
    };
    if (v1) sum("SHA-1", 0, piece.length, 0);
    let at = v1 ? sha1Size : 0;
    let from = 0;
    if (this.#blocks && block <= blockMax && block % 64 === 0) {
      for (; from + 4 * block <= tree; from += 4 * block, at += 4 * sha256Size) {
        this.#blocks.four(piece.subarray(from, from + 4 * block), out.subarray(at));
      }
    }
    for (; from < tree; from += block, at += sha256Size) sum("SHA-256", from, Math.min(from + block, tree), at);
    await Promise.all(rest);
    return out;
  }
}

function blockHasher(): BlockHasher | null {
  try {
    return new BlockHasher();
  } catch {
    return null; // the browser's own digest serves, at more cost
  }
}
