// The page's half of what ../../src/shell.ts does in the service worker.

import { shellLock, swProtocol, type KeepMessage } from "../../src/protocol";

const never = new Promise<never>(() => undefined);

/**
 * Has this version of the page kept for as long as it is open, and from `ready` on, when
 * nothing that the visitor waits for is on its way, the newest one for later.
 */
export function holdShell(ready: Promise<unknown>): void {
  const { version } = document.documentElement.dataset;
  const container = (navigator as { serviceWorker?: ServiceWorkerContainer }).serviceWorker;
  if (!version || !container) return;
  void navigator.locks?.request(shellLock(version), { mode: "shared" }, () => never).catch(() => undefined);
  const keep = (): void => {
    const message: KeepMessage = { shoalKeep: true, protocol: swProtocol };
    container.controller?.postMessage(message);
  };
  void ready
    .then(async () => {
      keep();
      container.addEventListener("controllerchange", keep);
      // A browser looks for a newer one by itself only once this one has been idle.
      await (await container.getRegistration())?.update();
    })
    .catch(() => undefined); // the server is away
}
