// The encoding of a text that does not say it. Old texts, and subtitles above all, are in
// the encoding of their country; shown as UTF-8 they are boxes.

/** The label of a text's encoding, for TextDecoder, guessed from its beginning. */
export function encodingOf(bytes: Uint8Array): string {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return "utf-8";
  if (a === 0xff && b === 0xfe) return "utf-16le";
  if (a === 0xfe && b === 0xff) return "utf-16be";
  const zeros = [0, 0];
  bytes.forEach((byte, i) => byte === 0 && zeros[i & 1]!++);
  // Of a text in UTF-16 that has Latin letters, every other byte is zero.
  if (zeros[1]! > bytes.length / 5 && zeros[0]! < zeros[1]! / 4) return "utf-16le";
  if (zeros[0]! > bytes.length / 5 && zeros[1]! < zeros[0]! / 4) return "utf-16be";
  if (decodes(bytes, "utf-8") !== null) return "utf-8";
  return ofCountry(bytes);
}

function decodes(bytes: Uint8Array, label: string): string | null {
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return null;
  }
}

const kana = /[\u3041-\u30ff\uff66-\uff9f]/g;
const hangul = /[\uac00-\ud7a3]/g;
const count = (text: string, of: RegExp): number => text.match(of)?.length ?? 0;

/** Scripts that have a byte or two for each letter. */
function ofCountry(bytes: Uint8Array): string {
  // In the west letters beyond ASCII stand alone between others; elsewhere they stand in rows.
  let high = 0;
  let rows = 0;
  bytes.forEach((byte, i) => {
    if (byte < 0x80) return;
    high++;
    if ((bytes[i + 1] ?? 0) >= 0x80 || (bytes[i - 1] ?? 0) >= 0x80) rows++;
  });
  if (rows < high * 0.6) {
    // The second byte of Shift_JIS may be ASCII.
    const text = decodes(bytes, "shift_jis");
    return text !== null && count(text, kana) > high / 4 ? "shift_jis" : "windows-1252";
  }
  for (const [label, letters, share] of [["shift_jis", kana, 0.2], ["euc-jp", kana, 0.2], ["euc-kr", hangul, 0.7]] as const) {
    const text = decodes(bytes, label);
    if (text !== null && count(text, letters) > share * count(text, /[^\x00-\x7f]/g)) return label;
  }
  // The characters that are used most come first in both encodings of Chinese.
  const leads = pairs(bytes);
  const within = (from: number, to: number): number => leads.filter((lead) => lead >= from && lead <= to).length / leads.length;
  if (within(0xb0, 0xd7) > 0.6 && decodes(bytes, "gb18030") !== null) return "gb18030";
  if (within(0xa4, 0xc6) > 0.6 && decodes(bytes, "big5") !== null) return "big5";
  const text = new TextDecoder("windows-1251").decode(bytes);
  const [small, great] = [count(text, /[а-яё]/g), count(text, /[А-ЯЁ]/g)];
  if (small + great < 0.6 * high) return "windows-1252";
  return small >= great ? "windows-1251" : "koi8-r"; // there capital and small letters have each other's places
}

/** The first bytes of those that come in twos. */
function pairs(bytes: Uint8Array): number[] {
  const leads: number[] = [];
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i]! < 0x80) continue;
    leads.push(bytes[i]!);
    i++;
  }
  return leads;
}
