// How tabs find the one that runs the engine: the service worker passes their notes on, for
// nothing else that a page has carries a port to another. It keeps nothing, as it may be
// stopped at any time.

/** A note between tabs: page to service worker, and on from there to every page or to one. */
export interface NoteMessage {
  shoalNote: {
    /** "seek": who runs the engine? "lead": I do, from now on. "port": here is a way to it. */
    say: "seek" | "lead" | "port";
    /** Of the engine. */
    name: string;
    /** The tab that speaks; of "port", the tab that it is for. */
    tab: string;
    /** The client that it is for; else all. */
    to?: string;
    /** The client that it comes from, as the service worker sees it. */
    from?: string;
  };
}

/** What is used of the service worker's event. */
interface NoteEvent {
  data: unknown;
  source: object | null;
  ports: readonly MessagePort[];
}

interface Clients {
  get(id: string): Promise<Recipient | undefined>;
  matchAll(options: { type: "window"; includeUncontrolled: true }): Promise<readonly Recipient[]>;
}

interface Recipient {
  postMessage(message: unknown, transfer: Transferable[]): void;
}

/** Passes a note on, in the service worker; null if the message is none. */
export function passOn({ data, source, ports }: NoteEvent, clients: Clients): Promise<void> | null {
  const note = (data as Partial<NoteMessage> | null)?.shoalNote;
  if (!note) return null;
  const message: NoteMessage = { shoalNote: { ...note, from: (source as { id?: string } | null)?.id ?? "" } };
  return (async () => {
    if (note.to !== undefined) return (await clients.get(note.to))?.postMessage(message, [...ports]);
    for (const client of await clients.matchAll({ type: "window", includeUncontrolled: true })) client.postMessage(message, []);
  })();
}
