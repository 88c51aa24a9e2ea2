// The worker's count of what goes over the network, kept over visits: one
// engine counts, so nothing is counted twice however many tabs share it.

/** Payload bytes. */
export interface Sums {
  fromPeers: number;
  fromWebSeeds: number;
  toPeers: number;
}

/** What has passed, of the engine's session, of this calendar month (UTC) and since this browser keeps count. */
export interface Totals {
  session: Sums;
  /** "2026-11"; month and ever are of all visits and tabs. */
  key: string;
  month: Sums;
  ever: Sums;
}

/** Where the sums lie that outlive a visit. */
export interface TallyStore {
  /** Adds to a month and to what is summed up of all, and returns both. */
  add(key: string, more: Sums): Promise<{ month: Sums; ever: Sums }>;
}

export const noSums: Sums = { fromPeers: 0, fromWebSeeds: 0, toPeers: 0 };

/** How long bytes may be counted here alone, in milliseconds: so much is lost when the tab dies. */
const saveWithin = 2_000;

export const plus = (a: Sums, b: Sums, sign = 1): Sums => ({
  fromPeers: a.fromPeers + sign * b.fromPeers,
  fromWebSeeds: a.fromWebSeeds + sign * b.fromWebSeeds,
  toPeers: a.toPeers + sign * b.toPeers,
});

/** The calendar month, in UTC. */
export const monthOf = (time: number): string => new Date(time).toISOString().slice(0, 7);

export class Tally {
  readonly #store: TallyStore;
  readonly #tell: (totals: Totals) => void;
  #session = noSums;
  /** How much of the session has been given to the store. */
  #given = noSums;
  #kept = { month: noSums, ever: noSums };
  #key = monthOf(Date.now());
  #planned = false;

  /** `tell` is called with every change. */
  constructor(store: TallyStore, tell: (totals: Totals) => void) {
    this.#store = store;
    this.#tell = tell;
    void this.save();
  }

  /** Takes the sums of the session so far. */
  take(session: Sums): void {
    this.#session = session;
    this.#say();
    if (this.#planned) return;
    this.#planned = true;
    setTimeout(() => void this.save(), saveWithin);
  }

  /** Gives the store what it lacks. */
  async save(): Promise<void> {
    this.#planned = false;
    const key = monthOf(Date.now());
    const more = plus(this.#session, this.#given, -1);
    this.#given = this.#session;
    try {
      this.#kept = await this.#store.add(key, more);
    } catch {
      // Private windows of some browsers keep nothing: then this visit is all there is.
      this.#kept = { month: plus(key === this.#key ? this.#kept.month : noSums, more), ever: plus(this.#kept.ever, more) };
    }
    this.#key = key;
    this.#say();
  }

  #say(): void {
    const unsaved = plus(this.#session, this.#given, -1);
    this.#tell({
      session: this.#session,
      key: this.#key,
      month: plus(this.#kept.month, unsaved),
      ever: plus(this.#kept.ever, unsaved),
    });
  }
}

/** The sums in IndexedDB: its transactions are one after the other, over all tabs of an origin. */
export function tallyStore(): TallyStore {
  let opened: Promise<IDBDatabase> | undefined;
  const open = (): Promise<IDBDatabase> =>
    new Promise((resolve, reject) => {
      const request = indexedDB.open("shoal-tally", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("sums");
      request.onsuccess = () => resolve(request.result);
      request.onerror = request.onblocked = () => reject(request.error);
    });
  return {
    async add(key, more) {
      const db = await (opened ??= open());
      return new Promise((resolve, reject) => {
        const change = db.transaction("sums", "readwrite");
        const sums = change.objectStore("sums");
        const result = { month: noSums, ever: noSums };
        const grow = (name: "month" | "ever", at: string): void => {
          const got = sums.get(at);
          got.onsuccess = () => {
            result[name] = plus((got.result as Sums | undefined) ?? noSums, more);
            sums.put(result[name], at);
          };
        };
        grow("month", key);
        grow("ever", "ever");
        change.oncomplete = () => resolve(result);
        change.onerror = change.onabort = () => reject(change.error);
      });
    },
  };
}
