import type { Priority } from "./protocol";

/** How much something is wanted: not at all (false), or as a number, which above 0 is before others and below 0 after them. */
export type Wanted = boolean | number;

/** What the engine calls it. */
export function priorityOf(wanted: Wanted): Priority {
  if (wanted === false) return "skip";
  const level = Number(wanted === true ? 0 : wanted);
  return level > 0 ? "high" : level < 0 ? "low" : "normal";
}
