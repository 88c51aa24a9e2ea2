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
 * looked at again, or it comes out of the browser's cache. `moved` says that it may be
 * another network. Returns what ends it.
 */
export function onWake(wake: (moved: boolean) => void, sources: WakeSources = { window, document, now: () => performance.now() }): () => void {
  let last = -Infinity;
  const woken = (moved: boolean): void => {
    if (!moved && sources.now() - last < quiet) return;
    last = sources.now();
    wake(moved);
  };
  const online = (): void => woken(true);
  const back = (): void => woken(false);
  const shown = (): void => {
    if (sources.document.visibilityState === "visible") back();
  };
  sources.window.addEventListener("online", online);
  sources.window.addEventListener("pageshow", back);
  sources.document.addEventListener("visibilitychange", shown);
  return () => {
    sources.window.removeEventListener("online", online);
    sources.window.removeEventListener("pageshow", back);
    sources.document.removeEventListener("visibilitychange", shown);
  };
}
