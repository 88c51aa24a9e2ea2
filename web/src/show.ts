import { ShoalError } from "./engine";
import type { ShoalFile } from "./file";

/** How `renderTo` and `appendTo` show a file. */
export interface ShowOptions {
  /** Default false. Browsers play by themselves only what is muted. */
  autoplay?: boolean;
  /** Default false. */
  muted?: boolean;
  /** Of film and sound. Default true. */
  controls?: boolean;
  /** A file that has to be held in memory to be shown is refused above so many bytes. Default 200 MB. */
  maxBlobLength?: number;
}

const tags: Partial<Record<ShoalFile["kind"], string>> = { video: "video", audio: "audio", image: "img", pdf: "iframe", text: "iframe" };

/** Shows a file in an element, or in a new one inside of it. Resolves to the element that shows it. */
export async function show(file: ShoalFile, where: Element | string, inside: boolean, options: ShowOptions): Promise<Element> {
  const tag = tags[file.kind];
  if (!tag) throw new ShoalError(`A browser cannot show "${file.name}".`);
  const place = typeof where === "string" ? document.querySelector(where) : where;
  if (!place) throw new ShoalError(`There is no element ${String(where)} on this page.`);
  const element = inside ? document.createElement(tag) : place;
  if (element.localName !== tag) throw new ShoalError(`"${file.name}" is shown by <${tag}>, not by <${element.localName}>.`);
  if (tag === "iframe") {
    const most = options.maxBlobLength ?? 200_000_000;
    if (file.length > most) throw new ShoalError(`"${file.name}" is larger than the ${most} bytes that may be held in memory.`);
    // What a stranger has written must run nothing here; a PDF is shown by the browser's own viewer.
    if (file.kind === "text") element.setAttribute("sandbox", "");
    (element as HTMLIFrameElement).src = await file.getBlobURL();
  } else {
    if (tag !== "img") {
      const media = element as HTMLMediaElement;
      media.controls = options.controls ?? true;
      media.autoplay = options.autoplay ?? false;
      media.muted = options.muted ?? false;
    } else {
      (element as HTMLImageElement).alt = file.name;
    }
    await file.streamTo(element as HTMLMediaElement | HTMLImageElement);
  }
  if (inside) place.append(element);
  return element;
}
