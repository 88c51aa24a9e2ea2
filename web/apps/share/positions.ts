// Where a film was left, so that it goes on there when it is opened again.

const key = "shoal.positions";
/** Films that are remembered; the one seen longest ago is forgotten first. */
const most = 200;
/** Seconds. What is shorter is seen from its beginning, and what was seen to the end too. */
const shortest = 120;
const beginning = 10;
const end = 20;

export type Store = Pick<Storage, "getItem" | "setItem">;

function read(store: Store): [string, number][] {
  try {
    const list: unknown = JSON.parse(store.getItem(key) ?? "[]");
    return Array.isArray(list) ? list.filter((item): item is [string, number] => Array.isArray(item) && typeof item[0] === "string" && typeof item[1] === "number") : [];
  } catch {
    return [];
  }
}

/** Remembers that a file of `duration` seconds was left `at` seconds. */
export function rememberPosition(store: Store, file: string, at: number, duration: number): void {
  const list = read(store).filter(([other]) => other !== file);
  if (duration >= shortest && at >= beginning && at <= duration - end) list.push([file, Math.floor(at)]);
  try {
    store.setItem(key, JSON.stringify(list.slice(-most)));
  } catch {
    // it begins at its beginning next time
  }
}

/** Where to go on, in seconds; 0 is the beginning. */
export function positionOf(store: Store, file: string): number {
  return read(store).find(([other]) => other === file)?.[1] ?? 0;
}
