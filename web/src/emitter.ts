/** A typed event source; `on` returns the function that ends the subscription. */
export class Emitter<E extends object> {
  readonly #handlers = new Map<keyof E, Set<(value: never) => void>>();

  on<K extends keyof E>(name: K, handler: (value: E[K]) => void): () => void {
    let set = this.#handlers.get(name);
    if (!set) this.#handlers.set(name, (set = new Set()));
    set.add(handler as (value: never) => void);
    this.listening(name);
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

  /** Node's name of `off`. */
  removeListener<K extends keyof E>(name: K, handler: (value: E[K]) => void): void {
    this.off(name, handler);
  }

  /** Somebody has begun to listen. */
  protected listening(_name: keyof E): void {}

  /** Calls the handlers, and reports whether there are any; one that throws does not keep the others from running. */
  protected emit<K extends keyof E>(name: K, value: E[K]): boolean {
    const handlers = [...(this.#handlers.get(name) ?? [])];
    for (const handler of handlers) {
      try {
        (handler as (value: E[K]) => void)(value);
      } catch (err) {
        reportError(err);
      }
    }
    return handlers.length > 0;
  }
}
