/** Starts a reader of the engine on `port` for the bytes [start, end). */
export type OpenReader = (start: number, end: number, port: MessagePort) => void;

export interface PullOptions {
  /** Asked now and then while a chunk is awaited; false ends the stream with an error. */
  alive?: () => Promise<boolean>;
  /** Called once, when the stream is finished, failed or cancelled. */
  done?: () => void;
}

/** A reader nobody pulls from is given up after this time and reopened on the next pull. */
const parkAfter = 10_000;
const aliveEvery = 5_000;

/** A stream of bytes with a handle to fail it from outside. */
export interface PullStream {
  stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  fail(message: string): void;
  /** Asks for what it waits for by a new port: nobody answers on the last one any more. */
  reopen(): void;
}

/**
 * Turns the engine's pull protocol into a stream: `true` asks for a chunk, a
 * Uint8Array, `null` (end) or `{error}` comes back, `false` cancels. A consumer
 * that stops pulling (a paused video) does not hold a reader in the engine.
 */
export function pullStream(open: OpenReader, start: number, end: number, options: PullOptions = {}): PullStream {
  let port: MessagePort | null = null;
  let offset = start;
  let awaited: (() => void) | null = null;
  let parking: ReturnType<typeof setTimeout> | undefined;
  let watching: ReturnType<typeof setInterval> | undefined;
  let finished = false;
  let controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

  function release(): void {
    if (!port) return;
    port.postMessage(false);
    port.onmessage = null;
    port.close();
    port = null;
  }

  function settle(): void {
    clearInterval(watching);
    const resolve = awaited;
    awaited = null;
    resolve?.();
  }

  function finish(): boolean {
    if (finished) return false;
    finished = true;
    clearTimeout(parking);
    release();
    options.done?.();
    return true;
  }

  function fail(message: string): void {
    if (finish()) controller.error(new Error(message));
    settle();
  }

  function connect(): void {
    const channel = new MessageChannel();
    port = channel.port1;
    port.onmessage = (message: MessageEvent<unknown>) => receive(message.data);
    open(offset, end, channel.port2);
  }

  function reopen(): void {
    if (finished || !port) return;
    release();
    if (!awaited) return; // the next pull will
    connect();
    port!.postMessage(true);
  }

  function receive(data: unknown): void {
    if (finished) return;
    if (data instanceof Uint8Array && data.length > 0 && offset + data.length <= end) {
      offset += data.length;
      controller.enqueue(data as Uint8Array<ArrayBuffer>);
      if (offset === end && finish()) controller.close();
      else parking = setTimeout(release, parkAfter);
      settle();
    } else if (typeof data === "object" && data !== null && "error" in data) {
      fail(String(data.error));
    } else {
      fail(data === null ? "the file ended early" : "the engine sent something that is not file data");
    }
  }

  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start(given) {
        controller = given;
        if (start >= end && finish()) given.close();
      },
      pull() {
        clearTimeout(parking);
        if (finished) return;
        if (!port) connect();
        const { alive } = options;
        if (alive) {
          clearInterval(watching);
          watching = setInterval(() => {
            void alive().then((yes) => yes || fail("the page that had this file is gone"));
          }, aliveEvery);
        }
        port!.postMessage(true);
        return new Promise<void>((resolve) => (awaited = resolve));
      },
      cancel() {
        finish();
        settle();
      },
    },
    { highWaterMark: 2 },
  );
  return { stream, fail, reopen };
}
