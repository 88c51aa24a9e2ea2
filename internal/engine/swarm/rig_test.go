package swarm_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// idle is a content that wants nothing but what a test tells it to.
type idle struct {
	wants  swarm.Appetite
	worth  map[swarm.PeerKey]float64 // 0 for those not in it
	exts   []swarm.Extension
	got    []wire.ID // messages that the machine did not consume
	late   int
	joined int
	left   int
}

func (c *idle) Extensions() []swarm.Extension                     { return c.exts }
func (c *idle) Joined(*swarm.Peer)                                { c.joined++ }
func (c *idle) Left(*swarm.Peer)                                  { c.left++ }
func (c *idle) Greeting(*wire.ExtHandshake)                       {}
func (c *idle) Greeted(p *swarm.Peer, h *wire.ExtHandshake) error { p.Seed = h.UploadOnly; return nil }
func (c *idle) Message(p *swarm.Peer, it *swarm.Item) error       { c.got = append(c.got, it.ID); return nil }
func (c *idle) Late(swarm.PeerKey, *swarm.Item)                   { c.late++ }
func (c *idle) Event(ev swarm.Event)                              { ev.(within)() }
func (c *idle) Settle()                                           {}
func (c *idle) Deadline() time.Time                               { return time.Time{} }
func (c *idle) Wants() swarm.Appetite                             { return c.wants }
func (c *idle) Worth(p *swarm.Peer) float64                       { return c.worth[p.Key] }

// within is an event by which a test calls the machine as its content does.
type within func()

func (within) Event() {}

// rig is a machine with hand-made peers, on a clock that a test moves.
type rig struct {
	*enginetest.Rig
	m   *swarm.Machine
	c   *idle
	cfg swarm.Config
}

func start(t testing.TB, change func(*swarm.Config, *idle)) *rig {
	t.Helper()
	r := &rig{
		Rig: enginetest.New(t), c: &idle{wants: swarm.Anybody, worth: map[swarm.PeerKey]float64{}},
		cfg: swarm.Config{ListenPort: 6881},
	}
	copy(r.cfg.PeerID[:], "-SH0001-ourselves000")
	if change != nil {
		change(&r.cfg, r.c)
	}
	var err error
	if r.m, err = swarm.New(r.cfg, r.c); err != nil {
		t.Fatal(err)
	}
	r.Drive(r.m, nil)
	return r
}

type joined struct {
	addr     string
	incoming bool
	id       string
	relayed  bool
	dht      bool
	silent   bool // sends no extension handshake
	port     int
	seed     bool
	used     swarm.Hint
}

// join connects a peer and lets it send its extension handshake.
func (r *rig) join(j joined) swarm.PeerKey {
	r.T.Helper()
	ev := swarm.PeerJoined{
		Outgoing: !j.incoming, Fast: true, Extended: true,
		Relayed: j.relayed, DHT: j.dht, Used: j.used,
	}
	if j.addr != "" {
		ev.Addr = netip.MustParseAddrPort(j.addr)
	}
	key := r.Join(ev, j.id)
	if !j.silent && !r.gone(key) {
		h := wire.ExtHandshake{
			M: []wire.Extension{{Name: wire.ExtPEX, ID: 12}}, Port: j.port, UploadOnly: j.seed,
		}
		r.recv(key, enginetest.Extended(wire.ExtHandshakeID, h.Append(nil)))
	}
	return key
}

func (r *rig) recv(key swarm.PeerKey, msgs ...wire.Message) {
	r.T.Helper()
	items := make([]swarm.Item, len(msgs))
	for i, m := range msgs {
		items[i].Message = m
	}
	r.Step(swarm.Received{Peer: key, Items: items})
}

// alive keeps all peers from being dropped for their silence.
func (r *rig) alive() {
	for key := swarm.PeerKey(1); key <= r.Last; key++ {
		if r.m.Peer(key) != nil {
			r.recv(key, wire.Message{KeepAlive: true})
		}
	}
}

// waitAlive is wait, with peers that are not silent.
func (r *rig) waitAlive(d time.Duration) {
	r.T.Helper()
	for ; d > 0; d -= min(d, time.Minute) {
		r.alive()
		r.Wait(min(d, time.Minute))
	}
}

// ext returns the payloads sent to a peer under its number for an extension.
func (r *rig) ext(key swarm.PeerKey, id uint8) (list [][]byte) {
	for _, m := range r.Sent[key] {
		if m.ID == wire.Extended && !m.KeepAlive && m.ExtID == id {
			list = append(list, m.Payload)
		}
	}
	r.Sent[key] = nil
	return list
}

// greeting is the last extension handshake sent to a peer.
func (r *rig) greeting(key swarm.PeerKey) *wire.ExtHandshake {
	r.T.Helper()
	list := r.ext(key, wire.ExtHandshakeID)
	if len(list) == 0 {
		r.T.Fatal("no extension handshake")
	}
	h, err := wire.ParseExtHandshake(list[len(list)-1])
	if err != nil {
		r.T.Fatal(err)
	}
	return h
}

// did returns the effects of one type since the last look, and forgets all.
func did[E swarm.Effect](r *rig) []E { return enginetest.Did[E](r.Rig) }

func (r *rig) dials() (list []netip.AddrPort) {
	for _, d := range did[swarm.Dial](r) {
		list = append(list, d.Addr)
	}
	return list
}

func (r *rig) found(src swarm.Source, addrs ...netip.AddrPort) {
	r.T.Helper()
	r.Step(swarm.PeersFound{Addrs: addrs, Source: src})
}

func (r *rig) gone(key swarm.PeerKey) bool {
	_, gone := r.Closed[key]
	return gone
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func addrPort(a string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(a), port)
}

func crowdOf(n, net int) (list []netip.AddrPort) {
	for i := range n {
		list = append(list, addr(fmt.Sprintf("10.%d.%d.%d:6881", net, i>>8, i&255)))
	}
	return list
}

// pexID is the number under which the machine wants ut_pex.
const pexID = 1

func pexOf(flags byte, addrs ...netip.AddrPort) wire.Message {
	var msg wire.PEX
	for _, a := range addrs {
		msg.Added = append(msg.Added, wire.PEXPeer{Addr: a, Flags: flags})
	}
	return enginetest.Extended(pexID, msg.Append(nil))
}

func isOneOf(a netip.AddrPort, list []netip.AddrPort) bool { return slices.Contains(list, a) }
