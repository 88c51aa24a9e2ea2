import assert from "node:assert/strict";
import { test } from "node:test";
import { magnetKey, magnetName, parseFragment, parseSource, saysMore, SourceError } from "../src/source";

const hex = "0123456789abcdef0123456789abcdef01234567";
const v2 = "ab".repeat(32);

test("an info hash in hex or base32", () => {
  assert.deepEqual(parseSource(` ${hex.toUpperCase()}\n`), { kind: "hash", id: hex, hash: hex, trackers: [] });
  assert.deepEqual(parseSource("AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH"), { kind: "hash", id: hex, hash: hex, trackers: [] });
});

test("a v2 info hash, wherever one is taken", () => {
  const wanted = { kind: "hash", id: v2.slice(0, 40), hash: v2, trackers: [] };
  for (const text of [v2, v2.toUpperCase(), "1220" + v2]) {
    assert.deepEqual(parseSource(text), wanted);
    assert.deepEqual(parseFragment("#" + text), wanted);
  }
  assert.deepEqual(parseSource(`http://192.168.1.5:8080/#${v2}`), { ...wanted, trackers: ["ws://192.168.1.5:8080/announce"] });
});

test("a magnet link names its swarm by v1 first, else by the truncated v2 hash", () => {
  assert.equal(magnetKey(`magnet:?xt=urn:btmh:1220${v2}&xt=urn:btih:${hex}`), hex);
  assert.equal(magnetKey(`magnet:?dn=a%20b&xt.1=urn%3Abtmh%3A1220${v2}`), v2.slice(0, 40));
  assert.equal(magnetKey("magnet:?dn=nothing&xt=urn:btih:123"), null);
  assert.equal(magnetName("magnet:?xt=urn:btih:0&dn=The+deep%20sea"), "The deep sea");
  assert.equal(magnetName("magnet:?xt=urn:btih:0&dn=100%"), "100%");
});

test("a link is read as the engine reads it", () => {
  const one = `magnet:?xt=urn:btih:${hex}`;
  const other = "f".repeat(40);
  for (const uri of [one + "#top", one + "&dn=100%", one + "&amp;dn=x", "MAGNET:?XT.1=URN:BTIH:" + hex.toUpperCase(), one.replace("?", "//?"),
    "magnet:?xt=urn:btih:123&xt=urn:btih:" + hex, `magnet:?xt=urn:btih:${other}&xt.2=urn:btih:${hex}`, one + "&xt=urn:btmh:1320" + v2]) {
    assert.deepEqual(parseSource(uri), { kind: "magnet", uri, id: hex }, uri);
  }
  assert.equal(magnetKey("magnet:?xt=urn:btih:" + v2), v2.slice(0, 40));
  assert.equal(magnetKey("magnet:?xt=urn:btmh:" + hex), null);
  for (const [dn, name] of [["100%+real", "100% real"], ["100%25+caf%C3%A9%", "100% café%"], ["Track #1", "Track #1"], ["%ffA%1b[2J", "\ufffdA[2J"], ["a%2Bb", "a+b"], ["&DN=x", "x"]]) {
    assert.equal(magnetName(one + "&dn=" + dn), name);
  }
});

test("a magnet link in a page's address is decoded once", () => {
  const uri = `magnet:?xt=urn:btih:${hex}&dn=100%25ZZ%2541`;
  assert.deepEqual(parseSource("https://example.org/#" + uri), { kind: "magnet", uri, id: hex });
  assert.deepEqual(parseFragment("#" + uri), { kind: "magnet", uri, id: hex });
  assert.equal(magnetName(uri), "100%ZZ%41");
  const capitals = `MAGNET:?xt=urn:btih:${hex}`;
  assert.deepEqual(parseSource("HTTPS://example.org/#" + capitals), { kind: "magnet", uri: capitals, id: hex });
});

test("a share link brings the tracker of its node along", () => {
  assert.deepEqual(parseSource(`http://192.168.1.5:8080/#${hex}`), { kind: "hash", id: hex, hash: hex, trackers: ["ws://192.168.1.5:8080/announce"] });
  assert.deepEqual(parseSource(`https://example.org/#${hex}`), { kind: "hash", id: hex, hash: hex, trackers: ["wss://example.org/announce"] });
  const magnet = `magnet:?xt=urn:btih:${hex}`;
  assert.deepEqual(parseSource(`https://example.org/#${magnet}`), { kind: "magnet", uri: magnet, id: hex });
});

test("any other address is taken for a .torrent", () => {
  assert.deepEqual(parseSource("https://example.org/a.torrent"), { kind: "url", url: "https://example.org/a.torrent" });
});

test("a fragment may be encoded once more by what passed it on", () => {
  assert.deepEqual(parseFragment("#" + encodeURIComponent(`magnet:?xt=urn:btih:${hex}`)), { kind: "magnet", uri: `magnet:?xt=urn:btih:${hex}`, id: hex });
  for (const fragment of ["", "#", "#about", "#" + hex.slice(1), "#magnet:?dn=x", "#%E0%A4%A"]) assert.equal(parseFragment(fragment), null);
});

test("what is no link is refused in plain words", () => {
  for (const text of ["", "hello", "ftp://example.org/x", "magnet:?dn=x", hex.slice(2), "http://", "javascript:alert(1)"]) {
    assert.throws(() => parseSource(text), (err) => err instanceof SourceError && err.message.endsWith("."), text);
  }
});

test("a link that says more than this site's trackers do is passed on whole", () => {
  const hash = "magnet:?xt=urn:btih:" + "ab".repeat(20);
  const ours = ["wss://here.example/announce"];
  assert.equal(saysMore(hash, ours), false);
  assert.equal(saysMore(hash + "&tr=wss%3A%2F%2Fhere.example%2Fannounce", ours), false);
  assert.equal(saysMore(hash + "&tr=wss%3A%2F%2Fhere.example%2Fannounce&tr=udp%3A%2F%2Fthere.example%3A80", ours), true);
  assert.equal(saysMore(hash + "&tr.1=wss://there.example", ours), true);
  assert.equal(saysMore(hash + "&ws=https%3A%2F%2Fmirror.example%2F", ours), true);
});
