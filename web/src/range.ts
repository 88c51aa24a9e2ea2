/** A span of bytes, end exclusive. */
export interface Span {
  start: number;
  end: number;
}

/**
 * Reads a Range header (RFC 9110, section 14.2) against a body of `length` bytes.
 * null means the whole body: no header, another unit, several ranges or bad
 * syntax, all of which a server may ignore. "unsatisfiable" asks for a 416.
 */
export function parseRange(header: string | null, length: number): Span | null | "unsatisfiable" {
  const match = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? "");
  if (!match) return null;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return null;
  if (first === "") {
    const suffix = Number(last);
    if (suffix === 0 || length === 0) return "unsatisfiable";
    return { start: Math.max(0, length - suffix), end: length };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return null;
  if (start >= length) return "unsatisfiable";
  return { start, end: last === "" ? length : Math.min(length, Number(last) + 1) };
}
