/** What someone may paste, drop into the address or hand to the API. */
export type Source =
  | { kind: "hash"; id: string; trackers: string[] }
  | { kind: "magnet"; uri: string; id: string | null }
  | { kind: "url"; url: string };

/** The text is none of the things that name a torrent; the message is for people. */
export class SourceError extends Error {
  override name = "SourceError";
}

const base32 = "abcdefghijklmnopqrstuvwxyz234567";

function base32ToHex(text: string): string {
  let hex = "";
  let bits = 0;
  let held = 0;
  for (const letter of text.toLowerCase()) {
    bits = (bits << 5) | base32.indexOf(letter);
    held += 5;
    while (held >= 4) {
      held -= 4;
      hex += ((bits >> held) & 15).toString(16);
    }
    bits &= (1 << held) - 1;
  }
  return hex;
}

/** The 40 hex digits of a v1 info hash in hex or base32, or null. */
export function parseHash(text: string): string | null {
  if (/^[0-9a-f]{40}$/i.test(text)) return text.toLowerCase();
  if (/^[a-z2-7]{32}$/i.test(text)) return base32ToHex(text);
  return null;
}

/** The swarm's key that a magnet link names: v1 if it has one, else the truncated v2 hash. */
export function magnetKey(uri: string): string | null {
  let v2: string | null = null;
  for (const part of uri.slice(uri.indexOf("?") + 1).split("&")) {
    const match = /^xt(?:\.\d+)?=urn:(btih|btmh):([0-9a-z]+)$/i.exec(decode(part));
    if (!match) continue;
    const [, kind = "", value = ""] = match;
    if (kind.toLowerCase() === "btih") {
      const id = parseHash(value);
      if (id) return id;
    } else if (/^1220[0-9a-f]{64}$/i.test(value)) {
      v2 ??= value.slice(4, 44).toLowerCase();
    }
  }
  return v2;
}

/** The name that a magnet link gives its torrent, "" when it gives none. */
export function magnetName(uri: string): string {
  const part = uri.split(/[?&]/).find((part) => /^dn=/i.test(part)) ?? "";
  return decode(part.slice(3).replace(/\+/g, " "));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Understands a magnet link, an info hash (v1 or v2), a share link or the address of a .torrent. */
export function parseSource(text: string): Source {
  const input = text.trim().replace(/^<(.*)>$/, "$1");
  if (input === "") throw new SourceError("Paste a link first.");
  const id = parseHash(input);
  if (id) return { kind: "hash", id, trackers: [] };
  if (/^(1220)?[0-9a-f]{64}$/i.test(input)) {
    return parseSource("magnet:?xt=urn:btmh:1220" + input.slice(-64).toLowerCase());
  }
  if (/^magnet:\?/i.test(input)) {
    const key = magnetKey(input);
    if (!key) throw new SourceError("This magnet link names no torrent. It may have been cut off when it was copied.");
    return { kind: "magnet", uri: input, id: key };
  }
  if (/^https?:\/\//i.test(input)) return parseAddress(input);
  if (/^[0-9a-f]{30,80}$/i.test(input)) {
    throw new SourceError(`An info hash has 40 characters; this one has ${input.length}. It may have been cut off when it was copied.`);
  }
  throw new SourceError("This is not a link that Shoal can open. Paste a share link, a magnet link, an info hash or the address of a .torrent file.");
}

function parseAddress(input: string): Source {
  let url: URL;
  try {
    url = new URL(input);
  } catch {
    throw new SourceError("This address is not complete. It may have been cut off when it was copied.");
  }
  const fragment = parseFragment(url.hash);
  if (!fragment) return { kind: "url", url: url.href };
  if (fragment.kind === "hash") {
    // The node behind a share link runs the tracker of what it shares.
    fragment.trackers.push((url.protocol === "https:" ? "wss://" : "ws://") + url.host + "/announce");
  }
  return fragment;
}

/** What the part of an address after # names: an info hash or a magnet link, else null. */
export function parseFragment(fragment: string): (Source & { kind: "hash" | "magnet" }) | null {
  const text = fragment.replace(/^#/, "");
  for (const candidate of [text, decode(text)]) {
    if (!parseHash(candidate) && !/^magnet:\?/i.test(candidate)) continue;
    try {
      const source = parseSource(candidate);
      if (source.kind !== "url") return source;
    } catch {
      return null;
    }
  }
  return null;
}
