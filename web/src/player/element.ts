/** HTMLElement, or where there is none, as on a server that renders pages, a class that stands in for it. */
export const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/** The style sheets of elements that are there many times are parsed once. */
export function sheetOf(css: string): () => CSSStyleSheet {
  let sheet: CSSStyleSheet | undefined;
  return () => {
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
    }
    return sheet;
  };
}

/** Defines an element, unless the page has one of that name already. */
export function define(name: string, element: CustomElementConstructor): void {
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, element);
}
