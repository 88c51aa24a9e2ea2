import table from "../../internal/httpfile/types.txt";

export type FileKind = "video" | "audio" | "image" | "pdf" | "text" | "archive" | "other";

// The table is the one that a node serves by: a type, then the extensions that mean it.
const types = new Map<string, string>();
for (const line of table.trim().split("\n")) {
  const [type = "", ...extensions] = line.split(" ");
  for (const extension of extensions) types.set(extension, type);
}

function extensionOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot >= 0 ? name.slice(dot + 1).toLowerCase() : "";
}

/** The MIME type that a file's name implies. */
export function mimeOf(name: string): string {
  return types.get(extensionOf(name)) ?? "application/octet-stream";
}

/** What a page can do with a file of that name. */
export function kindOf(name: string): FileKind {
  if (/^(readme|licen[cs]e|copying|authors|makefile|changelog)$/i.test(name)) return "text";
  const type = mimeOf(name);
  if (type.startsWith("video/")) return "video";
  if (type.startsWith("audio/")) return "audio";
  if (type.startsWith("image/")) return "image";
  if (type === "application/pdf") return "pdf";
  if (type.startsWith("text/") || type === "application/json" || type === "application/x-subrip") return "text";
  if (/zip|compressed|x-tar|x-xz|x-bzip2|zstd|iso9660/.test(type)) return "archive";
  return "other";
}
