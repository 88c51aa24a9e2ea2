import type { EngineEvent } from "./protocol";

interface Entry {
  method: string;
  args: Record<string, unknown>;
}

/** What was asked for a torrent. */
interface Kept {
  made: Entry;
  /** The last of each further call, by what it is about. */
  changes: Map<string, Entry>;
  done: boolean;
}

/**
 * What the page has asked the engine for, as far as it still holds, so that another engine
 * can be brought to where one was that crashed.
 */
export class Journal {
  #init: Entry | null = null;
  /** What holds for all torrents; each call may name some of it. */
  #limits: Entry | null = null;
  readonly #torrents = new Map<string, Kept>();

  /** Takes note of a call that has succeeded. */
  note(method: string, args: object, result: unknown): void {
    const entry: Entry = { method, args: args as Record<string, unknown> };
    const id = entry.args.id as string;
    switch (method) {
      case "init":
        this.#init = entry;
        return;
      case "limits":
        this.#limits = { method, args: { ...this.#limits?.args, ...args } };
        return;
      case "add":
      case "seed": {
        const made = (result as { id: string }).id;
        if (!this.#torrents.has(made)) this.#torrents.set(made, { made: entry, changes: new Map(), done: false });
        return;
      }
      case "remove":
        this.#torrents.delete(id);
        return;
      case "select": {
        const kept = this.#torrents.get(id);
        if (!kept) return;
        kept.changes.set(method + String(entry.args.file), entry);
        kept.done = false; // it may have more to fetch
      }
    }
  }

  /** Takes note of an event; false: the page knows already. */
  seen(event: EngineEvent): boolean {
    const kept = "id" in event && event.id !== undefined ? this.#torrents.get(event.id) : undefined;
    if (!kept) return true;
    const { made } = kept;
    if (event.type === "metadata" && made.method === "add" && typeof made.args.source === "string" && event.torrent.length > 0) {
      // The next engine need not fetch it again. Of a hybrid's the piece layers are missing.
      kept.made = { method: "add", args: { ...made.args, source: event.torrent, link: made.args.link || made.args.source } };
    }
    if (event.type !== "done") return true;
    const fresh = !kept.done;
    kept.done = true;
    return fresh;
  }

  /** The calls that bring an engine here, in their order. */
  calls(): Entry[] {
    const list = [this.#init, this.#limits].filter((entry) => entry !== null);
    for (const { made, changes } of this.#torrents.values()) list.push(made, ...changes.values());
    return list;
  }
}
