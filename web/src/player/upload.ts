import type { Options, Shoal } from "../shoal";

/** Lets the page's client send to others, or not. */
export function setUpload(shoal: Shoal, on: boolean): void {
  shoal.manners.set({ upload: on });
}

/** Whether the client sends to others, as far as the page is concerned. */
export function uploads(shoal: Shoal): boolean {
  return shoal.manners.settings.upload;
}

/**
 * The options of a client whose visitor does not want to help: it downloads from peers and
 * sends nothing, or, if it is to be `alone`, has web seeds only and connects to nobody.
 */
export function refusing(options: Options, alone: boolean): Options {
  return { ...options, manners: { ...options.manners, upload: false }, ...(alone ? { peers: false } : {}) };
}
