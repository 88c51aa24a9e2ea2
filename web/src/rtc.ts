// The page's end of the WebRTC connections: it makes and closes peer
// connections as the worker says (channels.ts), and hands each data channel
// over to the worker, so that no payload passes through the page.

import type { ToPage, ToWorker } from "./channels";
import { giveBack } from "./spent";

/** Peer connections at a time, whatever the worker asks for: Chromium makes 500 for all pages of a site. */
const maxConnections = 400;

/**
 * How long a connection on which nothing is heard, for five seconds already, may take to come
 * back. ICE could be restarted on it, but there is no way to tell the other side: trackers pass
 * an offer to whom they choose, and the channels are what has gone silent. Who has changed his
 * network is met anew by the tracker in less time than browsers take to call a connection failed.
 */
const silenceLimit = 3_000;

/** A channel that stays here: how far it may fill before the worker is not told to go on. */
const relayLow = 128 << 10;

/** Channels of one connection; each is a swarm. */
const maxChannels = 64;

interface Peer {
  pc: RTCPeerConnection;
  /** The number that it was opened under, which its first channel has too. */
  link: number;
  /** Its channels. It is closed with the last of them. */
  ids: Set<number>;
  /** Runs out when it has been silent for too long. */
  silent?: ReturnType<typeof setTimeout>;
}

/**
 * How long what else is found may take after a candidate of the best kind that the servers
 * give. Browsers look for more than a tenth of a second after they have named the last one.
 */
const grace = { host: 20, srflx: 100, relay: 500 };

/**
 * How long direct paths to the other side are tried before those to its relay. Browsers take
 * the first that works, often a relay's, and look at the others seldom from then on.
 */
const directFirst = 500;

/** A server as an option names it: an address with its credentials, see `server`, or as WebRTC has it. */
export type IceServer = string | RTCIceServer;

/**
 * Serves the worker's connections until the page goes away, or the returned
 * function is called. With `relayOnly`, they go by TURN servers alone. `own` is asked
 * for each connection, for the page's servers besides those that trackers hand out.
 */
export function attachRTC(worker: Worker, relayOnly = false, own: () => readonly IceServer[] = () => []): () => void {
  /** By channel. */
  const peers = new Map<number, Peer>();
  /** Of the channels that could not be transferred. */
  const relays = new Map<number, Relay>();
  let connections = 0;
  /** The other side's channels have negative numbers. */
  let theirs = 0;
  const post = (rtc: ToWorker, transfer: Transferable[] = []): void => worker.postMessage({ rtc }, transfer);

  const join = (id: number, peer: Peer): void => {
    peers.set(id, peer);
    peer.ids.add(id);
  };

  const drop = (id: number): void => {
    const peer = peers.get(id);
    if (!peer) return;
    peers.delete(id);
    relays.delete(id);
    peer.ids.delete(id);
    if (peer.ids.size === 0) {
      const { pc } = peer;
      clearTimeout(peer.silent);
      pc.onconnectionstatechange = pc.ondatachannel = pc.onicegatheringstatechange = pc.onicecandidate = null;
      pc.close();
      connections--;
    }
    post({ ev: "gone", id });
  };

  const fail = (peer: Peer, error: string): void => {
    for (const id of [...peer.ids]) {
      post({ ev: "failed", id, error });
      drop(id);
    }
  };

  /** Must run in the task that made the channel: one that has been used cannot be moved. */
  const handOver = (id: number, channel: RTCDataChannel): void => {
    try {
      // TypeScript's Transferable does not know data channels yet.
      post({ ev: "channel", id, channel }, [channel as unknown as Transferable]);
    } catch {
      relays.set(id, new Relay(id, channel, post));
    }
  };

  /** Takes a channel that the other side has opened besides the first. */
  const further = (peer: Peer, channel: RTCDataChannel): void => {
    if (!reliable(channel) || peer.ids.size >= maxChannels) return channel.close();
    const id = --theirs;
    const more = { ev: "more", id, link: peer.link, label: channel.label } as const;
    join(id, peer);
    try {
      post({ ...more, channel }, [channel as unknown as Transferable]);
    } catch {
      post({ ...more, channel: null });
      relays.set(id, new Relay(id, channel, post));
    }
  };

  const open = async (id: number, servers: string[], gather: number, offer: string | null): Promise<void> => {
    if (connections >= maxConnections) {
      post({ ev: "failed", id, error: "too many connections" });
      return post({ ev: "gone", id });
    }
    let pc: RTCPeerConnection;
    let best: keyof typeof grace = "host";
    try {
      const iceServers = [...servers, ...own()].map((s) => (typeof s === "string" ? server(s) : s));
      if (iceServers.length > 0) best = iceServers.some(isRelay) ? "relay" : "srflx";
      if (relayOnly && best !== "relay") throw new Error("no relay is known");
      pc = new RTCPeerConnection({ iceServers, iceTransportPolicy: relayOnly ? "relay" : "all" });
    } catch (err) {
      post({ ev: "failed", id, error: words(err) });
      return post({ ev: "gone", id });
    }
    const peer: Peer = { pc, link: id, ids: new Set() };
    const [first, relayed] = offer === null || relayOnly ? [offer, []] : withoutRelays(offer);
    connections++;
    join(id, peer);
    pc.onconnectionstatechange = () => {
      const lost = (): void => fail(peer, "the connection was lost");
      clearTimeout(peer.silent);
      if (pc.connectionState === "connected") post({ ev: "path", id, remote: remoteAddress(pc) });
      if (pc.connectionState === "disconnected") {
        post({ ev: "doubt", id });
        peer.silent = setTimeout(lost, silenceLimit);
      }
      if (pc.connectionState === "failed" || pc.connectionState === "closed") lost();
    };
    pc.ondatachannel = ({ channel }) => further(peer, channel);
    if (offer === null) {
      handOver(id, pc.createDataChannel(label()));
    } else {
      pc.ondatachannel = ({ channel }) => {
        pc.ondatachannel = ({ channel: extra }) => further(peer, extra);
        if (!reliable(channel)) return fail(peer, "the other side's channel is not ordered or not reliable");
        handOver(id, channel);
      };
      try {
        await pc.setRemoteDescription({ type: "offer", sdp: first ?? "" });
      } catch (err) {
        post({ ev: "refused", id, error: words(err) });
        return drop(id);
      }
    }
    await pc.setLocalDescription();
    await gathered(pc, gather, best);
    if (pc.localDescription) post({ ev: "sdp", id, sdp: pc.localDescription.sdp });
    addLater(pc, relayed);
  };

  const accept = async (id: number, sdp: string): Promise<void> => {
    const pc = peers.get(id)?.pc;
    const [first, relayed] = relayOnly ? [sdp, []] : withoutRelays(sdp);
    try {
      await pc?.setRemoteDescription({ type: "answer", sdp: first });
      if (pc) addLater(pc, relayed);
      post({ ev: "accepted", id });
    } catch (err) {
      post({ ev: "refused", id, error: words(err) });
    }
  };

  const listen = (message: MessageEvent<{ rtc?: ToPage } | null>): void => {
    const m = message.data?.rtc;
    switch (m?.op) {
      case "open":
        void open(m.id, m.servers, m.gather, m.offer).catch((err: unknown) => {
          const peer = peers.get(m.id);
          if (peer) fail(peer, words(err));
        });
        return;
      case "more": {
        const peer = peers.get(m.link) ?? [...peers.values()].find((p) => p.link === m.link);
        if (!peer) return post({ ev: "gone", id: m.id });
        join(m.id, peer);
        return handOver(m.id, peer.pc.createDataChannel(m.label));
      }
      case "accept":
        return void accept(m.id, m.sdp);
      case "send":
        return relays.get(m.id)?.send(m.data);
      case "close":
        if (relays.get(m.id)?.close(() => drop(m.id))) return;
        return drop(m.id);
    }
  };
  worker.addEventListener("message", listen);
  return () => {
    worker.removeEventListener("message", listen);
    for (const id of [...peers.keys()]) drop(id);
  };
}

/** Carries the messages of a channel that cannot be transferred. */
class Relay {
  #unsent = 0;
  readonly #channel: RTCDataChannel;

  constructor(id: number, channel: RTCDataChannel, post: (rtc: ToWorker, transfer?: Transferable[]) => void) {
    this.#channel = channel;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = relayLow;
    post({ ev: "relay", id });
    channel.onopen = () => post({ ev: "relay-open", id });
    channel.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
      const bytes = typeof data === "string" ? new TextEncoder().encode(data).buffer : data;
      post({ ev: "relay-data", id, data: bytes }, [bytes]);
    };
    this.#sent = () => {
      if (this.#unsent === 0 || channel.bufferedAmount > relayLow) return;
      post({ ev: "relay-sent", id, bytes: this.#unsent });
      this.#unsent = 0;
    };
    channel.onbufferedamountlow = () => this.#sent();
    channel.onclose = () => post({ ev: "relay-closed", id });
    if (channel.readyState === "open") post({ ev: "relay-open", id });
  }

  readonly #sent: () => void;

  send(data: ArrayBuffer): void {
    try {
      this.#channel.send(data);
    } catch {
      this.#channel.close();
    }
    this.#unsent += data.byteLength;
    giveBack(data);
    this.#sent();
  }

  /** Closes once everything has been sent, then calls back; false if it is closed already. */
  close(then: () => void): boolean {
    if (this.#channel.readyState === "closed" || this.#channel.readyState === "closing") return false;
    this.#channel.onclose = then;
    this.#channel.close();
    return true;
  }
}

/**
 * Resolves when all candidates are known, or those that can be had without waiting for silent
 * servers: `best` is the kind that costs the most.
 */
function gathered(pc: RTCPeerConnection, limit: number, best: keyof typeof grace): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, limit);
    const check = (): void => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    };
    pc.onicegatheringstatechange = check;
    pc.onicecandidate = ({ candidate }) => {
      if (candidate?.type === best) setTimeout(resolve, grace[best]);
    };
    check();
  });
}

/** Parts a description and its relayed candidates; one without others is left as it is. */
export function withoutRelays(sdp: string): [rest: string, relayed: RTCIceCandidateInit[]] {
  const lines = sdp.split(/(?<=\n)/);
  const isCandidate = (line: string): boolean => line.startsWith("a=candidate:");
  const isRelayed = (line: string): boolean => isCandidate(line) && line.includes(" typ relay");
  if (!lines.some((line) => isCandidate(line) && !isRelayed(line))) return [sdp, []];
  const relayed = lines.filter(isRelayed).map((line) => ({ candidate: line.slice(2).trim(), sdpMLineIndex: 0 }));
  if (relayed.length === 0) return [sdp, []];
  return [lines.filter((line) => !isRelayed(line) && !line.startsWith("a=end-of-candidates")).join(""), relayed];
}

/** Adds candidates of the other side unless the connection is there by then. */
function addLater(pc: RTCPeerConnection, candidates: RTCIceCandidateInit[]): void {
  if (candidates.length === 0) return;
  setTimeout(() => {
    if (pc.connectionState === "connected" || pc.connectionState === "closed") return;
    for (const c of candidates) void pc.addIceCandidate(c).catch(() => {});
  }, directFirst);
}

/** "stun:host:port" and "turn:user:password@host:port", as in Config.ICEServers. */
export function server(url: string): RTCIceServer {
  const at = url.lastIndexOf("@");
  if (at < 0) return { urls: url };
  const scheme = url.indexOf(":") + 1;
  const pass = url.lastIndexOf(":", at);
  return {
    urls: url.slice(0, scheme) + url.slice(at + 1),
    username: url.slice(scheme, Math.max(scheme, pass)),
    credential: url.slice(pass + 1, at),
  };
}

function isRelay({ urls }: RTCIceServer): boolean {
  return [urls].flat().some((url) => url.startsWith("turn"));
}

/** WebTorrent's channels are; a stream cannot be made of others. */
function reliable(channel: RTCDataChannel): boolean {
  return channel.ordered && channel.maxRetransmits === null && channel.maxPacketLifeTime === null;
}

/** "address:port" of the path in use, "" where the browser does not tell, or where it is a relay's. */
function remoteAddress(pc: RTCPeerConnection): string {
  const ice = pc.sctp?.transport.iceTransport as
    | (RTCIceTransport & { getSelectedCandidatePair?(): { remote?: { address: string | null; port: number | null; type: string | null } } | null })
    | undefined;
  const remote = ice?.getSelectedCandidatePair?.()?.remote;
  // Browsers hide addresses that the page has not been told of behind names.
  if (!remote?.address || !remote.port || remote.type === "relay" || /[g-z]/i.test(remote.address)) return "";
  const bare = remote.address.includes(":") && !remote.address.startsWith("[");
  return (bare ? `[${remote.address}]` : remote.address) + ":" + remote.port;
}

/** A random name, as WebTorrent clients give. */
function label(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(20)), (b) => b.toString(16).padStart(2, "0")).join("");
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
