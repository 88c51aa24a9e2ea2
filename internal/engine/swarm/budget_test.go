package swarm_test

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// What costs the sender nothing must not go on for ever.
func TestMessagesOfNoUseHaveAnEnd(t *testing.T) {
	for name, m := range map[string]wire.Message{
		"keep-alives":           {KeepAlive: true},
		"unknown messages":      {ID: 99},
		"large unknown ones":    {ID: 99, Payload: make([]byte, 1<<20)},
		"unknown extensions":    enginetest.Extended(77, make([]byte, 100)),
		"extension handshakes":  enginetest.Extended(0, []byte("de")),
		"peer exchange":         pexOf(0),
		"DHT ports":             {ID: wire.Port, Port: 1},
		"an extension's flood":  enginetest.Extended(16, []byte("hello")),
		"an extension's volume": enginetest.Extended(16, make([]byte, 1000)),
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *swarm.Config, _ *idle) {
				c.Extensions = []swarm.Extension{{Name: "sh_chat", MaxSize: 1000, Rate: 1000}}
			})
			friend := r.join(joined{})
			enemy := r.join(joined{})
			n := 0
			for ; n < 10_000 && !r.gone(enemy); n++ {
				r.recv(enemy, m)
				r.Now = r.Now.Add(time.Millisecond)
			}
			if c := r.Closed[enemy]; !enginetest.IsBreach(c.Err) || c.Ban {
				t.Fatalf("%d messages: closed with %v", n, c.Err)
			}
			if len(r.Closed) != 1 || r.m.Peer(friend) == nil {
				t.Fatal("others are closed")
			}
		})
	}
}

// A peer that goes on for a day, modestly, floods nobody.
func TestModestPeerStays(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) {
		c.Extensions = []swarm.Extension{{Name: "sh_chat", MaxSize: 1000, Rate: 1000}}
	})
	key := r.join(joined{addr: "10.0.0.1:6881"})
	for range 24 * 60 {
		r.recv(key, wire.Message{KeepAlive: true}, wire.Message{ID: 99, Payload: make([]byte, 1000)},
			enginetest.Extended(16, make([]byte, 1000)), pexOf(0, crowdOf(50, 3)...))
		r.Wait(time.Minute)
		r.Effects, r.Sent = nil, map[swarm.PeerKey][]wire.Message{}
	}
	if c, gone := r.Closed[key]; gone {
		t.Fatalf("closed: %v", c.Err)
	}
}

func TestSilenceIsKeptAliveAndEnds(t *testing.T) {
	r := start(t, nil)
	key := r.join(joined{})
	r.Sent[key] = nil
	r.Wait(100 * time.Second)
	if got := r.Sent[key]; len(got) != 1 || !got[0].KeepAlive {
		t.Fatalf("sent %v in 100 s: BEP 3 has a keep-alive within two minutes", got)
	}
	r.Wait(70 * time.Second)
	if r.gone(key) {
		t.Fatal("closed before three minutes")
	}
	r.Wait(21 * time.Second)
	if r.Closed[key].Err != swarm.ErrIdle {
		t.Fatalf("closed %v", r.Closed)
	}
}
