/** The engine's answer to `parts`: which pieces of a file are there. */
export interface Pieces {
  /** A bit for each piece, the highest of a byte first, as in BEP 3. */
  bits: Uint8Array;
  /** Where the first bit's piece begins, in bytes from the start of the file. */
  at: number;
  /** Bytes. */
  pieceLength: number;
}

/** A span in bytes; `end` is exclusive. */
export interface Part {
  start: number;
  end: number;
}

/** The spans of a file of `length` bytes that are there, in their order and none beside another. */
export function partsOf({ bits, at, pieceLength }: Pieces, length: number): Part[] {
  const parts: Part[] = [];
  for (let i = 0; i < bits.length * 8; i++) {
    if (!(bits[i >> 3]! & (128 >> (i & 7)))) continue;
    const start = Math.max(0, at + i * pieceLength);
    const end = Math.min(length, at + (i + 1) * pieceLength);
    if (start >= end) continue; // a piece of a neighbour
    const last = parts.at(-1);
    if (last?.end === start) last.end = end;
    else parts.push({ start, end });
  }
  return parts;
}
