// The service worker keeps the page itself, so that what lies in this browser can be opened
// while the page's server is away. Every part of a page is asked for under the version that
// the build gave it, so that a page that is open goes on with its own parts after an update.

import { shellLock } from "./protocol";

interface Shell {
  version: string;
  /** The names of its files. */
  files: string[];
}

declare const self: ServiceWorkerGlobalScope & {
  /** The build writes this before the script. Without it nothing is kept but streams are served. */
  shoalShell?: Shell;
};

const page = "index.html";
/** How long a server may take for the page before the one that is kept is shown. */
const answerWithin = 4_000;

const prefix = (): string => `shoal ${self.registration.scope} `;
const nameOf = (version: string): string => prefix() + version;
const addressOf = (file: string, version: string): string => new URL(`${file}?v=${version}`, self.registration.scope).href;

/** The answer to a request for a part of the page, null where it is for something else. */
export function shellAnswer(request: Request): Promise<Response> | null {
  const shell = self.shoalShell;
  const url = new URL(request.url);
  const scope = new URL(self.registration.scope);
  if (!shell || request.method !== "GET" || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return null;
  const file = url.pathname.slice(scope.pathname.length);
  const version = url.searchParams.get("v");
  if (version !== null && shell.files.includes(file)) return keptOr(request, file, version);
  if (request.mode === "navigate" && (file === "" || file === page)) return newest(request, shell.version);
  return null;
}

async function keptOr(request: Request, file: string, version: string): Promise<Response> {
  return (await kept(file, version)) ?? fetch(request);
}

function kept(file: string, version: string): Promise<Response | undefined> {
  return caches.match(addressOf(file, version), { cacheName: nameOf(version), ignoreVary: true });
}

/** The page as its server has it, or while that is away as it is kept. */
async function newest(request: Request, version: string): Promise<Response> {
  const old = await kept(page, version).catch(() => undefined);
  const fresh = fetch(request);
  if (!old) return fresh;
  const late = new Promise<Response>((resolve) => setTimeout(() => resolve(old), answerWithin));
  return Promise.race([fresh.then((response) => (response.status < 500 ? response : old)).catch(() => old), late]);
}

/** Keeps what is not kept yet. The page comes last: it vouches for the rest. */
export async function keepShell(): Promise<void> {
  const shell = self.shoalShell;
  if (!shell) return;
  const { version, files } = shell;
  try {
    const cache = await caches.open(nameOf(version));
    for (const file of [...files.filter((name) => name !== page), page]) {
      const address = addressOf(file, version);
      if (await cache.match(address, { ignoreVary: true })) continue;
      const response = await fetch(address); // a node that has another version by now has none of it
      if (!response.ok) throw new Error(`${file}: HTTP ${response.status}`);
      await cache.put(address, response);
    }
  } catch {
    // There is no room, or it is not there: a part is of no use.
    if (!(await kept(page, version).catch(() => undefined))) await caches.delete(nameOf(version)).catch(() => false);
  }
  await forgetShells();
}

/** Removes the versions that no page has open any more. */
export async function forgetShells(): Promise<void> {
  const own = self.shoalShell?.version;
  if (own === undefined || !(navigator as { locks?: LockManager }).locks) return;
  const held = new Set((await navigator.locks.query()).held?.map((lock) => lock.name));
  for (const name of await caches.keys()) {
    const version = name.slice(prefix().length);
    if (name.startsWith(prefix()) && version !== own && !held.has(shellLock(version))) await caches.delete(name);
  }
}
