import type { Priority } from "./protocol";

/** How much something is wanted: not at all (false), or as a number, which above 0 is before others and below 0 after them. */
export type Wanted = boolean | number;

/** What the engine calls it. */
export function priorityOf(wanted: Wanted): Priority {
  if (wanted === false) return 0;
  return wanted === true || !wanted ? 2 : wanted > 0 ? 3 : 1;
}
