import type { CallMessage, FromWorker } from "./protocol";

/** The engine, or the tab that ran it, is gone: another is to be asked for. */
export interface LostMessage {
  lost: string;
}

/** Between tabs, besides calls and what comes of them: "ping" is answered by "here". */
export interface SignMessage {
  sign: "ping" | "here" | "leave";
}

export type FromEngine = FromWorker | LostMessage | SignMessage;

export type ToHub = CallMessage | SignMessage;

export type Receive = (data: FromEngine) => void;

/** A way to an engine: that of this tab, or that of the tab that runs one for all. */
export interface Link {
  post(message: CallMessage, transfer: Transferable[]): void;
  /** Ends what this page has there. */
  close(): void;
}

/** Where a page has its engine from. */
export interface Source {
  /** Resolves to the way to an engine, once there is one. After `lost` and `fatal` it is to be asked for anew. */
  connect(receive: Receive): Promise<Link>;
  /** Ends the engine, unless it is another tab's. */
  close(): void;
}
