// The service worker that gives every file of a torrent a plain URL:
// <scope>shoal-stream/<id>/<file index>/<name>, or with zip<indices> in the index's place
// several files as one archive. It keeps no bytes of them; a page that has the torrent
// connects it straight to the engine's worker.

import { findHolder, type Holder } from "./holder";
import { passOn } from "./meet";
import { streamPrefix, swProtocol, type OtherMessage, type PongMessage } from "./protocol";
import { parseRange } from "./range";
import { forgetShells, keepShell, shellAnswer } from "./shell";
import { zipLength, zipStream } from "./zip";

declare const self: ServiceWorkerGlobalScope;

let open = 0;

self.addEventListener("install", () => void self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(Promise.all([self.clients.claim(), forgetShells()])));

self.addEventListener("message", (event) => {
  const data: unknown = event.data;
  if (typeof data !== "object" || data === null) return;
  const passed = passOn(event, self.clients);
  if (passed) return event.waitUntil(passed);
  const { shoalClaim, shoalPing, shoalKeep, protocol = 1 } = data as Record<string, unknown>;
  if (!shoalClaim && !shoalPing && !shoalKeep) return;
  if (protocol !== swProtocol) {
    const other: OtherMessage = { shoalOther: swProtocol };
    event.source?.postMessage(other);
    return;
  }
  if (shoalClaim) event.waitUntil(self.clients.claim());
  if (shoalKeep) event.waitUntil(keepShell());
  if (shoalPing) {
    const pong: PongMessage = { shoalOpen: open };
    event.source?.postMessage(pong);
  }
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const prefix = new URL(streamPrefix, self.registration.scope);
  if (url.origin !== prefix.origin || !url.pathname.startsWith(prefix.pathname)) {
    const answer = shellAnswer(event.request);
    if (answer) event.respondWith(answer);
    return;
  }
  const [id = "", file = ""] = url.pathname.slice(prefix.pathname.length).split("/");
  const valid = /^[0-9a-f]{40}$/.test(id) && /^(\d{1,9}|zip[\d,-]+)$/.test(file);
  event.respondWith(valid ? serve(event.request, event.clientId, id, file, url.searchParams.has("download")) : plain(404, "There is no file at this address."));
});

async function serve(request: Request, asking: string, id: string, file: string, download: boolean): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response(null, { status: 405, headers: { Allow: "GET, HEAD" } });
  }
  const holder = await findHolder({ id, file: file.startsWith("zip") ? file : Number(file) }, asking);
  if (!holder) return plain(404, "No open tab has this file. Open the share link in a tab and try again.");
  if (holder === "other") return plain(409, "The tab that has this file is of another version of Shoal. Reload it and try again.");

  const { name, type, entries } = holder.have;
  const headers = new Headers({
    "Cache-Control": "no-store",
    "Content-Type": type.startsWith("text/") ? type + "; charset=utf-8" : type,
    "X-Content-Type-Options": "nosniff",
  });
  // A file is somebody else's: opened as a document it must not act as this site.
  // The browser's own PDF viewer does not work in a sandbox.
  if (type !== "application/pdf") headers.set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:");
  if (download || entries) headers.set("Content-Disposition", "attachment; filename*=UTF-8''" + encodeName(name));
  return entries ? archive(request, holder, headers) : single(request, holder, Number(file), `"${id}-${file}"`, headers);
}

/** Several files as one archive. It has no ranges: its checksums are known only once it was read. */
function archive(request: Request, holder: Holder, headers: Headers): Response {
  const entries = holder.have.entries!;
  headers.set("Content-Length", String(zipLength(entries)));
  if (request.method === "HEAD") {
    holder.close();
    return new Response(null, { headers });
  }
  const done = opened(holder);
  return new Response(zipStream(entries, ({ index, length }) => holder.read(index, 0, length), done), { headers });
}

function single(request: Request, holder: Holder, file: number, etag: string, headers: Headers): Response {
  const { length } = holder.have;
  headers.set("Accept-Ranges", "bytes");
  headers.set("ETag", etag);
  if (names(request.headers.get("If-None-Match"), etag)) {
    holder.close();
    return new Response(null, { status: 304, headers });
  }
  const condition = request.headers.get("If-Range");
  const range = condition === null || condition === etag ? parseRange(request.headers.get("Range"), length) : null;
  if (range === "unsatisfiable") {
    holder.close();
    headers.set("Content-Range", `bytes */${length}`);
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = range ?? { start: 0, end: length };
  headers.set("Content-Length", String(end - start));
  if (range) headers.set("Content-Range", `bytes ${start}-${end - 1}/${length}`);
  const status = range ? 206 : 200;
  if (request.method === "HEAD") {
    holder.close();
    return new Response(null, { status, headers });
  }
  return new Response(holder.read(file, start, end, opened(holder)), { status, headers });
}

/** Counts a stream that is served; the function that it returns ends that. */
function opened(holder: Holder): () => void {
  open++;
  return () => {
    open--;
    holder.close();
  };
}

/** Whether an If-None-Match header names the tag, RFC 9110 section 13.1.2. */
function names(header: string | null, etag: string): boolean {
  return (header ?? "").split(",").some((part) => ["*", etag, "W/" + etag].includes(part.trim()));
}

/** Percent-encodes a file name for a header, RFC 8187. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/['()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
}

function plain(status: number, text: string): Response {
  return new Response(text + "\n", { status, headers: { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" } });
}
