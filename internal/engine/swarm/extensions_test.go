package swarm_test

import (
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

func chats(c *swarm.Config, _ *idle) {
	c.Extensions = []swarm.Extension{{Name: "sh_chat", MaxSize: 100}, {Name: "sh_other"}}
}

func TestExtensionOfTheApplication(t *testing.T) {
	r := start(t, chats)
	key := r.join(joined{silent: true})
	h := r.greeting(key)
	if id, _ := h.ID("sh_chat"); id != 16 {
		t.Fatalf("wants sh_chat as %d", id)
	}
	if id, _ := h.ID("sh_other"); id != 17 {
		t.Fatalf("wants sh_other as %d", id)
	}
	r.Step(swarm.SendExt{Peer: key, Name: "sh_chat", Payload: []byte("too early")})
	theirs := wire.ExtHandshake{M: []wire.Extension{{Name: "sh_chat", ID: 40}, {Name: "xx_unheard_of", ID: 41}}}
	r.recv(key, enginetest.Extended(wire.ExtHandshakeID, theirs.Append(nil)))
	if got := did[swarm.Speaks](r); len(got) != 1 || got[0] != (swarm.Speaks{Peer: key, Name: "sh_chat"}) {
		t.Fatalf("the application is told of %+v", got)
	}
	if p := r.m.Peer(key); !p.Speaks("sh_chat") || !p.Speaks("xx_unheard_of") || p.Speaks("sh_other") {
		t.Fatal("what the peer speaks is not kept")
	}
	r.Step(swarm.SendExt{Peer: key, Name: "sh_chat", Payload: []byte("hello")})
	if got := r.ext(key, 40); len(got) != 1 || string(got[0]) != "hello" {
		t.Fatalf("sent %q", got)
	}
	r.recv(key, enginetest.Extended(16, []byte("hello yourself")))
	if got := did[swarm.GotExt](r); len(got) != 1 || got[0].Peer != key || got[0].Name != "sh_chat" || string(got[0].Payload) != "hello yourself" {
		t.Fatalf("%+v", got)
	}
	// BEP 10: "Setting this value to zero means that the extension is not supported or disabled."
	off := wire.ExtHandshake{M: []wire.Extension{{Name: "sh_chat", ID: 0}}}
	r.recv(key, enginetest.Extended(wire.ExtHandshakeID, off.Append(nil)))
	r.Step(swarm.SendExt{Peer: key, Name: "sh_chat", Payload: []byte("anybody there")})
	if got := r.ext(key, 40); len(got) != 0 {
		t.Fatalf("sent %q to who switched it off", got)
	}
	r.recv(key, enginetest.Extended(16, make([]byte, 101)))
	if !enginetest.IsBreach(r.Closed[key].Err) {
		t.Fatal("a message over its limit is let through")
	}
}

// BEP 10: "the handshake message" may come again and again; what it names is
// bounded in all.
func TestNamesOfAPeerAreBounded(t *testing.T) {
	r := start(t, chats)
	key := r.join(joined{silent: true})
	for k := range 20 {
		var h wire.ExtHandshake
		for n := range 100 {
			h.M = append(h.M, wire.Extension{Name: strings.Repeat(string(rune('a'+k)), 20) + string(rune('0'+n)), ID: 9})
		}
		r.recv(key, enginetest.Extended(wire.ExtHandshakeID, h.Append(nil)))
	}
	n := 0
	for k := range 20 {
		for i := range 100 {
			if r.m.Peer(key).Speaks(strings.Repeat(string(rune('a'+k)), 20) + string(rune('0'+i))) {
				n++
			}
		}
	}
	if n != wire.MaxExtensions {
		t.Fatalf("keeps %d names", n)
	}
}

func TestExtensionsAreCheckedAtTheDoor(t *testing.T) {
	for name, list := range map[string][]swarm.Extension{
		"twice":     {{Name: "sh_chat"}, {Name: "sh_chat"}},
		"ours":      {{Name: wire.ExtPEX}},
		"nameless":  {{}},
		"long name": {{Name: strings.Repeat("x", 65)}},
		"too many":  make([]swarm.Extension, 250),
	} {
		cfg := swarm.Config{PeerID: [20]byte{1}, Extensions: list}
		if _, err := swarm.New(cfg, &idle{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := swarm.New(swarm.Config{}, &idle{}); err == nil {
		t.Error("accepted without a peer id")
	}
}

// BEP 10: "yourip" is the peer's address as we see it, where there is one.
func TestPeerIsToldItsAddress(t *testing.T) {
	r := start(t, nil)
	if ip := r.greeting(r.join(joined{addr: "192.0.2.1:6881"})).YourIP; ip != addr("192.0.2.1:1").Addr() {
		t.Fatalf("told %v", ip)
	}
	if ip := r.greeting(r.join(joined{})).YourIP; ip.IsValid() {
		t.Fatalf("told %v", ip)
	}
}
