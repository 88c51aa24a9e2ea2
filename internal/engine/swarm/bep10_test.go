package swarm_test

// The sentences of BEP 10 that a peer can hold us to. The bit of the handshake is tested in
// package driver, the fields of the extension handshake in package wire.

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// greet is an extension handshake in which names have numbers.
func greet(m ...wire.Extension) wire.Message {
	h := wire.ExtHandshake{M: m}
	return enginetest.Extended(wire.ExtHandshakeID, h.Append(nil))
}

// chat sends a message of an extension of the application, and returns under which numbers the peer
// gets it.
func (r *rig) chat(key swarm.PeerKey) (ids []uint8) {
	r.T.Helper()
	r.Step(swarm.SendExt{Peer: key, Name: "sh_chat", Payload: []byte("hello")})
	for _, m := range r.Sent[key] {
		if m.ID == wire.Extended && string(m.Payload) == "hello" {
			ids = append(ids, m.ExtID)
		}
	}
	r.Sent[key] = nil
	return ids
}

// "This message should be sent immediately after the standard bittorrent handshake to any peer that
// supports this extension protocol."
func TestBEP10HandshakeIsTheFirstMessage(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.DHTPort = 6881 })
	key := r.join(joined{silent: true, dht: true, addr: "192.0.2.1:6881"})
	if m := r.Sent[key][0]; m.ID != wire.Extended || m.ExtID != wire.ExtHandshakeID {
		t.Fatalf("begins with %+v", m)
	}
	r.Step(swarm.PeerJoined{Peer: 77, ID: [20]byte{7}})
	if got := r.Sent[77]; len(got) != 0 {
		t.Fatalf("says %v to who does not speak it", got)
	}
}

// "The only requirement on these IDs is that no extension message share the same one."
func TestBEP10NumbersAreUnique(t *testing.T) {
	r := start(t, func(c *swarm.Config, content *idle) {
		content.exts = []swarm.Extension{{Name: "xx_one"}, {Name: "xx_two"}}
		chats(c, content)
	})
	seen := map[uint8]string{wire.ExtHandshakeID: "the handshake"}
	for _, e := range r.greeting(r.join(joined{silent: true})).M {
		if other, ok := seen[e.ID]; ok {
			t.Errorf("%d is %s and %s", e.ID, other, e.Name)
		}
		seen[e.ID] = e.Name
	}
	if len(seen) < 5 {
		t.Errorf("offers %v", seen)
	}
}

// "All items in the dictionary are optional. Any unknown names should be ignored by the client."
// "The client should ignore any extension names it doesn't recognize." "All parts of the dictionary are
// case sensitive."
func TestBEP10HandshakeMayHoldAnything(t *testing.T) {
	for name, tt := range map[string]struct {
		payload string
		chats   bool
	}{
		"nothing":              {"de", false},
		"no m":                 {"d1:v4:test1:xi1ee", false},
		"unknown keys":         {"d1:ai1e1:md7:sh_chati9ee4:zzzzd1:ali1eeee", true},
		"unknown extensions":   {"d1:md7:sh_chati9e10:xx_unknowni200eee", true},
		"another case":         {"d1:md7:SH_CHATi9eee", false},
		"m in another case":    {"d1:Md7:sh_chati9eee", false},
		"values of other kind": {"d1:md7:sh_chati9ee1:p3:abc4:reqql1:ae1:vi5ee", true},
	} {
		r := start(t, chats)
		key := r.join(joined{silent: true})
		r.recv(key, enginetest.Extended(wire.ExtHandshakeID, []byte(tt.payload)))
		if got := r.chat(key); len(got) == 1 != tt.chats || r.gone(key) {
			t.Errorf("%s: speaks under %v; closed: %v", name, got, r.Closed[key].Err)
		}
	}
}

// "The extension message IDs are the IDs used to send the extension messages to the peer sending this
// handshake. i.e. The IDs are local to this particular peer." "The extension IDs must be stored for
// every peer, becuase every peer may have different IDs for the same extension."
func TestBEP10NumbersAreThePeersOwn(t *testing.T) {
	r := start(t, chats)
	keys := map[swarm.PeerKey]uint8{}
	for id := uint8(20); id < 25; id++ {
		key := r.join(joined{silent: true})
		r.recv(key, greet(wire.Extension{Name: "sh_chat", ID: id}))
		keys[key] = id
	}
	for key, id := range keys {
		if got := r.chat(key); len(got) != 1 || got[0] != id {
			t.Fatalf("peer %d wants %d, gets %v", key, id, got)
		}
	}
}

// "It is valid to send the handshake message more than once during the lifetime of a connection, the
// sending client should not be disconnected." "it should note that the m dictionary is additive. It's
// enough that it contains the actual CHANGES to the extension list." "the value 0 is used to turn off an
// extension."
func TestBEP10LaterHandshakesAreAdditive(t *testing.T) {
	r := start(t, chats)
	key := r.join(joined{silent: true})
	for n, tt := range []struct {
		m    []wire.Extension
		want string // the numbers under which it is spoken to
	}{
		{[]wire.Extension{{Name: "sh_chat", ID: 40}}, "\x28"},
		{[]wire.Extension{{Name: "sh_other", ID: 41}}, "\x28"},
		{nil, "\x28"},
		{[]wire.Extension{{Name: "sh_chat", ID: 42}}, "\x2a"},
		{[]wire.Extension{{Name: "sh_chat", ID: 0}}, ""},
		{[]wire.Extension{{Name: "sh_other", ID: 0}}, ""},
		{[]wire.Extension{{Name: "sh_chat", ID: 43}}, "\x2b"},
	} {
		if r.recv(key, greet(tt.m...)); r.gone(key) {
			t.Fatalf("handshake %d: closed: %v", n, r.Closed[key].Err)
		}
		if got := r.chat(key); string(got) != tt.want {
			t.Fatalf("after handshake %d it is spoken to under %v", n, got)
		}
	}
}

// "Setting an extension number to zero means that the extension is not supported/disabled." A number
// that stands for nothing of ours is a message to be ignored.
func TestBEP10UnknownMessagesAreIgnored(t *testing.T) {
	r := start(t, chats)
	key := r.join(joined{})
	if r.recv(key, enginetest.Extended(200, []byte("what is this")), enginetest.Extended(99, nil)); r.gone(key) || len(did[swarm.GotExt](r)) != 0 {
		t.Fatalf("closed: %v", r.Closed[key].Err)
	}
}

// "v: Client name and version (as a utf-8 string)."
func TestBEP10Version(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.Client = "Shoal/test" })
	key := r.join(joined{silent: true})
	if v := r.greeting(key).V; v != "Shoal/test" {
		t.Errorf("is %q", v)
	}
	h := wire.ExtHandshake{V: "µTorrent 1.2"}
	if r.recv(key, enginetest.Extended(wire.ExtHandshakeID, h.Append(nil))); r.m.Peer(key).Client != "µTorrent 1.2" {
		t.Errorf("the peer is %q", r.m.Peer(key).Client)
	}
}

// "yourip: A string containing the compact representation of the ip address this peer sees you as." "This
// may be either an IPv4 (4 bytes) or an IPv6 (16 bytes) address."
func TestBEP10YourIP(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7:6881":          "6:yourip4:\xc0\x00\x02\x07",
		"[::ffff:192.0.2.7]:6881": "6:yourip4:\xc0\x00\x02\x07",
		"[2001:db8::7]:6881":      "6:yourip16:\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07",
	} {
		r := start(t, nil)
		key := r.join(joined{addr: netip.MustParseAddrPort(in).String(), silent: true})
		if got := string(r.ext(key, wire.ExtHandshakeID)[0]); !strings.Contains(got, want) {
			t.Errorf("%s is told %q", in, got)
		}
	}
}

// BEP 10: who has not set the bit of extensions is sent none, a greeting neither.
func TestBEP10_NoGreetingWithoutTheBit(t *testing.T) {
	r := start(t, nil)
	r.Last++
	r.Step(swarm.PeerJoined{Peer: r.Last, ID: [20]byte{1}, Fast: true})
	for _, m := range r.Sent[r.Last] {
		if m.ID == wire.Extended && !m.KeepAlive {
			t.Error("it is sent an extension message")
		}
	}
}
