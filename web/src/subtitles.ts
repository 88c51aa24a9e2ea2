import type { ShoalFile } from "./shoal";
import { encodingOf } from "./text";

/** A file of subtitles, and what its name says of it. */
export interface Subtitle {
  file: ShoalFile;
  label: string;
  /** As in BCP 47, "" when the name does not say. */
  language: string;
}

/** Larger ones are none. */
const mostBytes = 4 << 20;
const mostTracks = 40;

const stem = (name: string): string => name.replace(/\.[^.]*$/, "");
const folder = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));

/**
 * The subtitles of a film: those that have its name, beside it or in a folder below; all that
 * there are where it is the only film.
 */
export function subtitlesOf(film: ShoalFile, files: readonly ShoalFile[]): Subtitle[] {
  const alone = files.filter((file) => file.kind === "video").length === 1;
  const base = stem(film.name).toLowerCase();
  const here = folder(film.path);
  return files
    .filter((file) => /\.(srt|vtt)$/i.test(file.name) && file.length <= mostBytes)
    .filter((file) => alone || (stem(file.name).toLowerCase().startsWith(base) && folder(file.path).startsWith(here)))
    .slice(0, mostTracks)
    .map((file) => {
      const own = stem(file.name);
      const rest = own.toLowerCase().startsWith(base) ? own.slice(base.length).replace(/^[ ._-]+/, "") : own;
      const language = /(?:^|[ ._-])([a-z]{2,3}(?:-[a-z]{2,4})?)$/i.exec(rest)?.[1] ?? "";
      const known = languageName(language);
      return { file, language: known === "" ? "" : language, label: known || rest || "Subtitles" };
    });
}

function languageName(tag: string): string {
  try {
    const name = new Intl.DisplayNames(undefined, { type: "language", fallback: "none" }).of(tag);
    return name ?? "";
  } catch {
    return "";
  }
}

/** The text of a subtitle file as WebVTT, the one form that browsers show. */
export function toVTT(bytes: Uint8Array): string {
  const text = new TextDecoder(encodingOf(bytes)).decode(bytes).replace(/\r\n?/g, "\n");
  if (/^WEBVTT/.test(text)) return text;
  // SubRip has a comma before the milliseconds, and may leave out what is zero.
  const time = /^(\d{1,3}):(\d{1,2}):(\d{1,2})(?:[,.](\d{1,3}))?\s*-->\s*(\d{1,3}):(\d{1,2}):(\d{1,2})(?:[,.](\d{1,3}))?.*$/gm;
  const two = (digits: string): string => digits.padStart(2, "0");
  const three = (digits: string | undefined): string => (digits ?? "").padEnd(3, "0");
  return (
    "WEBVTT\n\n" +
    text.replace(time, (_, h1: string, m1: string, s1: string, f1: string | undefined, h2: string, m2: string, s2: string, f2: string | undefined) =>
      `${two(h1)}:${two(m1)}:${two(s1)}.${three(f1)} --> ${two(h2)}:${two(m2)}:${two(s2)}.${three(f2)}`,
    )
  );
}
