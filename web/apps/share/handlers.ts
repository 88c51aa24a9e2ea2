// What the system hands to the page: links of a kind that it was registered for, what is
// shared with it, and files that are opened with it.

/** Files that the system opens with an installed page; TypeScript's DOM does not know it yet. */
interface Launched {
  launchQueue?: { setConsumer(take: (launch: { files: readonly FileSystemFileHandle[] }) => void): void };
}

/** The link in what another program shared, which puts it into any of the three fields; "" for none. */
export function sharedLink(search: string): string {
  const given = new URLSearchParams(search);
  for (const field of ["url", "text", "title"]) {
    const link = /magnet:\?\S+|https?:\/\/\S+|\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b/i.exec(given.get(field) ?? "");
    if (link) return link[0];
  }
  return "";
}

/** Calls `open` with each .torrent that the system opens with this page. */
export function onLaunch(open: (file: Blob) => void): void {
  (window as Launched).launchQueue?.setConsumer(({ files }) => {
    if (files[0]) void files[0].getFile().then(open, () => undefined);
  });
}

/** Offers this page for magnet links, if the browser has such a thing; the browser asks the user. */
export const takesMagnets = (): boolean => window.isSecureContext && typeof navigator.registerProtocolHandler === "function";

export function takeMagnets(): void {
  navigator.registerProtocolHandler("magnet", new URL("#%s", location.href.replace(/[?#].*/, "")).href);
}
