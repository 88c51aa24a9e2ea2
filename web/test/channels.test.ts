import assert from "node:assert/strict";
import { test } from "node:test";
import { Channels, Kind, type ToPage } from "../src/channels";

/** A data channel as the browser has it, without a network. */
class FakeChannel {
  readyState = "connecting";
  binaryType = "";
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  sent: Uint8Array[] = [];
  onopen = () => {};
  onclose = () => {};
  onmessage = (_: { data: ArrayBuffer | string }) => {};
  onbufferedamountlow = () => {};

  open(): void {
    this.readyState = "open";
    this.onopen();
  }
  send(data: Uint8Array): void {
    if (this.readyState !== "open") throw new Error("not open");
    this.sent.push(data.slice());
    this.bufferedAmount += data.byteLength;
  }
  drain(): void {
    this.bufferedAmount = 0;
    this.onbufferedamountlow();
  }
  close(): void {
    this.readyState = "closing";
  }
  closed(): void {
    this.readyState = "closed";
    this.onclose();
  }
  message(...bytes: number[]): void {
    this.onmessage({ data: Uint8Array.from(bytes).buffer });
  }
}

function setUp() {
  const posted: ToPage[] = [];
  const events: [Kind, number, string][] = [];
  let later: (() => void)[] = [];
  const channels = new Channels(
    (m) => posted.push(m.rtc),
    (f) => later.push(f),
  );
  channels.listen((kind, id, value) => events.push([kind, id, value]));
  channels.open(1, "stun:a\nstun:b", 5000, null);
  return {
    channels,
    posted,
    events,
    turn: () => {
      const now = later;
      later = [];
      for (const f of now) f();
      return now.length;
    },
    attach: () => {
      const fake = new FakeChannel();
      channels.receive({ ev: "channel", id: 1, channel: fake as unknown as RTCDataChannel });
      return fake;
    },
  };
}

test("a connection is asked for and reports its steps", () => {
  const { channels, posted, events, attach } = setUp();
  assert.deepEqual(posted, [{ op: "open", id: 1, servers: ["stun:a", "stun:b"], gather: 5000, offer: null }]);
  const fake = attach();
  channels.receive({ ev: "sdp", id: 1, sdp: "v=0" });
  channels.accept(1, "answer");
  channels.receive({ ev: "refused", id: 1, error: "no good" });
  channels.receive({ ev: "accepted", id: 1 });
  fake.open();
  fake.onopen();
  assert.equal(fake.binaryType, "arraybuffer");
  assert.deepEqual(events, [
    [Kind.SDP, 1, "v=0"],
    [Kind.Refused, 1, "no good"],
    [Kind.Accepted, 1, ""],
    [Kind.Open, 1, ""],
  ]);
});

test("messages become a stream in order, announced once for a batch", () => {
  const { channels, events, attach, turn } = setUp();
  const fake = attach();
  fake.message(1, 2, 3); // before the open event, as may happen
  fake.message();
  fake.message(4);
  fake.onmessage({ data: "5" });
  assert.equal(turn(), 0); // who is told of a channel that is not open would send, which throws
  assert.deepEqual(events, []);
  fake.open();
  assert.equal(turn(), 1);
  assert.deepEqual(events, [
    [Kind.Open, 1, ""],
    [Kind.Readable, 1, ""],
  ]);
  const taken: number[][] = [];
  for (let part; (part = channels.take(1, 2)); ) taken.push([...part]);
  assert.deepEqual(taken, [[1, 2], [3], [4], [53]]);
  fake.message(6);
  assert.equal(turn(), 1);
  assert.deepEqual([...channels.take(1, 100)!], [6]);
  assert.equal(channels.take(1, 100), null);
  assert.equal(channels.take(99, 100), null);
});

test("a full buffer holds the writer back until it is low", () => {
  const { channels, events, attach } = setUp();
  const fake = attach();
  fake.open();
  channels.scratch.fill(7);
  let sent = 0;
  while (channels.send(1, 65536)) sent++;
  assert.ok(sent > 2 && sent < 20);
  assert.equal(fake.sent[0]!.byteLength, 65536);
  events.length = 0;
  fake.drain();
  fake.onbufferedamountlow();
  assert.deepEqual(events, [[Kind.Writable, 1, ""]]);
});

test("what arrived before the end can still be taken", () => {
  const { channels, posted, events, attach } = setUp();
  const fake = attach();
  fake.open();
  fake.message(1, 2);
  fake.closed();
  channels.receive({ ev: "gone", id: 1 });
  assert.deepEqual(events.slice(1), [
    [Kind.Closed, 1, ""],
    [Kind.Gone, 1, ""],
  ]);
  assert.deepEqual(posted.at(-1), { op: "close", id: 1 });
  assert.equal(channels.send(1, 10), true);
  assert.deepEqual([...channels.take(1, 1)!], [1]);
  assert.deepEqual([...channels.take(1, 1)!], [2]);
  assert.equal(channels.take(1, 1), null);
});

test("closing lets the channel deliver first", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { channels, posted, events, attach } = setUp();
  const fake = attach();
  fake.open();
  channels.close(1);
  assert.equal(fake.readyState, "closing");
  assert.equal(posted.length, 1);
  fake.message(1); // nobody wants it
  assert.equal(channels.take(1, 1), null);
  fake.closed();
  assert.deepEqual(posted.at(-1), { op: "close", id: 1 });
  assert.deepEqual(events, [[Kind.Open, 1, ""]]);
});

test("who sends more than is taken loses the connection", () => {
  const { posted, events, attach } = setUp();
  const fake = attach();
  const big = new ArrayBuffer(8 << 20);
  for (let i = 0; i < 6; i++) fake.onmessage({ data: big });
  assert.equal(events.at(-1)![0], Kind.Failed);
  assert.deepEqual(posted.at(-1), { op: "close", id: 1 });
});

test("a channel that stays in the page is relayed", () => {
  const { channels, posted, events, turn } = setUp();
  channels.receive({ ev: "relay", id: 1 });
  channels.receive({ ev: "relay-open", id: 1 });
  channels.receive({ ev: "relay-data", id: 1, data: Uint8Array.of(9, 8).buffer });
  turn();
  assert.deepEqual([...channels.take(1, 10)!], [9, 8]);
  let bytes = 65536;
  while (channels.send(1, 65536)) bytes += 65536;
  assert.equal(posted.filter((m) => m.op === "send").length, bytes / 65536);
  channels.receive({ ev: "relay-sent", id: 1, bytes });
  assert.equal(events.at(-1)![0], Kind.Writable);
  channels.receive({ ev: "relay-closed", id: 1 });
  assert.equal(events.at(-1)![0], Kind.Closed);
});

test("a channel for a connection that was given up is closed", () => {
  const { channels } = setUp();
  const fake = new FakeChannel();
  channels.receive({ ev: "channel", id: 2, channel: fake as unknown as RTCDataChannel });
  assert.equal(fake.readyState, "closing");
});

test("a further channel of the other side is told of before it opens", () => {
  const { channels, posted, events } = setUp();
  const fake = new FakeChannel();
  channels.receive({ ev: "more", id: -1, link: 1, label: "a label", channel: fake as unknown as RTCDataChannel });
  assert.deepEqual(events, [], "Go would speak on a channel that takes nothing yet");
  fake.readyState = "open";
  fake.onopen();
  assert.deepEqual(events, [[Kind.More, 1, "-1 a label"]]);
  channels.more(2, 1, "ours");
  assert.deepEqual(posted.at(-1), { op: "more", id: 2, link: 1, label: "ours" });
  channels.close(-1);
  assert.equal(fake.readyState, "closing");
});

test("a further channel that stays in the page", () => {
  const { channels, events } = setUp();
  channels.receive({ ev: "more", id: -1, link: 1, label: "x", channel: null });
  channels.receive({ ev: "relay", id: -1 });
  channels.receive({ ev: "relay-open", id: -1 });
  channels.receive({ ev: "relay-data", id: -1, data: Uint8Array.of(7).buffer });
  assert.deepEqual(events[0], [Kind.More, 1, "-1 x"]);
  assert.deepEqual([...channels.take(-1, 10)!], [7]);
});

// A worker with a small heap is collected seldom, and what lies behind buffers piles up.
test("the buffer of what was taken as a whole is given back at the next call", () => {
  const { channels, attach, turn } = setUp();
  const fake = attach();
  fake.open();
  const [first, second] = [new ArrayBuffer(8), new ArrayBuffer(4)];
  fake.onmessage({ data: first });
  fake.onmessage({ data: second });
  turn();
  channels.take(1, 5);
  channels.take(1, 100); // the rest
  assert.equal(first.byteLength, 8, "Go has still to copy this");
  assert.equal(channels.take(1, 100)?.byteLength, 4);
  assert.deepEqual([first.byteLength, second.byteLength], [0, 4]);
  assert.equal(channels.take(1, 100), null);
  assert.equal(second.byteLength, 0);
});
