// Where the rest of Shoal lies: beside this module. Each address is spelled out in
// full, the one form that bundlers find and rewrite.

export const worker = (): URL | string => new URL("./shoal.worker.js", import.meta.url);

export const engine = (): URL | Promise<Blob> => new URL("./shoal.wasm", import.meta.url);

export const serviceWorker = (): URL | null => new URL("./shoal.sw.js", import.meta.url);

/** What the build that this module is of is asked for by, "?v=..."; "" where it does not say. */
export const version = (): string => /\?v=[0-9a-f]+$/.exec(import.meta.url)?.[0] ?? "";
