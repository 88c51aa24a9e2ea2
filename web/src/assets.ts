import * as place from "./place";
import type { EngineMessage } from "./protocol";

/** How the service worker that makes stream URLs work comes to the page. */
export interface ServiceWorkerOptions {
  /**
   * The script, of the page's own origin: shoal.sw.js, or one that loads it by
   * importScripts. Default: shoal.sw.js beside this module, or beside the page
   * where that cannot serve the page.
   */
  url?: string | URL;
  /** The part of the site that it serves, which the page must lie in. Default: the script's folder. */
  scope?: string;
  /** A registration of the site's own service worker, which loads shoal.sw.js by importScripts. */
  registration?: ServiceWorkerRegistration | PromiseLike<ServiceWorkerRegistration>;
}

/** What Shoal loads besides its module. */
export interface Assets {
  /** The worker's script, by its address or as text. */
  worker: URL | string;
  /** The engine for a worker, in the form in which it starts soonest. */
  engine(): Promise<EngineMessage["engine"]>;
  /** Null where it is no file that is known of. */
  serviceWorker: URL | null;
}

/** The assets in the folder `base`, or where this build of Shoal has them. */
export function findAssets(base?: string | URL): Assets {
  if (base === undefined) return { worker: sameBuild(place.worker()), engine: once(() => sameBuild(place.engine())), serviceWorker: place.serviceWorker() };
  const at = (name: string): URL => new URL(name, new URL(base, document.baseURI));
  return { worker: at("shoal.worker.js"), engine: once(() => at("shoal.wasm")), serviceWorker: at("shoal.sw.js") };
}

/** The parts of one build keep together: they are asked for under the version that this module was. */
function sameBuild<T>(asset: T): T {
  if (asset instanceof URL && place.version() !== "") asset.search = place.version();
  return asset;
}

/** Keeps an engine for the next worker, should the first crash; but not that it could not be had. */
function once(from: () => URL | Promise<Blob>): Assets["engine"] {
  let loading: Promise<EngineMessage["engine"]> | null = null;
  return () => (loading ??= load(from()).catch((err: Error) => {
    loading = null;
    throw err;
  }));
}

/**
 * Compiles the engine while the worker starts. What that cannot do, for the server does not know the type of .wasm
 * files or is not there, is left to the worker, which says what is wrong.
 */
async function load(from: URL | Promise<Blob>): Promise<EngineMessage["engine"]> {
  return from instanceof URL ? WebAssembly.compileStreaming(fetch(from)).catch(() => from.href) : from;
}

/** Starts a worker and hands it the engine. */
export function startWorker({ worker: script, engine }: Assets): Worker {
  const worker = new Worker(ownOrigin(script), { name: "shoal" });
  engine().then(
    (engine) => worker.postMessage({ engine } satisfies EngineMessage),
    // As a worker says that it could not be loaded.
    (err: Error) => worker.dispatchEvent(new ErrorEvent("error", { message: "the engine could not be loaded: " + err.message })),
  );
  return worker;
}

/** An address that a worker may be started from: browsers take none of another origin. */
function ownOrigin(script: URL | string): URL | string {
  if (script instanceof URL && script.origin === location.origin) return script;
  const code = script instanceof URL ? `importScripts(${JSON.stringify(script.href)})` : script;
  // It stays: browsers differ in when they read it.
  return URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
}

/** The service worker, or null where none can serve this page. */
export async function registerServiceWorker(
  container: Pick<ServiceWorkerContainer, "register">,
  known: URL | null,
  { url, scope, registration }: ServiceWorkerOptions,
): Promise<ServiceWorkerRegistration | null> {
  let registered: ServiceWorkerRegistration;
  if (registration) registered = await registration;
  else {
    const script = url === undefined ? pickScript(known, scope) : new URL(url, document.baseURI);
    const within = scope === undefined ? new URL(".", script) : new URL(scope, document.baseURI);
    if (script.origin !== location.origin || !covers(within)) return null;
    registered = await container.register(script, { scope: within.pathname });
  }
  return covers(new URL(registered.scope)) ? registered : null;
}

/** The script that came with the module if it can serve the page, else the one that the site may have beside the page. */
function pickScript(known: URL | null, scope: string | undefined): URL {
  if (known?.origin === location.origin && (scope !== undefined || covers(new URL(".", known)))) return known;
  return new URL("shoal.sw.js", document.baseURI);
}

function covers(scope: URL): boolean {
  return location.href.startsWith(scope.href);
}
