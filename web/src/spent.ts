// What lies behind an ArrayBuffer is not on the JavaScript heap, and an engine whose heap
// stays small is collected seldom: buffers that nobody needs any more pile up, by the
// hundred megabyte. One that is transferred to a port which nobody holds the other end of
// is free at once.

let sink: MessagePort | undefined;

/** Gives the memory of a buffer back, which is empty from then on. */
export function giveBack(buffer: ArrayBufferLike): void {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength === 0) return;
  if (!sink) {
    const { port1, port2 } = new MessageChannel();
    port2.close();
    sink = port1;
  }
  try {
    sink.postMessage(null, [buffer]);
  } catch {
    // One that may not be moved, such as WebAssembly's, is the collector's.
  }
}
