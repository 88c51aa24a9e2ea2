import { kindOf } from "../../src/mime";
import { safeName } from "../../src/names";
import { h } from "./dom";
import type { Node, NodeFile } from "./node";
import { Viewer, type Shown } from "./viewer";

/** How long the engine may take before a film is played without it, in milliseconds. */
const patience = 600;

/**
 * Plays a film from the node while the engine is still on its way, which on a slow line is
 * many times what the first picture takes.
 */
export class Preview {
  /** It is showing a film. */
  viewer: Viewer | null = null;
  readonly #timer: ReturnType<typeof setTimeout>;
  #over = false;

  /** `show` is given what there is to see, if it comes to that. */
  constructor(node: Node, id: string, announce: (text: string) => void, show: (element: HTMLElement) => void) {
    this.#timer = setTimeout(() => void this.#begin(node, id, announce, show), patience);
  }

  /** The engine is there: nothing begins any more, and what plays is handed on. */
  end(): Viewer | null {
    this.#over = true;
    clearTimeout(this.#timer);
    return this.viewer;
  }

  async #begin(node: Node, id: string, announce: (text: string) => void, show: (element: HTMLElement) => void): Promise<void> {
    const content = await node.content(id);
    const film = content && firstOf(content.files);
    if (this.#over || !film) return;
    const files = content.files.map((file) => shown(node, id, file));
    this.viewer = new Viewer({
      node,
      torrent: { id, name: content.name, own: false, stats: { peers: 0, downloaded: 0 }, files },
      streaming: Promise.resolve(false),
      announce,
      download: (file) => h("a", { href: node.streamURL({ id }, file)!, download: safeName(file.name) }).click(),
      ended: () => undefined,
    });
    show(h("div", { class: "preview" }, h("h1", { dir: "auto" }, safeName(content.name)), this.viewer.element));
    void this.viewer.show(files[content.files.indexOf(film)]!, true);
  }
}

/** What a link plays by itself: the largest film, else the first sound. */
function firstOf(files: NodeFile[]): NodeFile | undefined {
  const films = files.filter(({ path }) => kindOf(path) === "video").sort((a, b) => b.length - a.length);
  return films[0] ?? files.find(({ path }) => kindOf(path) === "audio");
}

function shown(node: Node, id: string, { index, path, length }: NodeFile): Shown {
  const get = (): Promise<Response> => fetch(node.streamURL({ id }, { path })!);
  return {
    index,
    path,
    length,
    name: path.split("/").at(-1)!,
    kind: kindOf(path),
    streamURL: null,
    blob: () => get().then((response) => response.blob()),
    stream: () => {
      const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
      void get().then((response) => response.body!.pipeTo(writable)).catch(() => undefined);
      return readable;
    },
  };
}
