import { safeName } from "./names";

/** Bytes that a name may have on common file systems, less what is added to tell two apart. */
const longest = 240;
/** Folders within folders; a zip has room for 65,535 bytes of a path. */
const deepest = 32;

const devices = /^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i;

/** A name of a stranger as every system can keep it, and none takes for a way out of its folder. */
function diskName(name: string): string {
  let letters = [...safeName(name.slice(0, longest))];
  while (new TextEncoder().encode(letters.join("")).length > longest) letters = letters.slice(0, -1);
  return (
    letters
      .join("")
      .replace(/[<>:"/\\|?*]/g, "_")
      .replace(/[. ]+$/, "")
      .replace(devices, "$1_") || "_"
  );
}

/**
 * The paths of files below their torrent's name, for an archive or a folder: without "..", and
 * no two that some system takes for the same.
 */
export function diskPaths(root: string, files: readonly { path: string }[]): string[] {
  /** How often a path was asked for, which is where to look for a free one. */
  const taken = new Map<string, number>();
  const fold = (path: string): string => path.normalize("NFC").toLowerCase();
  return files.map(({ path }) => {
    const whole = [root, ...path.split("/").slice(-deepest)].map(diskName).join("/");
    const dot = whole.lastIndexOf(".");
    const cut = dot > whole.lastIndexOf("/") + 1 ? dot : whole.length;
    let free = whole;
    let n = taken.get(fold(whole)) ?? 0;
    while (taken.has(fold(free))) free = `${whole.slice(0, cut)} (${++n + 1})${whole.slice(cut)}`;
    taken.set(fold(free), 0).set(fold(whole), n);
    return free;
  });
}
