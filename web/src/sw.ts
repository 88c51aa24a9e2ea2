// The service worker that gives every file of a torrent a plain URL:
// <scope>shoal-stream/<id>/<file index>/<name>. It keeps no bytes; a page that
// has the torrent connects it straight to the engine's worker.

import { passOn } from "./meet";
import { streamPrefix, type ClaimMessage, type PingMessage, type PongMessage, type WantMessage, type WantOrder, type WantReply } from "./protocol";
import { pullStream, type PullStream } from "./pull";
import { parseRange, type Span } from "./range";

declare const self: ServiceWorkerGlobalScope;

const answerWithin = 5_000;
/** How long the page that asks may take to say that it has the file itself, when another has said so. */
const ownWithin = 200;
let open = 0;

self.addEventListener("install", () => void self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("message", (event) => {
  const data = event.data as Partial<PingMessage & ClaimMessage> | null;
  if (data?.shoalClaim) event.waitUntil(self.clients.claim());
  const passed = passOn(event, self.clients);
  if (passed) event.waitUntil(passed);
  if (data?.shoalPing && event.source) {
    const pong: PongMessage = { shoalOpen: open };
    event.source.postMessage(pong);
  }
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const prefix = new URL(streamPrefix, self.registration.scope);
  if (url.origin !== prefix.origin || !url.pathname.startsWith(prefix.pathname)) return;
  const [id = "", file = ""] = url.pathname.slice(prefix.pathname.length).split("/");
  const valid = /^[0-9a-f]{40}$/.test(id) && /^\d{1,9}$/.test(file);
  event.respondWith(valid ? serve(event.request, event.clientId, id, Number(file), url.searchParams.has("download")) : plain(404, "There is no file at this address."));
});

/** A page that has the file, reached through `control`. */
interface Holder {
  client: string;
  control: MessagePort;
  file: { length: number; name: string; type: string };
}

/** Asks every page; the first that has the torrent wins, but for the one that asks: that is there for as long as the answer is wanted. */
async function findHolder(want: WantMessage, asking: string): Promise<Holder | null> {
  const clients = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  return new Promise((resolve) => {
    const controls: MessagePort[] = [];
    let other: Holder | null = null;
    let found = false;
    const finish = (holder: Holder | null): void => {
      if (found) return;
      found = true;
      clearTimeout(timer);
      for (const control of controls) if (control !== holder?.control) control.close();
      resolve(holder);
    };
    const timer = setTimeout(() => finish(null), clients.length > 0 ? answerWithin : 0);
    for (const client of clients) {
      const { port1, port2 } = new MessageChannel();
      controls.push(port1);
      port1.onmessage = (message: MessageEvent<WantReply>) => {
        if (!("have" in message.data)) return;
        const holder = { client: client.id, control: port1, file: message.data.have };
        if (client.id === asking || !clients.some(({ id }) => id === asking)) return finish(holder);
        if (!other) setTimeout(() => finish(other), ownWithin);
        other ??= holder;
      };
      client.postMessage(want, [port2]);
    }
  });
}

async function serve(request: Request, asking: string, id: string, file: number, download: boolean): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response(null, { status: 405, headers: { Allow: "GET, HEAD" } });
  }
  const find = (): Promise<Holder | null> => findHolder({ shoalWant: { id, file } }, asking);
  const holder = await find();
  if (!holder) return plain(404, "No open tab has this file. Open the share link in a tab and try again.");

  const { length, name, type } = holder.file;
  const etag = `"${id}-${file}"`;
  const headers = new Headers({
    "Accept-Ranges": "bytes",
    "Cache-Control": "no-store",
    "Content-Type": type.startsWith("text/") ? type + "; charset=utf-8" : type,
    ETag: etag,
    "X-Content-Type-Options": "nosniff",
  });
  // A file is somebody else's: opened as a document it must not act as this site.
  // The browser's own PDF viewer does not work in a sandbox.
  if (type !== "application/pdf") headers.set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:");
  if (download) headers.set("Content-Disposition", "attachment; filename*=UTF-8''" + encodeName(name));

  if (names(request.headers.get("If-None-Match"), etag)) {
    order(holder, { close: true });
    return new Response(null, { status: 304, headers });
  }
  const condition = request.headers.get("If-Range");
  const range = condition === null || condition === etag ? parseRange(request.headers.get("Range"), length) : null;
  if (range === "unsatisfiable") {
    holder.control.close();
    headers.set("Content-Range", `bytes */${length}`);
    return new Response(null, { status: 416, headers });
  }
  const span = range ?? { start: 0, end: length };
  headers.set("Content-Length", String(span.end - span.start));
  if (range) headers.set("Content-Range", `bytes ${span.start}-${span.end - 1}/${length}`);
  const status = range ? 206 : 200;
  if (request.method === "HEAD") {
    order(holder, { close: true });
    return new Response(null, { status, headers });
  }
  return new Response(body(holder, find, span), { status, headers });
}

/** The bytes. Should the page that has them go, another is looked for: tabs share an engine. */
function body(first: Holder, find: () => Promise<Holder | null>, span: Span): ReadableStream<Uint8Array> {
  let holder = first;
  open++;
  const pull: PullStream = pullStream(
    (start, end, port) => order(holder, { read: { start, end } }, port),
    span.start,
    span.end,
    {
      alive: async () => {
        if (await self.clients.get(holder.client)) return true;
        holder.control.close();
        const next = await find();
        if (!next) return false;
        hold(next);
        pull.reopen();
        return true;
      },
      done: () => {
        open--;
        order(holder, { close: true });
        holder.control.close();
      },
    },
  );
  const hold = (next: Holder): void => {
    holder = next;
    holder.control.onmessage = (message: MessageEvent<WantReply>) => {
      if ("failed" in message.data) pull.fail(message.data.failed);
      else if ("again" in message.data) pull.reopen();
    };
  };
  hold(first);
  return pull.stream;
}

function order(holder: Holder, message: WantOrder, port?: MessagePort): void {
  holder.control.postMessage(message, port ? [port] : []);
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
