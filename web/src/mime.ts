export type FileKind = "video" | "audio" | "image" | "pdf" | "text" | "archive" | "other";

// One line per type: the MIME type, then the extensions that mean it.
const table = `
video/mp4 mp4 m4v
video/webm webm
video/ogg ogv
video/quicktime mov
video/x-matroska mkv
video/x-msvideo avi
video/mpeg mpg mpeg
video/mp2t ts m2ts
audio/mpeg mp3
audio/mp4 m4a m4b
audio/aac aac
audio/ogg ogg oga opus
audio/flac flac
audio/wav wav
audio/webm weba
image/png png apng
image/jpeg jpg jpeg jfif
image/gif gif
image/webp webp
image/avif avif
image/bmp bmp
image/svg+xml svg
image/x-icon ico
application/pdf pdf
text/plain txt text log nfo md markdown rst ini conf cfg toml yaml yml sh py go rs c h cpp hpp java kt swift rb php pl lua sql diff patch tex srt sub
text/csv csv tsv
text/vtt vtt
text/html html htm
text/css css
text/javascript js mjs jsx tsx
application/json json map
text/xml xml
application/zip zip cbz epub
application/gzip gz tgz
application/x-7z-compressed 7z
application/x-rar-compressed rar cbr
application/x-tar tar
application/x-xz xz
application/x-bzip2 bz2
application/zstd zst
application/x-iso9660-image iso
application/wasm wasm
application/x-bittorrent torrent
`;

const types = new Map<string, string>();
for (const line of table.trim().split("\n")) {
  const [type = "", ...extensions] = line.split(" ");
  for (const extension of extensions) types.set(extension, type);
}

function extensionOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
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
  if (type.startsWith("text/") || type === "application/json") return "text";
  if (/zip|compressed|x-tar|x-xz|x-bzip2|zstd|iso9660/.test(type)) return "archive";
  return "other";
}
