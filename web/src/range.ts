/** A span of bytes, end exclusive. */
export interface Span {
  start: number;
  end: number;
}

/**
 * Reads a Range header (RFC 9110, section 14.2) against a body of `length` bytes, by
 * the rules of a node (internal/httpfile). null means the whole body: no header,
 * another unit, bad syntax, an empty file or several ranges that can be given, all of
 * which a server may ignore. "unsatisfiable" asks for a 416.
 */
export function parseRange(header: string | null, length: number): Span | null | "unsatisfiable" {
  const set = /^\s*bytes\s*=(.*)$/i.exec(header ?? "")?.[1];
  if (set === undefined || length === 0) return null;
  let specs = 0;
  const given: Span[] = [];
  for (const spec of set.split(",")) {
    if (spec.trim() === "") continue;
    specs++;
    const span = parseSpec(spec, length);
    if (!span) return null;
    if (span.start < span.end) given.push(span);
  }
  if (specs === 0 || given.length > 1) return null;
  return given[0] ?? "unsatisfiable";
}

/** The bytes that a range-spec means, none where it is not satisfiable; null for bad syntax. */
function parseSpec(spec: string, length: number): Span | null {
  const [, first = "", last = ""] = /^\s*(\d*)\s*-\s*(\d*)\s*$/.exec(spec) ?? [];
  if (first === "" && last === "") return null;
  if (first === "") return { start: Math.max(0, length - Number(last)), end: length };
  if (last !== "" && Number(last) < Number(first)) return null;
  return { start: Math.min(Number(first), length), end: last === "" ? length : Math.min(length, Number(last) + 1) };
}
