type Child = Node | string | null | false | undefined;
type Props = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;

/** Makes an element; a function property `onclick` and its like is a listener. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/** Sets text only when it differs, so that nothing is laid out again in vain. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

const shapes = {
  video: '<rect x="3" y="5" width="18" height="14" rx="3"/><path d="m10 9.200 5 2.800-5 2.800z" fill="currentColor"/>',
  audio: '<path d="M9 18V5.500l10-2V16"/><circle cx="6.500" cy="18" r="2.500"/><circle cx="16.500" cy="16" r="2.500"/>',
  image: '<rect x="3" y="4" width="18" height="16" rx="3"/><circle cx="8.500" cy="9.500" r="1.500"/><path d="m4 17 5-4.500 3.500 3 3-2.500L21 17.500"/>',
  pdf: '<path d="M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8z"/><path d="M14 3v5h5M9 17v-4h1.300a1.200 1.200 0 0 1 0 2.500H9M14 13v4"/>',
  text: '<path d="M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8z"/><path d="M14 3v5h5M9 13h6M9 16.500h4"/>',
  archive: '<path d="M4 8h16v10a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2zM3 4h18v4H3zM10 12h4"/>',
  other: '<path d="M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8z"/><path d="M14 3v5h5"/>',
  folder: '<path d="M3 7a2 2 0 0 1 2-2h4l2 2.500h8a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z"/>',
  download: '<path d="M12 4v11M7.500 11 12 15.500 16.500 11M5 19.500h14"/>',
  upload: '<path d="M12 15.500V4M7.500 8.500 12 4l4.500 4.500M5 19.500h14"/>',
  copy: '<rect x="8.500" y="8.500" width="11" height="11" rx="2.500"/><path d="M15.500 5.500a1 1 0 0 0-1-1h-8a2 2 0 0 0-2 2v8a1 1 0 0 0 1 1"/>',
  check: '<path d="m5 12.500 4.500 4.500L19 7.500"/>',
  close: '<path d="m6.500 6.500 11 11m0-11-11 11"/>',
  sun: '<circle cx="12" cy="12" r="4"/><path d="M12 3v1.500M12 19.500V21M3 12h1.500M19.500 12H21M5.600 5.600l1.100 1.100M17.300 17.300l1.100 1.100M5.600 18.400l1.100-1.100M17.300 6.700l1.100-1.100"/>',
  moon: '<path d="M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500Z"/>',
  link: '<path d="M10 14a4 4 0 0 0 5.700 0l3-3A4 4 0 0 0 13 5.300L11.800 6.500M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1.200-1.200"/>',
  magnet: '<path d="M6 4v8a6 6 0 0 0 12 0V4h-4v8a2 2 0 0 1-4 0V4zM6 8h4M14 8h4"/>',
  qr: '<path d="M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2v2h-2zM18 14h2M14 18v2M18 18h2v2h-2z"/>',
  share: '<path d="M12 14V3.500M8 7l4-3.500L16 7M7 11H5.500v9h13v-9H17"/>',
  muted: '<path d="M4 9.500h3.500L12 5.500v13l-4.500-4H4zM16 9.500l5 5m0-5-5 5"/>',
  play: '<path d="M8 5.500v13l10.500-6.500z" fill="currentColor"/>',
  people: '<circle cx="9" cy="8.500" r="3"/><path d="M3.500 19a5.500 5.500 0 0 1 11 0M15.500 6a3 3 0 0 1 0 5.500M17 14.300a5.500 5.500 0 0 1 3.500 4.700"/>',
  bolt: '<path d="M13 3 5.500 13.500H11L10.500 21 18.500 10H13z"/>',
  globe: '<circle cx="12" cy="12" r="8.500"/><path d="M3.500 12h17M12 3.500c2.500 2.300 3.700 5.200 3.700 8.500s-1.200 6.200-3.700 8.500c-2.500-2.300-3.700-5.200-3.700-8.500S9.500 5.800 12 3.500Z"/>',
  warning: '<path d="M12 4.500 3.500 19h17zM12 10v4M12 16.600v.1"/>',
} as const;

export type Icon = keyof typeof shapes;

/** A line icon that assistive technology does not see. */
export function icon(name: Icon): SVGSVGElement {
  return svg(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${shapes[name]}</svg>`);
}

/** Parses trusted markup of this program. */
export function svg(markup: string): SVGSVGElement {
  const template = document.createElement("template");
  template.innerHTML = markup;
  return template.content.firstElementChild as SVGSVGElement;
}

/** A fish, the mark of a peer. */
export function fish(): SVGSVGElement {
  return svg('<svg viewBox="0 0 26 14" aria-hidden="true" focusable="false"><path fill="currentColor" d="M25 7c-3.200-4.600-7.200-6-10.500-6-3 0-5.600 1.500-7.300 3.600L2.500 1.200c.7 3.700.7 7.900 0 11.600l4.700-3.400C8.900 11.500 11.500 13 14.500 13 17.800 13 21.800 11.600 25 7Z"/></svg>');
}

/** The shoal that swims on the start page and while something is looked for. */
export function hero(): HTMLElement {
  return h("div", { class: "hero-shoal", "aria-hidden": "true" }, ...Array.from({ length: 7 }, () => fish()));
}

/** How long a page that is looked at may take for its next frame; a hidden one has none. */
const frameWithin = 250;

/**
 * Calls `render` in an animation frame, at most once in `ms`. A hidden page has no frames, and
 * its title is looked at all the same: there it is called without one.
 */
export function throttled(ms: number, render: () => void): () => void {
  let last = -Infinity;
  let waiting = false;
  const run = (): void => {
    if (!waiting) return;
    waiting = false;
    last = performance.now();
    render();
  };
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      if (document.visibilityState === "hidden") return run();
      requestAnimationFrame(run);
      setTimeout(run, frameWithin); // it may have been hidden meanwhile
    }, Math.max(0, last + ms - performance.now()));
  };
}

/** Calls `render` every second, as long as the function that it returns is not called. */
export function everySecond(render: () => void): () => void {
  const timer = setInterval(render, 1_000);
  return () => clearInterval(timer);
}
