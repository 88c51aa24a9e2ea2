import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { attachRTC, server, withoutRelays, type IceServer } from "../src/rtc";

test("server URLs carry their credentials", () => {
  assert.deepEqual(server("stun:stun.example:3478"), { urls: "stun:stun.example:3478" });
  assert.deepEqual(server("turn:1732200000:alice:s3cret@turn.example:3478?transport=udp"), {
    urls: "turn:turn.example:3478?transport=udp",
    username: "1732200000:alice",
    credential: "s3cret",
  });
});

test("paths to the other side's relay are tried after direct ones", () => {
  const host = "a=candidate:1 1 udp 2113937151 192.0.2.1 5000 typ host\r\n";
  const relay = "a=candidate:2 1 udp 33562623 192.0.2.2 6000 typ relay raddr 0.0.0.0 rport 0\r\n";
  const end = "a=end-of-candidates\r\n";
  assert.deepEqual(withoutRelays("v=0\r\n" + host + relay + "a=mid:0\r\n" + end), [
    "v=0\r\n" + host + "a=mid:0\r\n",
    [{ candidate: relay.slice(2).trim(), sdpMLineIndex: 0 }],
  ]);
  for (const whole of ["v=0\r\n" + host + end, "v=0\r\n" + relay + end, "nonsense"]) assert.deepEqual(withoutRelays(whole), [whole, []]);
});

/** A peer connection that gathers at once and never connects. */
class FakePeer {
  static live = 0;
  static silent = false;
  static last: FakePeer;
  static config: RTCConfiguration | undefined;
  iceGatheringState = "new";
  connectionState = "new";
  localDescription: { sdp: string } | null = null;
  onicegatheringstatechange = () => {};
  onconnectionstatechange = () => {};
  ondatachannel = (_: unknown) => {};
  onicecandidate = (_: unknown) => {};
  constructor(config?: RTCConfiguration) {
    FakePeer.live++;
    FakePeer.config = config;
    FakePeer.last = this;
  }
  createDataChannel(label: string) {
    return { label, readyState: "connecting", bufferedAmount: 0 };
  }
  async setLocalDescription() {
    this.localDescription = { sdp: "v=0 mine" };
    if (!FakePeer.silent) this.iceGatheringState = "complete";
  }
  async setRemoteDescription({ sdp }: { sdp: string }) {
    if (sdp !== "good") throw new Error("cannot be parsed");
  }
  close() {
    FakePeer.live--;
  }
}

function setUp(refuse = false, relayOnly = false, own?: () => IceServer[]) {
  Object.assign(globalThis, { RTCPeerConnection: FakePeer });
  const posted: Record<string, unknown>[] = [];
  let listener = (_: unknown) => {};
  const worker = {
    addEventListener: (_: string, f: typeof listener) => (listener = f),
    removeEventListener: () => (listener = () => {}),
    postMessage: ({ rtc }: { rtc: Record<string, unknown> }, transfer: unknown[]) => {
      if (refuse && transfer.length && rtc.ev === "channel") throw new Error("DataCloneError");
      posted.push(rtc);
    },
  };
  const stop = attachRTC(worker as unknown as Worker, relayOnly, own);
  return { posted, stop, say: (rtc: unknown) => listener({ data: { rtc } }) };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("with relays only, nothing else is gathered", async () => {
  const { posted, say } = setUp(false, true);
  say({ op: "open", id: 7, servers: ["stun:stun.example:3478"], gather: 100, offer: null });
  assert.deepEqual(posted, [
    { ev: "failed", id: 7, error: "no relay is known" },
    { ev: "gone", id: 7 },
  ]);
  say({ op: "open", id: 8, servers: ["stun:stun.example:3478", "turn:9:u:p@turn.example:3478"], gather: 100, offer: null });
  await settle();
  assert.equal(FakePeer.config?.iceTransportPolicy, "relay");
  assert.equal(FakePeer.config?.iceServers?.length, 2);
  assert.deepEqual(posted.at(-1), { ev: "sdp", id: 8, sdp: "v=0 mine" });
  say({ op: "close", id: 8 });
});

test("a relayed candidate ends the wait for servers that do not answer", async () => {
  const { posted, say } = setUp();
  FakePeer.silent = true;
  say({ op: "open", id: 9, servers: ["turn:9:u:p@turn.example:3478"], gather: 60_000, offer: null });
  FakePeer.silent = false;
  await settle();
  assert.equal(posted.at(-1)?.ev, "channel");
  FakePeer.last.onicecandidate({ candidate: { type: "host" } });
  FakePeer.last.onicecandidate({ candidate: { type: "relay" } });
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(posted.at(-1)?.ev, "sdp");
  say({ op: "close", id: 9 });
});

test("without servers nothing is waited for but the addresses of the machine", async () => {
  const { posted, say } = setUp();
  FakePeer.silent = true;
  say({ op: "open", id: 9, servers: [], gather: 60_000, offer: null });
  FakePeer.silent = false;
  await settle();
  assert.equal(posted.at(-1)?.ev, "channel");
  FakePeer.last.onicecandidate({ candidate: { type: "host" } });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(posted.at(-1)?.ev, "sdp");
  say({ op: "close", id: 9 });
});

test("an offer hands its channel over and is closed when told", async () => {
  const { posted, say } = setUp();
  say({ op: "open", id: 1, servers: [], gather: 100, offer: null });
  assert.equal(posted[0]!.ev, "channel"); // in the same task
  await settle();
  assert.deepEqual(posted[1], { ev: "sdp", id: 1, sdp: "v=0 mine" });
  say({ op: "accept", id: 1, sdp: "bad" });
  await settle();
  assert.deepEqual(posted[2], { ev: "refused", id: 1, error: "cannot be parsed" });
  say({ op: "accept", id: 1, sdp: "good" });
  await settle();
  assert.deepEqual(posted[3], { ev: "accepted", id: 1 });
  say({ op: "close", id: 1 });
  say({ op: "close", id: 1 });
  assert.deepEqual(posted.slice(4), [{ ev: "gone", id: 1 }]);
  assert.equal(FakePeer.live, 0);
});

test("a bad offer leaves nothing behind", async () => {
  const { posted, say } = setUp();
  say({ op: "open", id: 2, servers: [], gather: 100, offer: "bad" });
  await settle();
  assert.deepEqual(posted, [
    { ev: "refused", id: 2, error: "cannot be parsed" },
    { ev: "gone", id: 2 },
  ]);
  assert.equal(FakePeer.live, 0);
});

test("a channel that cannot be transferred is relayed", () => {
  const { posted, say } = setUp(true);
  say({ op: "open", id: 3, servers: [], gather: 100, offer: null });
  assert.deepEqual(posted, [{ ev: "relay", id: 3 }]);
});

test("connections are bounded and end with the page's interest", () => {
  FakePeer.live = 0;
  const { posted, say, stop } = setUp();
  for (let id = 1; id <= 420; id++) say({ op: "open", id, servers: [], gather: 100, offer: null });
  assert.equal(FakePeer.live, 400);
  assert.equal(posted.filter((m) => m.ev === "failed").length, 20);
  stop();
  assert.equal(FakePeer.live, 0);
});

const theirChannel = (more: object = {}) => ({
  label: "theirs",
  readyState: "open",
  ordered: true,
  maxRetransmits: null,
  maxPacketLifeTime: null,
  closed: false,
  close() {
    this.closed = true;
  },
  ...more,
});

test("a connection carries further channels and is closed with the last", async () => {
  FakePeer.live = 0;
  const { posted, say } = setUp();
  say({ op: "open", id: 1, servers: [], gather: 100, offer: null });
  await settle();
  posted.length = 0;
  say({ op: "more", id: 2, link: 1, label: "second" });
  assert.equal(posted[0]!.ev, "channel");
  assert.equal((posted[0]!.channel as { label: string }).label, "second");
  const channel = theirChannel();
  FakePeer.last.ondatachannel({ channel });
  assert.deepEqual(posted[1], { ev: "more", id: -1, link: 1, label: "theirs", channel });
  say({ op: "close", id: 1 });
  say({ op: "close", id: -1 });
  assert.equal(FakePeer.live, 1);
  say({ op: "more", id: 3, link: 1, label: "third" }); // the first channel is gone, the connection is not
  assert.equal(posted.at(-1)!.ev, "channel");
  say({ op: "close", id: 2 });
  say({ op: "close", id: 3 });
  assert.equal(FakePeer.live, 0);
  say({ op: "more", id: 4, link: 1, label: "late" });
  assert.deepEqual(posted.at(-1), { ev: "gone", id: 4 });
});

test("a lost connection takes all its channels with it", async () => {
  const { posted, say } = setUp();
  say({ op: "open", id: 1, servers: [], gather: 100, offer: null });
  say({ op: "more", id: 2, link: 1, label: "second" });
  await settle();
  posted.length = 0;
  FakePeer.last.connectionState = "failed";
  FakePeer.last.onconnectionstatechange();
  assert.deepEqual(
    posted.map((m) => [m.ev, m.id]),
    [
      ["failed", 1],
      ["gone", 1],
      ["failed", 2],
      ["gone", 2],
    ],
  );
});

test("further channels that are no streams, or too many, are closed", async () => {
  const { posted, say } = setUp();
  say({ op: "open", id: 1, servers: [], gather: 100, offer: null });
  await settle();
  const lossy = theirChannel({ maxRetransmits: 0 });
  FakePeer.last.ondatachannel({ channel: lossy });
  assert.equal(lossy.closed, true);
  const all = Array.from({ length: 100 }, () => theirChannel());
  for (const channel of all) FakePeer.last.ondatachannel({ channel });
  assert.equal(posted.filter((m) => m.ev === "more").length, 63);
  assert.equal(all.filter((c) => c.closed).length, 37);
});

test("servers are named as WebRTC has them, and may change", async () => {
  let own: IceServer[] = [{ urls: ["turn:a.example", "turns:a.example:443"], username: "u", credential: "p@:" }];
  const { posted, say } = setUp(false, true, () => own);
  say({ op: "open", id: 1, servers: ["stun:b.example"], gather: 100, offer: null });
  await settle();
  assert.deepEqual(FakePeer.config?.iceServers, [{ urls: "stun:b.example" }, own[0]]);
  own = ["turn:u:p@c.example"];
  say({ op: "open", id: 2, servers: [], gather: 100, offer: null });
  await settle();
  assert.deepEqual(FakePeer.config?.iceServers, [{ urls: "turn:c.example", username: "u", credential: "p" }]);
  own = [];
  say({ op: "open", id: 3, servers: [], gather: 100, offer: null });
  assert.deepEqual(posted.at(-2), { ev: "failed", id: 3, error: "no relay is known" });
  say({ op: "close", id: 1 });
  say({ op: "close", id: 2 });
});

test("a connection may fall silent for a moment, and is given up before the browser does", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { posted, say } = setUp();
    say({ op: "open", id: 1, servers: [], gather: 100, offer: null });
    await settle();
    const become = (state: string) => {
      FakePeer.last.connectionState = state;
      FakePeer.last.onconnectionstatechange();
    };
    become("connected");
    posted.length = 0;
    become("disconnected");
    mock.timers.tick(2_900);
    become("connected");
    mock.timers.tick(60_000);
    assert.deepEqual(
      posted.map((m) => m.ev),
      ["doubt", "path"],
    );
    become("disconnected");
    mock.timers.tick(3_000);
    assert.deepEqual(
      posted.slice(2).map((m) => m.ev),
      ["doubt", "failed", "gone"],
    );
  } finally {
    mock.timers.reset();
  }
});

test("where there is no WebRTC each connection fails, and nothing else", () => {
  const { posted, say } = setUp();
  Object.assign(globalThis, { RTCPeerConnection: undefined });
  say({ op: "open", id: 1, servers: [], gather: 100, offer: null });
  assert.equal(posted.length, 2);
  assert.equal(posted[0]!.ev, "failed");
  assert.deepEqual(posted[1], { ev: "gone", id: 1 });
});
