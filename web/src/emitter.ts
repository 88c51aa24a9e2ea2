/** A typed event source; `on` returns the function that ends the subscription. */
export class Emitter<E extends object> {
  readonly #handlers = new Map<keyof E, Set<(value: never) => void>>();

  on<K extends keyof E>(name: K, handler: (value: E[K]) => void): () => void {
    let set = this.#handlers.get(name);
    if (!set) this.#handlers.set(name, (set = new Set()));
    set.add(handler as (value: never) => void);
    return () => this.off(name, handler);
  }

  once<K extends keyof E>(name: K, handler: (value: E[K]) => void): () => void {
    const off = this.on(name, (value) => {
      off();
      handler(value);
    });
    return off;
  }

  off<K extends keyof E>(name: K, handler: (value: E[K]) => void): void {
    this.#handlers.get(name)?.delete(handler as (value: never) => void);
  }

  /** Calls the handlers; one that throws does not keep the others from running. */
  protected emit<K extends keyof E>(name: K, value: E[K]): void {
    for (const handler of [...(this.#handlers.get(name) ?? [])]) {
      try {
        (handler as (value: E[K]) => void)(value);
      } catch (err) {
        reportError(err);
      }
    }
  }
}
