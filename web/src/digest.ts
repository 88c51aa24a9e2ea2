import { giveBack } from "./spent";

/**
 * The SHA-1 of the piece if v1 is set, then the SHA-256 of each block of its first `tree`
 * bytes, one after the other. The piece's buffer is given back: it is empty afterwards.
 */
export async function digestPiece(piece: Uint8Array<ArrayBuffer>, v1: boolean, tree: number, block: number): Promise<Uint8Array> {
  const sums: Promise<ArrayBuffer>[] = v1 ? [crypto.subtle.digest("SHA-1", piece)] : [];
  for (let at = 0; at < tree; at += block) {
    sums.push(crypto.subtle.digest("SHA-256", piece.subarray(at, Math.min(at + block, tree))));
  }
  giveBack(piece.buffer); // each digest has copied what it takes by now
  const parts = await Promise.all(sums);
  const out = new Uint8Array(parts.reduce((length, part) => length + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    out.set(new Uint8Array(part), at);
    at += part.byteLength;
  }
  return out;
}
