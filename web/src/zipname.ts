// How an address names several files of a torrent, which come as one archive.

/** File indices as an address has them: "zip0-3,7". They must be in order. */
export function zipName(indices: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const index of indices) {
    const last = runs.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else runs.push([index, index]);
  }
  return "zip" + runs.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join();
}

/** Which of the files that exist an address names; null where it names none, or does not say so in order. */
export function zipFiles<T extends { index: number }>(name: string, files: readonly T[]): T[] | null {
  if (!/^zip\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*$/.test(name)) return null;
  const runs = name.slice(3).split(",").map((run) => run.split("-").map(Number));
  let at = 0;
  // One walk over both: neither may be repeated to make much of little.
  const chosen = files.filter(({ index }) => {
    while (at < runs.length && index > runs[at]!.at(-1)!) at++;
    return at < runs.length && index >= runs[at]![0]!;
  });
  return chosen.length > 0 ? chosen : null;
}
