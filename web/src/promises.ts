/** Node's way to be told of an outcome. */
export type Callback<T> = (error: Error | null, value?: T) => void;

/**
 * An object that is there at once and can be awaited: it has the methods of a promise for as
 * long as `work` goes on. It resolves to what the work returns, and loses the methods just
 * before, since a promise cannot resolve to another one. `failed` is told of a failure that
 * nobody awaits.
 */
export function awaitable<T extends object>(value: T, work: () => Promise<{ value: T }>, failed: (error: Error) => void): T & Promise<T> {
  let awaited = false;
  const both = value as T & Promise<T>;
  const promise = new Promise<T>((resolve, reject) => {
    // Not before the methods are there.
    void Promise.resolve().then(work).then(
      (made) => {
        bare();
        resolve(made.value);
      },
      (error: Error) => {
        bare();
        reject(error);
        if (!awaited) failed(error);
      },
    );
  });
  promise.catch(() => undefined);
  const methods: Partial<Promise<T>> = {};
  for (const name of ["then", "catch", "finally"] as const) {
    methods[name] = (...args: never[]) => {
      awaited = true;
      return (promise[name] as (...args: never[]) => never)(...args);
    };
    Object.defineProperty(both, name, { configurable: true, value: methods[name] });
  }
  const bare = (): void => {
    for (const name of ["then", "catch", "finally"] as const) {
      // Another call with the same object may have begun meanwhile.
      if (both[name] === methods[name]) delete (both as Partial<Promise<T>>)[name];
    }
  };
  return both;
}

/** Also tells a callback of an outcome, if there is one; a failure is its business then. */
export function told<T>(promise: Promise<T>, callback?: Callback<T>): Promise<T> {
  if (callback) {
    promise.then(
      (value) => callback(null, value),
      (error: Error) => callback(error),
    );
  }
  return promise;
}
