// The rest of Shoal in the module itself, for bundlers that move no files: the worker as text,
// the engine in a chunk of its own that is loaded when it is needed.

import code from "shoal:worker";

/** The text of the worker's script. */
export const worker = (): string => code;

export async function engine(): Promise<Blob> {
  const { default: packed } = await import("./shoal.engine.js");
  const bytes = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream, { headers: { "Content-Type": "application/wasm" } }).blob();
}

/** A service worker has to be a file of the site. */
export const serviceWorker = (): null => null;

/** All parts are in here. */
export const version = (): string => "";
