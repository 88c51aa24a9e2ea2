import { bytes } from "../../src/format";

/** Where this version of the page has its engine. */
const engineURL = (): URL => new URL("shoal.wasm?v=" + document.documentElement.dataset.version, document.baseURI);

/** How long the engine may take before it is said how far it has come. */
const patience = 700;

/** Follows the engine on its way here, on a line that is slow; returns what ends it. */
export function followEngine(say: (text: string, share: number) => void): () => void {
  const stop = new AbortController();
  const size = Number(document.documentElement.dataset.engine);
  const timer = setTimeout(() => {
    if (size > 0) void follow(size, say, stop.signal).catch(() => undefined);
  }, patience);
  return () => {
    clearTimeout(timer);
    stop.abort();
  };
}

/**
 * Reads along with the worker, which fetches the engine: it is one download, as the browser keeps
 * what comes. `size` is the engine's without compression.
 */
async function follow(size: number, say: (text: string, share: number) => void, signal: AbortSignal): Promise<void> {
  const response = await fetch(engineURL(), { signal });
  const total = Number(response.headers.get("Content-Length")) || size;
  const reader = response.body!.getReader();
  for (let read = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return say("Starting…", 1);
    read += value.length;
    const share = Math.min(1, read / size);
    say(`Getting ready: ${bytes(share * total)} of ${bytes(total)}`, share);
  }
}
