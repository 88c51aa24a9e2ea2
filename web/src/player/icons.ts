// Drawn on a square of 24; what is open is a line.
const shapes = {
  play: "M8 5.500v13l10.500-6.500z",
  pause: "M8.500 6v12M15.500 6v12",
  sound: "M4 9.500h3.500L12 5.500v13l-4.500-4H4zM15.500 9a4.200 4.200 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11",
  muted: "M4 9.500h3.500L12 5.500v13l-4.500-4H4zM16 9.500l5 5m0-5-5 5",
  pip: "M3.500 5.500h17v13h-17zM12 12h5.500v3.500H12z",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  small: "M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5",
  upload: "M12 15.500V4M7.500 8.500 12 4l4.500 4.500M5 19.500h14",
};

export type Icon = keyof typeof shapes;

/** The icon's markup; assistive technology does not see it. */
export function icon(name: Icon): string {
  return `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${shapes[name]}"/></svg>`;
}
