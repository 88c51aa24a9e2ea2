import { safeName } from "../../src/names";
import type { Torrent } from "../../src/shoal";
import { h, icon, svg } from "./dom";
import { encodeQR, qrPath } from "./qr";

export interface ShareHost {
  toast(text: string): void;
  /** The link that opens the torrent in another browser. */
  link: string;
  /** The link names this machine and means nothing elsewhere. */
  local: boolean;
}

/** The link of a torrent in all the forms people pass on. */
export function shareCard(torrent: Torrent, host: ShareHost): HTMLElement {
  const field = h("input", { class: "link", readonly: true, value: host.link, "aria-label": "Share link", onfocus: () => field.select() });
  const copyLink = copyButton("Copy link", () => host.link, host, "button primary");
  const code = h("div", { class: "qr", hidden: !torrent.own, id: "qr" });
  const toggle = h("button", { class: "button", type: "button", "aria-expanded": torrent.own, "aria-controls": "qr" }, icon("qr"), "QR code");
  const draw = (): void => {
    if (!code.firstChild) code.append(qrPicture(host.link) ?? h("p", {}, "This link is too long for a QR code."));
  };
  if (torrent.own) draw();
  toggle.addEventListener("click", () => {
    draw();
    code.hidden = !code.hidden;
    toggle.setAttribute("aria-expanded", String(!code.hidden));
  });
  const passOn =
    typeof navigator.share === "function" &&
    matchMedia("(pointer: coarse)").matches &&
    h("button", { class: "button", type: "button", onclick: () => void navigator.share({ title: safeName(torrent.name), url: host.link }).catch(() => undefined) }, icon("share"), "Share…");
  const save = h("button", { class: "button quiet", type: "button", onclick: () => saveTorrent(torrent) }, icon("download"), ".torrent");
  return h(
    "section",
    { class: "card share", "aria-labelledby": "share-title" },
    h("h2", { id: "share-title" }, torrent.own ? "Send this link" : "Pass it on"),
    h("div", { class: "link-row" }, field, copyLink),
    host.local && h("p", { class: "quiet-line" }, "This address works on this computer only. Open this page by the computer's network address to get a link for other devices."),
    code,
    h("div", { class: "row" }, toggle, passOn, copyButton("Magnet", () => torrent.magnet, host, "button quiet", "magnet"), save),
  );
}

function copyButton(label: string, text: () => string, host: ShareHost, look: string, shape: "copy" | "magnet" = "copy"): HTMLButtonElement {
  const button = h("button", { class: look, type: "button" }, icon(shape), label);
  button.addEventListener("click", () => {
    void copy(text()).then((copied) => {
      host.toast(copied ? "Copied." : "The browser did not let this be copied. Select the link and copy it yourself.");
      if (!copied) return;
      button.replaceChildren(icon("check"), "Copied");
      setTimeout(() => button.replaceChildren(icon(shape), label), 2_000);
    });
  });
  return button;
}

/** Copies text; pages over plain http have only the older way. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "sr", readonly: true });
    area.value = text;
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return copied;
  }
}

function qrPicture(text: string): SVGSVGElement | null {
  const code = encodeQR(text);
  if (!code) return null;
  const size = code.size + 8;
  return svg(
    `<svg viewBox="0 0 ${size} ${size}" role="img" aria-label="QR code of the share link" shape-rendering="crispEdges">` +
      `<rect width="${size}" height="${size}" fill="#fff"/><path d="${qrPath(code)}" fill="#04222b"/></svg>`,
  );
}

function saveTorrent(torrent: Torrent): void {
  if (!torrent.torrentFile) return;
  saveBlob(new Blob([torrent.torrentFile as Uint8Array<ArrayBuffer>], { type: "application/x-bittorrent" }), torrent.name + ".torrent");
}

/** Hands a blob to the browser's downloads. */
export function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: safeName(name) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
