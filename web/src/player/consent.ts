import type { Options } from "../shoal";
import { Base, sheetOf } from "./element";
import css from "./consent.css";
import { fill } from "./template";
import { refusing } from "./upload";

const sheet = sheetOf(css);

/**
 * `<shoal-consent>`: a bar that asks the visitor whether to help deliver, before any
 * connection to a peer is made, and remembers the answer in `localStorage`.
 *
 * | attribute | says |
 * |---|---|
 * | `name` | the name that the answer is remembered under; default `shoal.consent` |
 * | `refused` | what "no" means: `download` (the default) gets from peers and sends them nothing, `web-seeds` connects to no peer |
 *
 * Its slots `yes` and `no` are the words of its buttons, all other content is the question.
 * It fires `answer` when the visitor has answered.
 */
export class ShoalConsent extends Base {
  /** Resolves to the visitor's answer, at once where it is remembered. */
  readonly decided: Promise<boolean>;
  #answer: boolean | null = null;
  #decide!: (yes: boolean) => void;

  constructor() {
    super();
    this.decided = new Promise((resolve) => (this.#decide = resolve));
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    root.innerHTML = `<div part="bar" role="region" aria-labelledby="q" tabindex="-1"><p part="question" id="q"><slot data-text="question"></slot></p><div part="buttons"><button part="button no" type="button"><slot name="no" data-text="no"></slot></button><button part="button yes" type="button"><slot name="yes" data-text="yes"></slot></button></div></div>`;
    fill(root);
    root.querySelector("[part~=yes]")!.addEventListener("click", () => this.#give(true));
    root.querySelector("[part~=no]")!.addEventListener("click", () => this.#give(false));
  }

  /** @internal */
  connectedCallback(): void {
    this.hidden = true;
    const known = this.#read();
    if (known === null) this.hidden = false;
    else this.#settle(known);
  }

  /** The visitor's answer, null before there is one. */
  get answer(): boolean | null {
    return this.#answer;
  }

  /** Asks, also somebody who has answered before: for a link to one's settings. */
  ask(): void {
    this.hidden = false;
    this.shadowRoot!.querySelector<HTMLElement>("[part=bar]")!.focus();
  }

  /** The options of a client for a visitor who has said no. */
  without(options: Options): Options {
    return refusing(options, this.getAttribute("refused") === "web-seeds");
  }

  get #key(): string {
    return this.getAttribute("name") || "shoal.consent";
  }

  #give(yes: boolean): void {
    try {
      localStorage.setItem(this.#key, yes ? "yes" : "no");
    } catch {
      // storage is refused: the question comes again next time
    }
    this.hidden = true;
    this.#settle(yes);
  }

  #settle(yes: boolean): void {
    this.#answer = yes;
    this.#decide(yes);
    this.dispatchEvent(new Event("answer"));
  }

  #read(): boolean | null {
    try {
      const said = localStorage.getItem(this.#key);
      return said === null ? null : said === "yes";
    } catch {
      return null;
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "shoal-consent": ShoalConsent;
  }
}
