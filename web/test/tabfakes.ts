import type { CallMessage, FromWorker } from "../src/protocol";

/** An engine's worker that does what the test says. */
export class FakeWorker {
  calls: CallMessage[] = [];
  ended = false;
  #listeners: Record<string, (event: never) => void> = {};

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners[type] = listener;
  }
  postMessage(message: CallMessage): void {
    this.calls.push(message);
  }
  terminate(): void {
    this.ended = true;
  }
  say(data: FromWorker): void {
    this.#listeners.message!({ data } as never);
  }
  /** Answers the last call, or the last of that method. */
  answer(result: unknown = null, error: string | null = null, method?: string): void {
    const last = this.calls.filter((call) => method === undefined || call.method === method).at(-1)!;
    this.say({ reply: last.call, error, result });
  }
  crash(message = "out of memory"): void {
    this.#listeners.error!({ message, preventDefault() {} } as never);
  }
  methods(): string[] {
    return this.calls.map(({ method }) => method);
  }
}

/** Lets what has been promised happen, and messages arrive. */
export async function turn(): Promise<void> {
  for (let n = 0; n < 12; n++) await new Promise((resolve) => setImmediate(resolve));
}

/** Locks of one origin, as browsers have them. */
export class FakeLocks {
  #queues = new Map<string, Waiting[]>();

  /** As navigator.locks of one tab, which `die` ends. */
  tab(): { locks: Pick<LockManager, "request">; die(): void } {
    const mine: Waiting[] = [];
    const request = (name: string, ...rest: unknown[]): Promise<unknown> => {
      const callback = rest.at(-1) as () => unknown;
      const { signal, steal } = (rest.length > 1 ? rest[0] : {}) as LockOptions;
      return new Promise((resolve, reject) => {
        const queue = this.#queues.get(name) ?? [];
        this.#queues.set(name, queue);
        const waiting: Waiting = { held: false, callback, resolve, reject };
        mine.push(waiting);
        if (steal) {
          if (queue[0]?.held) queue.shift()!.reject(new Error("AbortError"));
          queue.unshift(waiting);
        } else queue.push(waiting);
        signal?.addEventListener("abort", () => {
          if (waiting.held) return;
          this.#leave(waiting);
          reject(new Error("AbortError"));
        });
        this.#grant(queue);
      });
    };
    return {
      locks: { request: request as LockManager["request"] },
      die: () => {
        for (const waiting of mine) waiting.callback = () => {};
        mine.forEach((waiting) => this.#leave(waiting));
      },
    };
  }

  held(name: string): boolean {
    return this.#queues.get(name)?.[0]?.held ?? false;
  }

  #leave(waiting: Waiting): void {
    for (const queue of this.#queues.values()) {
      const at = queue.indexOf(waiting);
      if (at < 0) continue;
      queue.splice(at, 1);
      this.#grant(queue);
    }
  }

  #grant(queue: Waiting[]): void {
    const first = queue[0];
    if (!first || first.held) return;
    first.held = true;
    setImmediate(async () => {
      const result = await first.callback();
      this.#leave(first);
      first.resolve(result);
    });
  }
}

interface Waiting {
  held: boolean;
  callback(): unknown;
  resolve(value: unknown): void;
  reject(error: Error): void;
}
