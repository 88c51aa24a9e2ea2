// A QR code encoder (ISO/IEC 18004): byte mode, levels M and L, versions 1 to 40.

/** A square of dark (true) and light modules. */
export type Matrix = boolean[][];

interface Level {
  /** The two bits of the format information. */
  bits: number;
  /** Error correction bytes of a block, by version. */
  correction: number[];
  /** Blocks, by version. */
  blocks: number[];
}

const numbers = (text: string): number[] => text.split(" ").map(Number);

const levelM: Level = {
  bits: 0,
  correction: numbers("0 10 16 26 18 24 16 18 22 22 26 30 22 22 24 24 28 28 26 26 26 26 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28"),
  blocks: numbers("0 1 1 1 2 2 4 4 4 5 5 5 8 9 9 10 10 11 13 14 16 17 17 18 20 21 23 25 26 28 29 31 33 35 37 38 40 43 45 47 49"),
};

const levelL: Level = {
  bits: 1,
  correction: numbers("0 7 10 15 20 26 18 20 24 30 18 20 24 26 30 22 24 28 30 28 28 28 28 30 30 26 28 30 30 30 30 30 30 30 30 30 30 30 30 30 30"),
  blocks: numbers("0 1 1 1 1 1 2 2 2 2 4 4 4 4 4 6 6 6 6 7 8 8 9 9 10 12 12 12 13 14 15 16 17 18 19 19 20 21 22 24 25"),
};

const sizeOf = (version: number): number => 17 + 4 * version;

/** Centres of the alignment patterns along one side. */
function alignment(version: number): number[] {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = version === 32 ? 26 : Math.ceil((sizeOf(version) - 13) / (2 * count - 2)) * 2;
  const centres = [6];
  for (let i = count - 2; i >= 0; i--) centres.push(sizeOf(version) - 7 - i * step);
  return centres;
}

/** Bytes, data and correction together, that a version holds. */
function capacity(version: number): number {
  let modules = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const count = Math.floor(version / 7) + 2;
    modules -= (25 * count - 10) * count - 55;
    if (version >= 7) modules -= 36;
  }
  return modules >> 3;
}

function choose(length: number): { version: number; level: Level } | null {
  for (const level of [levelM, levelL]) {
    for (let version = 1; version <= 40; version++) {
      const room = capacity(version) - level.correction[version]! * level.blocks[version]!;
      if (length + (version < 10 ? 2 : 3) <= room) return { version, level };
    }
  }
  return null;
}

// Arithmetic in GF(256) with the polynomial x^8 + x^4 + x^3 + x^2 + 1.
const exp = new Uint8Array(512);
const log = new Uint8Array(256);
for (let i = 0, value = 1; i < 255; i++) {
  exp[i] = exp[i + 255] = value;
  log[value] = i;
  value = (value << 1) ^ (value & 0x80 ? 0x11d : 0);
}
const multiply = (a: number, b: number): number => (a && b ? exp[log[a]! + log[b]!]! : 0);

function correctionOf(data: Uint8Array, degree: number): Uint8Array {
  // The generator is the product of (x - 2^i); its leading 1 is left out.
  const generator = new Uint8Array(degree);
  generator[degree - 1] = 1;
  for (let i = 0; i < degree; i++) {
    for (let j = 0; j < degree; j++) generator[j] = multiply(generator[j]!, exp[i]!) ^ (generator[j + 1] ?? 0);
  }
  const rest = new Uint8Array(degree);
  for (const byte of data) {
    const factor = byte ^ rest[0]!;
    rest.copyWithin(0, 1);
    rest[degree - 1] = 0;
    for (let j = 0; j < degree; j++) rest[j]! ^= multiply(generator[j]!, factor);
  }
  return rest;
}

/** Header, text and padding, split into blocks, corrected and interleaved. */
function codewords(text: Uint8Array, version: number, level: Level): Uint8Array {
  const total = capacity(version);
  const degree = level.correction[version]!;
  const count = level.blocks[version]!;
  const data = new Uint8Array(total - degree * count);
  let bit = 0;
  const put = (value: number, width: number): void => {
    for (let i = width - 1; i >= 0; i--, bit++) data[bit >> 3]! |= ((value >> i) & 1) << (7 - (bit & 7));
  };
  put(4, 4);
  put(text.length, version < 10 ? 8 : 16);
  for (const byte of text) put(byte, 8);
  for (let i = text.length + (version < 10 ? 2 : 3), pad = 0xec; i < data.length; i++, pad ^= 0xfd) data[i] = pad;

  const short = Math.floor(data.length / count);
  const longFrom = count - (data.length % count);
  const blocks: Uint8Array[] = [];
  for (let i = 0, from = 0; i < count; i++) {
    const length = short + (i >= longFrom ? 1 : 0);
    blocks.push(data.subarray(from, from + length));
    from += length;
  }
  const corrections = blocks.map((block) => correctionOf(block, degree));
  const out: number[] = [];
  for (let i = 0; i <= short; i++) for (const block of blocks) if (i < block.length) out.push(block[i]!);
  for (let i = 0; i < degree; i++) for (const correction of corrections) out.push(correction[i]!);
  return Uint8Array.from(out);
}

/** Appends the remainder of a BCH code of `width` bits to the value. */
function bch(value: number, polynomial: number, width: number): number {
  let rest = value;
  for (let i = 0; i < width; i++) rest = (rest << 1) ^ ((rest >> (width - 1)) * polynomial);
  return (value << width) | rest;
}

const masks: ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

class Drawing {
  readonly size: number;
  readonly dark: Matrix;
  readonly fixed: Matrix;

  constructor(readonly version: number, readonly level: Level) {
    this.size = sizeOf(version);
    this.dark = Array.from({ length: this.size }, () => new Array<boolean>(this.size).fill(false));
    this.fixed = this.dark.map((row) => [...row]);
    this.#patterns();
  }

  set(x: number, y: number, dark: boolean): void {
    if (x < 0 || y < 0 || x >= this.size || y >= this.size) return;
    this.dark[y]![x] = dark;
    this.fixed[y]![x] = true;
  }

  #patterns(): void {
    const { size, version } = this;
    for (let i = 0; i < size; i++) {
      this.set(6, i, i % 2 === 0);
      this.set(i, 6, i % 2 === 0);
    }
    for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]] as const) {
      for (let y = -4; y <= 4; y++) {
        for (let x = -4; x <= 4; x++) {
          const ring = Math.max(Math.abs(x), Math.abs(y));
          this.set(cx + x, cy + y, ring !== 2 && ring !== 4);
        }
      }
    }
    const centres = alignment(version);
    for (const cy of centres) {
      for (const cx of centres) {
        const finder = cx === 6 ? cy === 6 || cy === size - 7 : cy === 6 && cx === size - 7;
        if (finder) continue;
        for (let y = -2; y <= 2; y++) for (let x = -2; x <= 2; x++) this.set(cx + x, cy + y, Math.max(Math.abs(x), Math.abs(y)) !== 1);
      }
    }
    this.format(0);
    if (version < 7) return;
    const bits = bch(version, 0x1f25, 12);
    for (let i = 0; i < 18; i++) {
      const a = size - 11 + (i % 3);
      const b = Math.floor(i / 3);
      this.set(a, b, ((bits >> i) & 1) === 1);
      this.set(b, a, ((bits >> i) & 1) === 1);
    }
  }

  /** Writes both copies of the format information. */
  format(mask: number): void {
    const { size } = this;
    const bits = bch((this.level.bits << 3) | mask, 0x537, 10) ^ 0x5412;
    for (let i = 0; i < 15; i++) {
      const dark = ((bits >> i) & 1) === 1;
      if (i < 8) {
        this.set(8, i < 6 ? i : i + 1, dark);
        this.set(size - 1 - i, 8, dark);
      } else {
        this.set(i === 8 ? 7 : 14 - i, 8, dark);
        this.set(8, size - 15 + i, dark);
      }
    }
    this.set(8, size - 8, true);
  }

  /** Lays the bits out in pairs of columns, right to left, up and down in turn. */
  fill(bytes: Uint8Array): void {
    let bit = 0;
    for (let right = this.size - 1; right >= 1; right -= 2) {
      if (right === 6) right = 5;
      const up = ((right + 1) & 2) === 0;
      for (let i = 0; i < this.size; i++) {
        const y = up ? this.size - 1 - i : i;
        for (const x of [right, right - 1]) {
          if (this.fixed[y]![x] || bit >= bytes.length * 8) continue;
          this.dark[y]![x] = ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1) === 1;
          bit++;
        }
      }
    }
  }

  masked(mask: number): Matrix {
    this.format(mask);
    return this.dark.map((row, y) => row.map((dark, x) => dark !== (!this.fixed[y]![x] && masks[mask]!(x, y))));
  }
}

/** How hard a matrix is to read: runs, 2x2 boxes, finder look-alikes and imbalance. */
function penalty(matrix: Matrix): number {
  const size = matrix.length;
  let score = 0;
  let dark = 0;
  for (let i = 0; i < size; i++) {
    const row = matrix[i]!.map(Number).join("");
    const column = matrix.map((line) => Number(line[i])).join("");
    for (const line of [row, column]) {
      for (const run of line.match(/0{5,}|1{5,}/g) ?? []) score += run.length - 2;
      score += 40 * (line.match(/(?=10111010000|00001011101)/g)?.length ?? 0);
    }
    for (let x = 0; x < size; x++) {
      const here = matrix[i]![x]!;
      if (here) dark++;
      if (i > 0 && x > 0 && here === matrix[i]![x - 1] && here === matrix[i - 1]![x] && here === matrix[i - 1]![x - 1]) score += 3;
    }
  }
  return score + 10 * Math.floor(Math.abs((dark * 20) / (size * size) - 10));
}

/** The QR code of a text, or null when it is longer than a code can hold (about 2,950 bytes). */
export function encodeQR(text: string): Matrix | null {
  const bytes = new TextEncoder().encode(text);
  const chosen = choose(bytes.length);
  if (!chosen) return null;
  const drawing = new Drawing(chosen.version, chosen.level);
  drawing.fill(codewords(bytes, chosen.version, chosen.level));
  let best: Matrix = [];
  let least = Infinity;
  for (let mask = 0; mask < 8; mask++) {
    const matrix = drawing.masked(mask);
    const score = penalty(matrix);
    if (score < least) [best, least] = [matrix, score];
  }
  return best;
}

/** The path of an SVG that draws the dark modules, one unit each, `margin` units from the edge. */
export function qrPath(matrix: Matrix, margin = 4): string {
  let path = "";
  matrix.forEach((row, y) => {
    for (let x = 0; x < row.length; x++) {
      if (!row[x]) continue;
      let end = x;
      while (row[end]) end++;
      path += `M${x + margin} ${y + margin}h${end - x}v1h-${end - x}z`;
      x = end;
    }
  });
  return path;
}
