import type { Call, Calls, EngineEvent } from "./protocol";

/** What was asked for a torrent. */
interface Kept {
  made: Call;
  /** The last of each further call, by what it is about, in their order. */
  changes: Map<string, Call>;
  done: boolean;
}

/**
 * What the page has asked the engine for, as far as it still holds, so that another engine
 * can be brought to where one was that crashed.
 */
export class Journal {
  /** What is not about a torrent, by method: "init" first. */
  readonly #session = new Map<string, Call>();
  readonly #torrents = new Map<string, Kept>();

  /** Takes note of a call that has succeeded. */
  note(call: Call, result: unknown): void {
    switch (call.method) {
      case "init":
      case "limits": // each of which may name some of them
        this.#session.set(call.method, { method: call.method, args: { ...this.#session.get(call.method)?.args, ...call.args } } as Call);
        return;
      case "add":
      case "seed": {
        const made = (result as { id: string }).id;
        if (!this.#torrents.has(made)) this.#torrents.set(made, { made: call, changes: new Map(), done: false });
        return;
      }
      case "remove":
        this.#torrents.delete(call.args.id);
        return;
    }
    const about = aboutOf(call);
    const kept = about === null ? undefined : this.#torrents.get((call.args as { id: string }).id);
    if (!kept || about === null) return;
    if (call.method === "select" || call.method === "pieces") kept.done = false; // it may have more to fetch
    if (call.method === "pieces") forgetCovered(kept.changes, call.args);
    kept.changes.delete(about); // the last word comes last
    kept.changes.set(about, call);
  }

  /** Takes note of an event; false: the page knows already. */
  seen(event: EngineEvent): boolean {
    const kept = "id" in event && event.id !== undefined ? this.#torrents.get(event.id) : undefined;
    if (!kept) return true;
    const { made } = kept;
    if (event.type === "metadata" && made.method === "add" && typeof made.args.source === "string" && event.torrent) {
      // The next engine need not fetch it again. Of a hybrid's the piece layers are missing.
      kept.made = { method: "add", args: { ...made.args, source: event.torrent, link: made.args.link || made.args.source } };
    }
    if (event.type !== "done") return true;
    const fresh = !kept.done;
    kept.done = true;
    return fresh;
  }

  /** The calls that bring an engine here, in their order. */
  calls(): Call[] {
    const list = [...this.#session.values()];
    for (const { made, changes } of this.#torrents.values()) list.push(made, ...changes.values());
    return list;
  }
}

/** What a call changes about its torrent, null for one that leaves nothing behind. */
function aboutOf({ method, args }: Call): string | null {
  switch (method) {
    case "select":
      return method + args.file;
    case "pieces":
      return method + args.first + "-" + args.last;
    case "webSeed":
      return method + args.url;
    case "pause":
    case "watch":
      return method;
  }
  return null;
}

/** Drops what was said of pieces of which something else is said now, so that a window that moves on does not fill the journal. */
function forgetCovered(changes: Map<string, Call>, { first, last }: Calls["pieces"]["args"]): void {
  for (const [about, { method, args }] of changes) {
    if (method === "pieces" && args.first >= first && args.last <= last) changes.delete(about);
  }
}
