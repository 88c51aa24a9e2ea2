// SHA-256 of many blocks at once; the module is made by internal/dev/webbuild/sha256x4.go,
// which says why it exists and where in its memory what lies.

import code from "wasm:sha256x4";

/** Bytes that the module's memory has room for, in four blocks. */
export const blockMax = 16 << 10;

const dataAt = 2048;

/** Four blocks at a time, of one size, which is a multiple of 64 and not above blockMax. */
export class BlockHasher {
  readonly #memory: Uint8Array;
  readonly #hash: (size: number, blocks: number) => void;

  /** Throws where the browser has no vectors in WebAssembly, or its policy allows no module. */
  constructor() {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code));
    this.#memory = new Uint8Array((exports.memory as WebAssembly.Memory).buffer);
    this.#hash = exports.hash as (size: number, blocks: number) => void;
  }

  /** Writes the digests of four blocks, one behind the other in `from`, to `into`. */
  four(from: Uint8Array, into: Uint8Array): void {
    const size = from.byteLength / 4;
    this.#memory.set(from, dataAt);
    this.#hash(size, size / 64);
    into.set(this.#memory.subarray(0, 128));
  }
}
