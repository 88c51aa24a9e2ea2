const units = ["B", "kB", "MB", "GB", "TB", "PB"];

/** "1.2 MB": decimal units, two or three significant digits. */
export function bytes(count: number): string {
  return scaled(count).replace(/\.0\b/, "");
}

/** "4.0 MB/s"; the digits do not come and go while it changes. */
export function speed(bytesPerSecond: number): string {
  return scaled(bytesPerSecond) + "/s";
}

function scaled(count: number): string {
  let unit = 0;
  let value = Math.max(0, count);
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return value.toFixed(digits) + "\u00a0" + units[unit];
}

/** "42%"; never 100 before it is complete. */
export function percent(share: number): string {
  return (share >= 1 ? 100 : Math.min(99, Math.floor(share * 100))) + "%";
}

/** "2 min left" and the like; "" when there is no telling. */
export function timeLeft(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds > 7 * 86_400) return "";
  if (seconds < 10) return "a few seconds left";
  if (seconds < 90) return `${Math.round(seconds)} s left`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min left`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h left`;
  return `${Math.round(seconds / 86_400)} days left`;
}

export function plural(count: number, one: string, many = one + "s"): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
