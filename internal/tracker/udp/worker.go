package udp

import (
	"bytes"
	"crypto/aes"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/compact"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"
	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/hook"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/udpio"
)

// maxReply keeps replies below the IPv6 minimum MTU, so that none is fragmented.
const maxReply = 1232

// A worker answers the packets of one socket. Whatever a packet needs is here and is
// used again for the next, so that none allocates.
type worker struct {
	s       *Server
	n       *stats.Counters
	now     time.Time // of the batch
	scratch [aes.BlockSize]byte
	request udpwire.Request
	client  core.Client
	peers   []swarm.TCPPeer
	// later returns a function that sends one packet to the sender of this one, at any time and by any
	// goroutine.
	later func() func(b []byte)

	// Wrong connection ids and too many announces are answered, as long as it
	// costs little: the client may know no better. A flood gets silence.
	refusals, refusalsAt int64

	turns atomic.Uint32 // odd while a batch is answered
}

// maxErrorReplies is how many of these a worker answers in a second.
const maxErrorReplies = 1000

func (s *Server) newWorker() *worker {
	return &worker{s: s, n: s.cfg.Counters.New(), client: core.Client{Door: stats.UDP}}
}

func (w *worker) serve(b udpio.Batch) error {
	at := 0 // the packet of now
	w.later = func() func([]byte) { return b.Later(at) }
	for failed := 0; ; {
		n, err := b.Read()
		if err != nil {
			select {
			case <-w.s.done:
				return nil
			default:
			}
			// The system may be short of memory for a moment.
			if failed++; errors.Is(err, net.ErrClosed) || failed > 100 {
				return err
			}
			continue
		}
		failed = 0
		w.turns.Add(1)
		w.now = w.s.cfg.Now()
		for i := range n {
			at = i
			packet, from, local := b.Packet(i)
			if out := w.handle(b.Buffer(), packet, from, local); len(out) > 0 {
				b.Reply(i, out)
			}
		}
		b.Flush()
		w.turns.Add(1)
	}
}

// handle appends the reply to a packet, or nothing for one that deserves none: what
// is no request, and what could make the tracker send more than it gets.
func (w *worker) handle(dst, packet []byte, from netip.AddrPort, local netip.Addr) []byte {
	ip := from.Addr().WithZone("")
	r := &w.request
	if !ip.IsValid() || from.Port() == 0 || r.Parse(packet) != nil {
		w.n.Malformed.Add(1)
		return dst
	}
	if r.Action == udpwire.Connect {
		return udpwire.AppendConnectReply(dst, r.Txn, w.s.ids.make(&w.scratch, ip, w.now))
	}
	if !w.s.ids.valid(&w.scratch, r.ConnID, ip, w.now) {
		// Somebody else may have sent this: the answer is less than any such request.
		w.n.Malformed.Add(1)
		w.n.Refuse(stats.UDP, limit.ConnectionID, ip)
		return w.failSome(dst, limit.ConnectionID, ip)
	}
	if why := w.s.cfg.Core.Pace(w.n, w.now, stats.UDP, ip); why != limit.None {
		return w.failSome(dst, why, ip)
	}
	w.client.Addr = ip
	if r.Action == udpwire.Scrape {
		return w.scrape(dst)
	}
	return w.announce(dst, netip.AddrPortFrom(ip, r.Announce.Port), local)
}

func (w *worker) fail(dst []byte, text string) []byte {
	return udpwire.AppendError(dst, w.request.Txn, text)
}

// failSome answers what has been refused, or not, when there is too much of it.
func (w *worker) failSome(dst []byte, why limit.Reason, ip netip.Addr) []byte {
	if at := w.now.Unix(); at != w.refusalsAt {
		w.refusals, w.refusalsAt = 0, at
	}
	if w.refusals++; w.refusals > maxErrorReplies {
		w.n.Limit(limit.UDPErrors, ip)
		return dst
	}
	return w.fail(dst, why.Error())
}

func (w *worker) announce(dst []byte, addr netip.AddrPort, local netip.Addr) []byte {
	t, r, a := w.s.cfg.Core, &w.request, &w.request.Announce
	if a.Port == 0 {
		w.n.Refuse(stats.UDP, limit.Malformed, addr.Addr())
		return w.fail(dst, "port is 0")
	}
	w.client.Query, w.client.PeerID, w.client.Trust = "", a.PeerID, swarm.Ordinary
	if w.s.cfg.Queries {
		if _, query, ok := bytes.Cut(a.URLData, []byte("?")); ok {
			w.client.Query = string(query)
		}
	}
	if err := t.Admit(w.n, &w.client, a.InfoHash); err != nil {
		return w.fail(dst, err.Error())
	}
	family, size := swarm.V4, compact.Len4
	if addr.Addr().Is6() || r.Action == udpwire.Announce6 {
		family, size = swarm.V6, compact.Len6
	}
	event := swarm.None
	if a.Event <= udpwire.EventStopped {
		event = swarm.Event(a.Event) // both have the numbers of BEP 15
	}
	q := query{action: r.Action, txn: r.Txn, peer: swarm.TCPAnnounce{
		Hash: a.InfoHash, Peer: a.PeerID, Addr: addr, Event: event, Left: a.Left, Family: family,
		Want: min(t.Want(int(a.NumWant)), (maxReply-20)/size), Local: local, Trust: w.client.Trust,
	}}
	if t.Asks(event) {
		switch v := w.ask(q); v.Answer {
		case hook.Pending:
			return dst
		case hook.Denied:
			return q.deny(dst, t, w.n, w.now, &w.client, v)
		}
	}
	dst, w.peers = q.answer(dst, t, w.n, w.now, w.peers)
	return dst
}

// A query is an announce, and what its reply needs.
type query struct {
	action udpwire.Action
	txn    uint32
	peer   swarm.TCPAnnounce
}

// answer appends the reply of an announce that is taken. peers is memory that it returns.
func (q *query) answer(dst []byte, t *core.Core, n *stats.Counters, now time.Time, peers []swarm.TCPPeer) ([]byte, []swarm.TCPPeer) {
	a := &q.peer
	counts, peers, err := t.AnnounceTCP(n, now, stats.UDP, *a, peers[:0])
	if err != nil {
		return udpwire.AppendError(dst, q.txn, err.Error()), peers
	}
	dst = udpwire.AppendAnnounceReply(dst, q.action, q.txn, uint32(t.IntervalTCP(a.Event, len(peers))),
		uint32(counts.Incomplete), uint32(counts.Complete))
	for _, p := range peers[:min(len(peers), a.Want)] {
		// The local address that stands in for a loopback peer's may be of the other family.
		if p.Addr.Addr().Is6() == (a.Family == swarm.V6) {
			dst = compact.Append(dst, p.Addr)
		}
	}
	return dst, peers
}

// deny appends the reply of an announce that the Hook has denied.
func (q *query) deny(dst []byte, t *core.Core, n *stats.Counters, now time.Time, c *core.Client, v hook.Verdict) []byte {
	t.DenyTCP(n, now, c, &q.peer, v)
	return udpwire.AppendError(dst, q.txn, v.Reason)
}

// ask returns what the Hook says of an announce. If that is Pending, the reply is sent when it has come. How
// many may wait, and for how long, the Hook bounds.
func (w *worker) ask(q query) hook.Verdict {
	t := w.s.cfg.Core
	if v, ok := t.Known(&w.client, q.peer.Hash); ok {
		return v
	}
	s, c, send := w.s, w.client, w.later()
	return t.Ask(&c, q.peer.Hash, q.peer.Addr.Port(), q.peer.Left, q.peer.Event, func(v hook.Verdict) {
		n, now := s.cfg.Counters.Shared(), s.cfg.Now()
		if v.Answer == hook.Denied {
			send(q.deny(nil, t, n, now, &c, v))
			return
		}
		reply, _ := q.answer(nil, t, n, now, nil)
		send(reply)
	})
}

func (w *worker) scrape(dst []byte) []byte {
	w.n.Scrapes[stats.UDP].Add(1)
	w.client.Query = ""
	dst = udpwire.AppendScrapeReply(dst, w.request.Txn)
	hashes := w.request.Hashes
	for n := min(w.s.cfg.Scrape, udpwire.MaxScrape); n > 0 && len(hashes) >= 20; n-- {
		s := w.s.cfg.Core.Scrape(&w.client, [20]byte(hashes))
		dst = udpwire.AppendCounter(dst, uint32(s.Complete), uint32(s.Downloaded), uint32(s.Incomplete))
		hashes = hashes[20:]
	}
	return dst
}
