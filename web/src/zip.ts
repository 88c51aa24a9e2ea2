// A zip archive as it is written: files stored as they are, one after another, so that its
// length is known before the first byte. PKWARE's APPNOTE 6.3.10; zip64 where a number needs it.

import type { ZipEntry } from "./protocol";

/** From here on a number goes into a zip64 field. */
const most32 = 0xffff_ffff;
const most16 = 0xffff;
/** General purpose bits: sizes and checksum come after the data (3), names are UTF-8 (11). */
const flags = 0x0808;
const unix = 3 << 8;
/** A plain file that its owner may write and everybody read. */
const mode = 0o100644;

const tables: Uint32Array[] = [];
for (let k = 0; k < 4; k++) {
  tables.push(
    Uint32Array.from({ length: 256 }, (_, n) => {
      const before = tables[k - 1];
      if (before) return (before[n]! >>> 8) ^ tables[0]![before[n]! & 255]!;
      for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
      return n;
    }),
  );
}

/** Goes on with a CRC-32, of which the first is 0, by four bytes at a time. */
export function crc32(data: Uint8Array, crc = 0): number {
  const [t0, t1, t2, t3] = tables as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  let i = 0;
  crc = ~crc;
  for (; i + 3 < data.length; i += 4) {
    crc ^= data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    crc = t3[crc & 255]! ^ t2[(crc >>> 8) & 255]! ^ t1[(crc >>> 16) & 255]! ^ t0[crc >>> 24]!;
  }
  for (; i < data.length; i++) crc = (crc >>> 8) ^ t0[(crc ^ data[i]!) & 255]!;
  return ~crc >>> 0;
}

/** Writes numbers, little-endian: 2, 4 or 8 bytes each as `widths` says by digits. */
function record(widths: string, ...values: number[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer([...widths].reduce((sum, width) => sum + Number(width), 0)));
  let at = 0;
  values.forEach((value, i) => {
    const width = Number(widths[i]);
    if (width === 2) view.setUint16(at, value, true);
    else if (width === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += width;
  });
  return new Uint8Array(view.buffer);
}

const cap = (value: number): number => Math.min(value, most32);
const large = (entry: ZipEntry): boolean => entry.length >= most32;
const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** A local header, 4.3.7. One of a large file says by its field that the sizes behind the data have 8 bytes. */
function local(entry: ZipEntry, name: Uint8Array, time: number): Uint8Array<ArrayBuffer>[] {
  const field = large(entry) ? record("2288", 1, 16, 0, 0) : record("");
  const size = large(entry) ? most32 : 0;
  return [record("42222244422", 0x04034b50, large(entry) ? 45 : 20, flags, 0, time & most16, time >>> 16, 0, size, size, name.length, field.length), name as Uint8Array<ArrayBuffer>, field];
}

/** A data descriptor, 4.3.9. */
const descriptor = (entry: ZipEntry, crc: number): Uint8Array<ArrayBuffer> =>
  record(large(entry) ? "4488" : "4444", 0x08074b50, crc, entry.length, entry.length);

/** An entry of the directory at the end, 4.3.12. */
function central(entry: ZipEntry, name: Uint8Array, time: number, crc: number, offset: number): Uint8Array<ArrayBuffer>[] {
  const wide = large(entry) || offset >= most32;
  const field = wide ? record("22888", 1, 24, entry.length, entry.length, offset) : record("");
  const size = wide ? most32 : entry.length;
  return [
    record("42222224442222244", 0x02014b50, unix | 45, wide ? 45 : 20, flags, 0, time & most16, time >>> 16, crc, size, size, name.length, field.length, 0, 0, 0, mode * 0x10000, wide ? most32 : offset),
    name as Uint8Array<ArrayBuffer>,
    field,
  ];
}

/** The end of the directory, 4.3.14 to 4.3.16. */
function end(count: number, size: number, offset: number): Uint8Array<ArrayBuffer>[] {
  const wide = count >= most16 || size >= most32 || offset >= most32;
  const least = Math.min(count, most16);
  return [
    ...(wide ? [record("4822448888", 0x06064b50, 44, unix | 45, 45, 0, 0, count, count, size, offset), record("4484", 0x07064b50, 0, offset + size, 1)] : []),
    record("42222442", 0x06054b50, 0, 0, least, least, cap(size), cap(offset), 0),
  ];
}

/** The directory is handed on in parts of about so many bytes. */
const directoryPart = 1 << 16;

const lengthOf = (parts: Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);

function join(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** How many bytes the archive of these files has. */
export function zipLength(entries: readonly ZipEntry[]): number {
  let at = 0;
  let directory = 0;
  for (const entry of entries) {
    const name = encode(entry.path);
    directory += lengthOf(central(entry, name, 0, 0, at));
    at += lengthOf(local(entry, name, 0)) + entry.length + (large(entry) ? 24 : 16);
  }
  return at + directory + lengthOf(end(entries.length, directory, at));
}

/** A date as zip has it, 4.4.6: two-second steps from 1980 on, in local time. */
function dosTime(date: Date): number {
  const day = (Math.max(0, date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate();
  return ((day << 16) | (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1)) >>> 0;
}

async function* write(entries: readonly ZipEntry[], open: (entry: ZipEntry) => ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, date: Date): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const time = dosTime(date);
  const sums: [crc: number, offset: number][] = [];
  let at = 0;
  let pending: Uint8Array[] = [];
  for (const entry of entries) {
    const head = join([...pending, ...local(entry, encode(entry.path), time)]);
    yield head;
    at += lengthOf(pending);
    const offset = at;
    let crc = 0;
    let read = 0;
    for (const reader = open(entry); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      crc = crc32(value, crc);
      read += value.length;
      yield value;
    }
    if (read !== entry.length) throw new Error(`${entry.path} has ${read} bytes instead of ${entry.length}`);
    at += head.length - lengthOf(pending) + read;
    pending = [descriptor(entry, crc)];
    sums.push([crc, offset]);
  }
  at += lengthOf(pending);
  let directory = 0;
  let held = 0;
  for (const [i, entry] of entries.entries()) {
    const parts = central(entry, encode(entry.path), time, ...sums[i]!);
    directory += lengthOf(parts);
    held += lengthOf(parts);
    pending.push(...parts);
    if (held < directoryPart) continue;
    yield join(pending);
    pending = [];
    held = 0;
  }
  yield join([...pending, ...end(entries.length, directory, at)]);
}

/**
 * The archive of these files, read in their order, one at a time and only as fast as somebody
 * takes it. `done` is called once, when it is finished, failed or cancelled.
 */
export function zipStream(entries: readonly ZipEntry[], open: (entry: ZipEntry) => ReadableStream<Uint8Array<ArrayBuffer>>, done: () => void, date = new Date()): ReadableStream<Uint8Array<ArrayBuffer>> {
  let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  const parts = write(entries, (entry) => (reader = open(entry).getReader()), date);
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          const part = await parts.next();
          if (!part.done) return controller.enqueue(part.value);
          done();
          controller.close();
        } catch (err) {
          done();
          controller.error(err);
        }
      },
      async cancel() {
        done();
        await reader?.cancel().catch(() => undefined);
        await parts.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
