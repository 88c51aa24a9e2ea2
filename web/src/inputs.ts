// What a page hands over to be added or shared, brought into the forms that the engine takes.

import { ShoalError } from "./engine";
import { magnetName, parseSource } from "./source";

/** What names a torrent: a link, an info hash, the address or the bytes of a .torrent, or what parse-torrent makes of one. */
export type TorrentSource = string | Uint8Array | ArrayBuffer | Blob | { infoHash?: string; announce?: string[] };

/** A file to seed, with its path below the torrent's name. */
export interface SeedFile {
  file: File;
  path: string[];
}

/** What can be seeded. What has no name of its own is called by `SeedOptions.name`. */
export type SeedInput = File | Blob | Uint8Array | ArrayBuffer | SeedFile | Iterable<File | Blob | Uint8Array | ArrayBuffer | SeedFile>;

const maxTorrentFile = 32 << 20;

/** What a source says before anything of it is fetched. */
export interface Named {
  /** The torrent's id, "" while it is not known. */
  id: string;
  name: string;
  trackers: string[];
  /** What the engine takes. */
  fetch(): Promise<string | Uint8Array>;
}

/** Understands a source. Errors are of the text, for people. */
export function named(source: TorrentSource): Named {
  if (source instanceof Blob) return { id: "", name: "", trackers: [], fetch: () => readTorrent(source) };
  if (source instanceof ArrayBuffer) return named(new Uint8Array(source));
  if (source instanceof Uint8Array) {
    if (source.length !== 20) return { id: "", name: "", trackers: [], fetch: async () => source };
    return named(Array.from(source, (byte) => byte.toString(16).padStart(2, "0")).join("")); // a bare info hash
  }
  if (typeof source !== "string") {
    const more = named(String(source?.infoHash ?? ""));
    return { ...more, trackers: [...(source.announce ?? []), ...more.trackers] };
  }
  const parsed = parseSource(source);
  switch (parsed.kind) {
    case "magnet":
      return { id: parsed.id, name: magnetName(parsed.uri), trackers: [], fetch: async () => parsed.uri };
    case "hash":
      return { id: parsed.id, name: "", trackers: parsed.trackers, fetch: async () => parsed.hash };
    case "url":
      return { id: "", name: "", trackers: [], fetch: () => fetchTorrent(parsed.url) };
  }
}

async function readTorrent(file: Blob): Promise<Uint8Array> {
  if (file.size > maxTorrentFile) throw new ShoalError("This file is too large to be a .torrent file.");
  return new Uint8Array(await file.arrayBuffer());
}

async function fetchTorrent(url: string): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url, { referrerPolicy: "no-referrer", credentials: "omit" });
  } catch {
    throw new ShoalError("That address could not be read from here: it is unreachable, or its site does not let other pages read it. Download the .torrent file and drop it here.");
  }
  if (!response.ok) throw new ShoalError(`That address answered with an error (HTTP ${response.status}).`);
  const blob = await response.blob();
  if (blob.size > maxTorrentFile) throw new ShoalError("What lies at that address is too large to be a .torrent file.");
  return new Uint8Array(await blob.arrayBuffer());
}

/** The files of an input with their paths, and the name of a torrent of them. */
export function seedFiles(input: SeedInput, name?: string): { name: string; files: SeedFile[] } {
  const several = Symbol.iterator in input && !(input instanceof Uint8Array);
  const list = [...(several ? (input as Iterable<File>) : [input as File])].map((item) => seedFile(item, name));
  if (list.length === 0) throw new ShoalError("There is no file to share.");
  const made = nameFor(list);
  return { files: made.files, name: name ?? made.name };
}

function seedFile(item: File | Blob | Uint8Array | ArrayBuffer | SeedFile, name = "file"): SeedFile {
  if (item instanceof File) return { file: item, path: (item.webkitRelativePath || item.name).split("/") };
  if (item instanceof Blob || item instanceof Uint8Array || item instanceof ArrayBuffer) {
    return { file: new File([item as Blob], name), path: [name] };
  }
  return item;
}

/** A folder gives the torrent its name and leaves the paths. */
function nameFor(files: SeedFile[]): { name: string; files: SeedFile[] } {
  const first = files[0]!;
  if (files.length === 1 && first.path.length === 1) return { name: first.path[0]!, files };
  const folder = first.path[0]!;
  if (files.every(({ path }) => path.length > 1 && path[0] === folder)) {
    return { name: folder, files: files.map(({ file, path }) => ({ file, path: path.slice(1) })) };
  }
  return { name: `${first.path.at(-1)!.replace(/(.)\.[^.]+$/, "$1")} and ${files.length - 1} more`, files };
}
