// Package signal reads and writes the messages of the WebTorrent tracker
// protocol.
//
// There is no BEP for it; the reference is the code of bittorrent-tracker. One
// WebSocket per tracker carries all torrents of a client; one text message is
// one JSON object. An id (info_hash, peer_id, to_peer_id, offer_id) is a string
// of exactly 20 characters U+0000 to U+00FF, one for each byte.
//
// From client to tracker:
//
//	{"action":"announce","info_hash":ID,"peer_id":ID,"numwant":N,
//	 "uploaded":N,"downloaded":N,"left":N,"event":"started"|"completed"|"stopped"|...,
//	 "offers":[{"offer":{"type":"offer","sdp":"..."},"offer_id":ID}, ...],
//	 "trackerid":"...","key":"...","ice":1}
//	{"action":"announce","info_hash":ID,"peer_id":ID,"to_peer_id":ID,
//	 "answer":{"type":"answer","sdp":"..."},"offer_id":ID}
//	{"action":"scrape","info_hash":ID | [ID, ...] | absent}
//
// From tracker to client:
//
//	{"action":"announce","info_hash":ID,"interval":SECONDS,"complete":N,"incomplete":N,
//	 "min interval":SECONDS,"tracker id":"...","warning message":"...",
//	 "ice_servers":[{"urls":URL | [URL, ...],"username":"...","credential":"..."}, ...]}
//	{"action":"announce","info_hash":ID,"peer_id":ID,"offer_id":ID,"offer":{...}}
//	{"action":"announce","info_hash":ID,"peer_id":ID,"offer_id":ID,"answer":{...}}
//	{"action":"scrape","files":{ID:{"complete":N,"incomplete":N,"downloaded":N}, ...}}
//	{"action":"announce","info_hash":ID,"failure reason":"..."}
//
// ice and ice_servers are Shoal's: a client that says the one gets the other from a tracker
// that has STUN or TURN servers; nobody else does.
//
// An answer gets no reply of its own. Unknown keys are ignored in both
// directions. A failure always carries an action and an info hash here:
// without the one webtorrent.js gives up its shared socket, without the other
// libtorrent does.
//
// Ids and session descriptions are checked strictly, since a tracker passes
// them on to others. Numbers and events are read with tolerance, since clients
// disagree about them: an unknown event is a plain update, a left that is
// null, absent, negative or no number is unknown.
package signal
