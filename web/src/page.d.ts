// rtc.ts takes its message types from channels.ts, so the page's type check
// sees that file too and needs the one name of a worker that it uses.
interface DedicatedWorkerGlobalScope {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (message: MessageEvent) => void): void;
}

// Bundled as text.
declare module "*.txt" {
  const text: string;
  export default text;
}

// Bundled as text, without blanks.
declare module "*.css" {
  const text: string;
  export default text;
}
