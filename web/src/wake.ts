/** How long after a wake the next one is left out: the events come in twos and threes. */
const quiet = 1_000;

/** What of a window and its document `onWake` listens to. */
export interface WakeSources {
  window: Pick<EventTarget, "addEventListener" | "removeEventListener">;
  document: Pick<EventTarget, "addEventListener" | "removeEventListener"> & { readonly visibilityState: string };
  now(): number;
}

/**
 * Calls `wake` when the network may be back: the browser is online again, the page is
 * looked at again, or it comes out of the browser's cache. Returns what ends it.
 */
export function onWake(wake: () => void, sources: WakeSources = { window, document, now: () => performance.now() }): () => void {
  let last = -Infinity;
  const woken = (): void => {
    if (sources.now() - last < quiet) return;
    last = sources.now();
    wake();
  };
  const shown = (): void => {
    if (sources.document.visibilityState === "visible") woken();
  };
  sources.window.addEventListener("online", woken);
  sources.window.addEventListener("pageshow", woken);
  sources.document.addEventListener("visibilitychange", shown);
  return () => {
    sources.window.removeEventListener("online", woken);
    sources.window.removeEventListener("pageshow", woken);
    sources.document.removeEventListener("visibilitychange", shown);
  };
}
