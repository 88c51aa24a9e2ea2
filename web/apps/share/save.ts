import { diskPaths, type ShoalFile, type Torrent } from "../../src/shoal";

/** What Chromium has for writing to a folder; TypeScript's DOM does not know it yet. */
interface Picker {
  showDirectoryPicker?(options: { mode: "readwrite" }): Promise<FileSystemDirectoryHandle>;
}

/** Safari does not let a service worker stream a download. */
export const streamsDownloads = (): boolean =>
  window.isSecureContext && "serviceWorker" in navigator && !/^((?!chrome|android|crios|fxios).)*safari/i.test(navigator.userAgent);

export const hasFolders = (): boolean => (window as Picker).showDirectoryPicker !== undefined;

/** Asks for a folder; null when nobody chose one. */
export async function pickFolder(): Promise<FileSystemDirectoryHandle | null> {
  try {
    return await (window as Picker).showDirectoryPicker!({ mode: "readwrite" });
  } catch (err) {
    if ((err as Error).name === "AbortError") return null;
    throw err;
  }
}

/**
 * Writes files of a torrent below a folder, one after another while they arrive; `progress` is
 * told how many are complete and how many bytes were written.
 */
export async function saveToFolder(root: FileSystemDirectoryHandle, torrent: Pick<Torrent, "name">, files: readonly Pick<ShoalFile, "path" | "stream">[], progress: (files: number, bytes: number) => void): Promise<void> {
  const paths = diskPaths(torrent.name, files);
  let written = 0;
  for (const [i, file] of files.entries()) {
    progress(i, written);
    const folders = paths[i]!.split("/");
    const name = folders.pop()!;
    let folder = root;
    // A single file is its torrent: no folder of the same name around it.
    for (const part of file.path.includes("/") || files.length > 1 ? folders : []) folder = await folder.getDirectoryHandle(part, { create: true });
    const handle = await folder.getFileHandle(name, { create: true });
    const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        written += chunk.length;
        progress(i, written);
        controller.enqueue(chunk);
      },
    });
    await file.stream().pipeThrough(counted).pipeTo(await handle.createWritable());
  }
  progress(files.length, written);
}
