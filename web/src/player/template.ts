import { icon, type Icon } from "./icons";
import { words } from "./words";

type Word = keyof typeof words;

const label = (word: Word): string => `data-label="${word}"`;
const button = (part: string, shape: Icon, word: Word, more = ""): string => `<button part="${part}" type="button" ${label(word)} ${more}>${icon(shape)}</button>`;

/** The player's shadow tree. */
export const template =
  `<div class="stage"><video part="media" playsinline></video>` +
  `<div part="cover" role="group" ${label("player")}>${button("start", "play", "play")}<span part="spinner"></span><p part="message" role="status"></p><button part="retry" type="button" data-text="retry"></button></div>` +
  `<div part="controls" role="group" ${label("controls")}>` +
  `<div class="bar"><canvas part="parts" width="1000" height="1" aria-hidden="true"></canvas><input part="seek" type="range" min="0" max="0" step="any" value="0" ${label("seek")}></div>` +
  `<div class="row">${button("play", "play", "play")}<span part="time"></span><span part="swarm"></span>` +
  button("upload", "upload", "upload", 'role="switch" hidden') +
  `<select part="subtitles" ${label("subtitles")} hidden></select>` +
  button("mute", "sound", "mute") +
  `<input part="volume" type="range" min="0" max="1" step="0.05" ${label("volume")}>` +
  button("pip", "pip", "pip", "hidden") +
  button("fullscreen", "full", "fullscreen") +
  `</div></div></div>`;

/** Finds an element of the shadow tree by its part. */
export function finder(root: ShadowRoot): <E extends HTMLElement>(part: string) => E {
  return (part) => root.querySelector(`[part~=${part}]`)!;
}

/**
 * Puts the words in: once the script that imports this has run, which may have put others
 * into `words`.
 */
export function fill(root: ShadowRoot): void {
  queueMicrotask(() => {
    for (const element of root.querySelectorAll<HTMLElement>("[data-label]")) {
      const text = words[element.dataset.label as Word];
      element.ariaLabel = text;
      if (element.role !== "group") element.title = text;
    }
    for (const element of root.querySelectorAll<HTMLElement>("[data-text]")) element.textContent = words[element.dataset.text as Word];
  });
}

/** Gives a button another shape and label, if it has not got them. */
export function relabel(element: HTMLElement, shape: Icon, word: Word): void {
  if (element.ariaLabel === words[word]) return;
  element.ariaLabel = element.title = words[word];
  element.innerHTML = icon(shape);
}
