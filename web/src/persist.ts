/** Less than this is fetched again sooner than somebody has answered a question, in bytes. */
const worthKeeping = 100 << 20;

let asked = false;

/**
 * Asks the browser, once, not to clear what this site keeps when room is short, if it is
 * enough to matter. Some browsers ask the user.
 */
export function keepFor(bytes: number, storage: Pick<StorageManager, "persist" | "persisted"> | undefined = navigator.storage): void {
  if (asked || bytes < worthKeeping || !storage?.persist) return;
  asked = true;
  void storage
    .persisted()
    .then((is) => is || storage.persist())
    .catch(() => false);
}
