// Names come from strangers. What could make one look like another is taken out
// before it is shown or saved: control characters, and those that change the order
// of what follows (Unicode's UAX #9), with which "exe.fdp" reads "pdf.exe" backwards.

const harmful = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;
const rightToLeft = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** A name as it may be shown and saved: what is harmful in it has become visible. */
export function safeName(name: string): string {
  return name.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd").replace(harmful, "\ufffd");
}

/** Whether a text has letters that are written from right to left. */
export function isRightToLeft(text: string): boolean {
  return rightToLeft.test(text);
}

/** A name in the middle of a text that is written from left to right, kept from mixing with it. */
export function isolated(name: string): string {
  return isRightToLeft(name) ? "\u2068" + name + "\u2069" : name;
}

/** The characters of a text as people count them: a letter with its accents, an emoji with its parts. */
export function graphemes(text: string): string[] {
  if (typeof Intl.Segmenter === "undefined") return [...text];
  return Array.from(new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text), ({ segment }) => segment);
}

/** Cuts a long name into a start, which may be shortened further, and its last `end` characters. */
export function cutName(name: string, longest: number, end: number): [start: string, end: string] {
  const letters = graphemes(name);
  // What is written from right to left has its end where the cut would put the start.
  if (letters.length <= longest || isRightToLeft(name)) return [name, ""];
  return [letters.slice(0, -end).join(""), letters.slice(-end).join("")];
}
