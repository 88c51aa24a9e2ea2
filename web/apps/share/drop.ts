import type { SeedFile } from "../../src/shoal";

/** Files that systems leave in folders and nobody means to share. */
const litter = /^(\.DS_Store|Thumbs\.db|desktop\.ini)$/i;

/** The files of a drop or paste, folders walked. Must be called within the event. */
export function filesOf(transfer: DataTransfer): Promise<SeedFile[]> {
  // The items are only readable now, so every entry is taken before the first wait.
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const roots = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return collect(roots.filter((root) => root !== null));
}

async function collect(roots: (FileSystemEntry | File)[]): Promise<SeedFile[]> {
  const files: SeedFile[] = [];
  for (const root of roots) {
    if (root instanceof File) files.push({ file: root, path: [root.name] });
    else await walk(root, [root.name], files);
  }
  return files;
}

async function walk(entry: FileSystemEntry, path: string[], files: SeedFile[]): Promise<void> {
  if (litter.test(entry.name)) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    files.push({ file, path });
  } else if (entry.isDirectory) {
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    // A reader hands out a hundred entries at a time, then none.
    for (;;) {
      const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (batch.length === 0) return;
      for (const child of batch) await walk(child, [...path, child.name], files);
    }
  }
}

/** The files of an <input type=file>, with their folder if one was chosen. */
export function filesFrom(input: HTMLInputElement): SeedFile[] {
  return [...(input.files ?? [])]
    .map((file) => ({ file, path: (file.webkitRelativePath || file.name).split("/") }))
    .filter(({ file }) => !litter.test(file.name));
}
