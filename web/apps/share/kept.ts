import { safeName } from "../../src/names";
import type { KeptTorrent, Shoal, Torrent } from "../../src/shoal";
import { h, icon } from "./dom";
import { bytes } from "../../src/format";

/** What this browser keeps of torrents that are not open here, each with its size and a way to remove it. */
export async function keptList(shoal: Shoal): Promise<HTMLElement | null> {
  const list = (await shoal.kept()).filter((kept) => !kept.open).sort((a, b) => b.used - a.used);
  if (list.length === 0) return null;
  const entries = h("ul");
  const section = h("section", { class: "group kept" }, h("h2", {}, "Kept in this browser"), entries);
  for (const kept of list) {
    const element = entry(kept, async () => {
      await shoal.forget(kept.id);
      element.remove();
      if (entries.childElementCount === 0) section.remove();
    });
    entries.append(element);
  }
  return section;
}

function entry(kept: KeptTorrent, forget: () => Promise<void>): HTMLElement {
  const detail = h("span", { class: "entry-detail" }, kept.stored < kept.length ? `${bytes(kept.stored)} of ${bytes(kept.length)}` : bytes(kept.stored) + " · complete");
  const title = safeName(kept.name) || kept.id;
  const name = h("span", { class: "entry-name", dir: "auto" }, title);
  const remove = h("button", { class: "button quiet", type: "button", "aria-label": `Remove ${title}` }, icon("close"), "Remove");
  remove.addEventListener("click", () => {
    remove.disabled = true;
    forget().catch((err: Error) => {
      remove.disabled = false;
      detail.textContent = err.message;
    });
  });
  return h("li", { class: "row" }, h("a", { class: "entry", href: "#" + kept.id }, name, detail), remove);
}

/** Says that a torrent has no room, with a way to try again and one to make some; hidden while it has. */
export function roomNote(torrent: Torrent): { element: HTMLElement; off: () => void } {
  const text = h("span");
  const retry = h("button", { class: "button", type: "button" }, "Retry");
  const free = h("a", { class: "button", href: "#" }, "Free space");
  const element = h("div", { class: "alert room", role: "alert", hidden: true }, icon("warning"), text, retry, free);
  const update = (): void => {
    const { storage } = torrent;
    element.hidden = !storage?.full;
    text.textContent = storage?.message ?? "";
    free.hidden = storage?.kind !== "opfs";
  };
  retry.addEventListener("click", () => {
    retry.disabled = true;
    torrent
      .retry()
      .catch((err: Error) => (text.textContent = err.message))
      .finally(() => (retry.disabled = false));
  });
  update();
  return { element, off: torrent.on("storage", update) };
}
