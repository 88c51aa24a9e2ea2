/**
 * What someone may paste, drop into the address or hand to the API. `id` is the key
 * of the swarm; `hash` is the info hash as the engine takes it, 40 or 64 hex digits.
 */
export type Source =
  | { kind: "hash"; id: string; hash: string; trackers: string[] }
  | { kind: "magnet"; uri: string; id: string }
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

/** An info hash as 40 hex digits, of v1, or 64, of v2; null for what is none. Base32 and a multihash's prefix are understood. */
export function parseHash(text: string): string | null {
  const v2 = /^(?:1220)?([0-9a-f]{64})$/i.exec(text);
  if (v2) return v2[1]!.toLowerCase();
  if (/^[0-9a-f]{40}$/i.test(text)) return text.toLowerCase();
  if (/^[a-z2-7]{32}$/i.test(text)) return base32ToHex(text);
  return null;
}

/**
 * The swarm's key that a magnet link names: v1 if it has one, else the truncated v2
 * hash. Reads what package magnet of the engine reads, which has the last word.
 */
export function magnetKey(uri: string): string | null {
  let v1: string | null = null;
  let v2: string | null = null;
  for (const [key, value] of parameters(uri)) {
    const match = key === "xt" && /^urn:(btih|btmh):([0-9a-z]+)\s*(?:#|$)/i.exec(decode(value));
    if (!match) continue;
    const hash = parseHash(match[2]!);
    if (hash?.length === 64) v2 = hash.slice(0, 40);
    else if (match[1]!.toLowerCase() === "btih") v1 = hash ?? v1;
  }
  return v1 ?? v2;
}

/** The name that a magnet link gives its torrent, "" when it gives none. */
export function magnetName(uri: string): string {
  for (const [key, value] of parameters(uri)) {
    if (key === "dn" && value !== "") return decode(value.replace(/\+/g, " ")).replace(/\p{Cc}/gu, "");
  }
  return "";
}

/** The trackers that a magnet link names. */
export function magnetTrackers(uri: string): string[] {
  return parameters(uri).flatMap(([key, value]) => (key === "tr" ? decode(value) : []));
}

/** Whether a magnet link names trackers besides these, or web seeds. */
export function saysMore(uri: string, trackers: readonly string[]): boolean {
  return parameters(uri).some(([key, value]) => key === "ws" || (key === "tr" && !trackers.includes(decode(value))));
}

/** The parameters of a magnet link, keys without a number behind them, values not decoded. */
function parameters(uri: string): [key: string, value: string][] {
  return uri
    .slice(uri.indexOf("?") + 1)
    .split("&")
    .map((part) => {
      const [, key = "", value = ""] = /^(?:amp;)?([^=]*)=?(.*)$/s.exec(part)!;
      return [decode(key).toLowerCase().replace(/\.\d*$/, ""), value];
    });
}

/** Percent-decoding that bears percent signs which escape nothing, as names have them. */
function decode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    const bytes = run.slice(1).split("%").map((digits) => parseInt(digits, 16));
    return new TextDecoder().decode(new Uint8Array(bytes));
  });
}

const magnetScheme = /^magnet:\/*\?/i;

/** Understands a magnet link, an info hash (v1 or v2), a share link or the address of a .torrent. */
export function parseSource(text: string): Source {
  const input = text.trim().replace(/^<(.*)>$/, "$1");
  if (input === "") throw new SourceError("Paste a link first.");
  const hash = parseHash(input);
  if (hash) return { kind: "hash", id: hash.slice(0, 40), hash, trackers: [] };
  if (magnetScheme.test(input)) {
    const key = magnetKey(input);
    if (!key) throw new SourceError("This magnet link names no torrent. It may have been cut off when it was copied.");
    return { kind: "magnet", uri: input, id: key };
  }
  if (/^https?:\/\//i.test(input)) return parseAddress(input);
  if (/^[0-9a-f]{30,80}$/i.test(input)) {
    throw new SourceError(`An info hash has 40 or 64 characters; this one has ${input.length}. It may have been cut off when it was copied.`);
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
  // A magnet link has escapes of its own: only one that was encoded as a whole is decoded here.
  const link = parseHash(text) || magnetScheme.test(text) ? text : decode(text);
  if (!parseHash(link) && !magnetScheme.test(link)) return null;
  try {
    const source = parseSource(link);
    return source.kind === "url" ? null : source;
  } catch {
    return null;
  }
}
