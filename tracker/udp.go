package tracker

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/compact"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/udpio"
)

// maxUDPReply keeps replies below the IPv6 minimum MTU, so that none is fragmented.
const maxUDPReply = 1232

// ListenUDP opens sockets for ServeUDP on addr ("host:port"; an empty host means all
// addresses, of IPv4 and IPv6). On Linux it opens one for each core. The address
// of a TCP listener, ln.Addr().String(), gives UDP the same port.
func ListenUDP(addr string) ([]net.PacketConn, error) {
	list, err := udpio.Listen(addr, runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	conns := make([]net.PacketConn, len(list))
	for i, u := range list {
		conns[i] = u
	}
	return conns, nil
}

// ServeUDP answers UDP announces and scrapes on conns, which it closes in the end. It
// blocks until Close, then it returns nil, or until one cannot be read any more.
func (t *Tracker) ServeUDP(conns ...net.PacketConn) error {
	closeAll := func() {
		for _, pc := range conns {
			pc.Close()
		}
	}
	defer closeAll()
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return ErrClosed
	}
	for _, pc := range conns {
		t.packets[pc] = struct{}{}
	}
	t.wg.Add(1)
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		for _, pc := range conns {
			delete(t.packets, pc)
		}
		t.mu.Unlock()
		t.wg.Done()
	}()

	ended := make(chan error, len(conns))
	for _, pc := range conns {
		w := newUDPWorker(t)
		go func() { ended <- w.serve(udpio.New(pc)) }()
	}
	var first error
	for i := range conns {
		if err := <-ended; i == 0 {
			first = err
			closeAll()
		}
	}
	return first
}

// A udpWorker answers the packets of one socket. Whatever a packet needs is here and is
// used again for the next, so that none allocates.
type udpWorker struct {
	t       *Tracker
	now     time.Time // of the batch
	scratch [aes.BlockSize]byte
	request udpwire.Request
	client  Client
	peers   []swarm.TCPPeer

	// What the batch has counted.
	malformed, limited uint64

	// Wrong connection ids and too many announces are answered, as long as it
	// costs little: the client may know no better. A flood gets silence.
	refusals, refusalsAt int64
}

// maxUDPRefusals is how many of these a worker answers in a second.
const maxUDPRefusals = 1000

func newUDPWorker(t *Tracker) *udpWorker {
	return &udpWorker{t: t, client: Client{Door: UDP}}
}

func (w *udpWorker) serve(b udpio.Batch) error {
	for failed := 0; ; {
		n, err := b.Read()
		if err != nil {
			select {
			case <-w.t.done:
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
		w.now = w.t.cfg.Now()
		for i := range n {
			packet, from, local := b.Packet(i)
			if out := w.handle(b.Buffer(), packet, from, local); len(out) > 0 {
				b.Reply(i, out)
			}
		}
		b.Flush()
		w.t.shared.malformed.Add(w.malformed)
		w.t.shared.limited.Add(w.limited)
		w.malformed, w.limited = 0, 0
	}
}

// handle appends the reply to a packet, or nothing for one that deserves none: what
// is no request, and what could make the tracker send more than it gets.
func (w *udpWorker) handle(dst, packet []byte, from netip.AddrPort, local netip.Addr) []byte {
	ip := from.Addr().WithZone("")
	r := &w.request
	if !ip.IsValid() || from.Port() == 0 || r.Parse(packet) != nil {
		w.malformed++
		return dst
	}
	if r.Action == udpwire.Connect {
		return udpwire.AppendConnectReply(dst, r.Txn, w.t.ids.make(&w.scratch, ip, w.now))
	}
	if !w.t.ids.valid(&w.scratch, r.ConnID, ip, w.now) {
		// Somebody else may have sent this: the answer is less than any such request.
		w.malformed++
		return w.refuseSome(dst, "connection id is not valid")
	}
	if !w.t.admitRate(w.now, ip) {
		w.limited++
		return w.refuseSome(dst, errRate.Error())
	}
	w.client.Addr = ip
	if r.Action == udpwire.Scrape {
		return w.scrape(dst)
	}
	return w.announce(dst, netip.AddrPortFrom(ip, r.Announce.Port), local)
}

func (w *udpWorker) refuse(dst []byte, reason string) []byte {
	w.t.refused[UDP].Add(1)
	return udpwire.AppendError(dst, w.request.Txn, reason)
}

func (w *udpWorker) refuseSome(dst []byte, reason string) []byte {
	if at := w.now.Unix(); at != w.refusalsAt {
		w.refusals, w.refusalsAt = 0, at
	}
	if w.refusals++; w.refusals > maxUDPRefusals {
		w.t.refused[UDP].Add(1)
		return dst
	}
	return w.refuse(dst, reason)
}

func (w *udpWorker) announce(dst []byte, addr netip.AddrPort, local netip.Addr) []byte {
	t, r, a := w.t, &w.request, &w.request.Announce
	if a.Port == 0 {
		return w.refuse(dst, "port is 0")
	}
	w.client.Query = ""
	if t.cfg.AllowAnnounce != nil {
		if _, query, ok := bytes.Cut(a.URLData, []byte("?")); ok {
			w.client.Query = string(query)
		}
	}
	if err := t.admit(&w.client, a.InfoHash); err != nil {
		return w.refuse(dst, err.Error())
	}
	family, size := swarm.V4, compact.Len4
	if addr.Addr().Is6() || r.Action == udpwire.Announce6 {
		family, size = swarm.V6, compact.Len6
	}
	want := int(a.NumWant)
	if want < 0 {
		want = defaultNumWant
	}
	want = min(want, t.cfg.Limits.NumWant, (maxUDPReply-20)/size)
	event := swarm.None
	if a.Event <= udpwire.EventStopped {
		event = swarm.Event(a.Event) // both have the numbers of BEP 15
	}
	counts, peers, err := t.announceTCP(w.now, UDP, swarm.TCPAnnounce{
		Hash: a.InfoHash, Peer: a.PeerID, Addr: addr, Event: event, Left: a.Left, Family: family, Want: want,
		Place: t.place(addr.Addr()),
	}, w.peers[:0])
	w.peers = peers[:0]
	if err != nil {
		return w.refuse(dst, err.Error())
	}
	dst = udpwire.AppendAnnounceReply(dst, r.Action, r.Txn, uint32(seconds(t.intervalTCP(event, len(peers)))),
		uint32(counts.Incomplete), uint32(counts.Complete))
	for _, p := range reachable(peers[:min(len(peers), want)], addr.Addr(), local) {
		// The local address that stands in for a loopback peer's may be of the other family.
		if p.Addr.Addr().Is6() == (family == swarm.V6) {
			dst = compact.Append(dst, p.Addr)
		}
	}
	return dst
}

func (w *udpWorker) scrape(dst []byte) []byte {
	w.t.scrapes[UDP].Add(1)
	w.client.Query = ""
	dst = udpwire.AppendScrapeReply(dst, w.request.Txn)
	hashes := w.request.Hashes
	for n := min(w.t.cfg.Limits.Scrape, udpwire.MaxScrape); n > 0 && len(hashes) >= 20; n-- {
		s := w.t.scrape(&w.client, [20]byte(hashes))
		dst = udpwire.AppendCounter(dst, uint32(s.Complete), uint32(s.Downloaded), uint32(s.Incomplete))
		hashes = hashes[20:]
	}
	return dst
}

// connIDs makes connection ids that only the receiver of a packet to that address
// can know, and remembers nothing: an id is the keyed hash of the address with
// the minute in which it was made, of which its last two bits tell. It is valid
// for two to three minutes.
type connIDs struct{ block cipher.Block }

const connIDPeriod = time.Minute

func newConnIDs() (*connIDs, error) {
	var key [16]byte
	if _, err := crand.Read(key[:]); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return &connIDs{block}, nil
}

// make returns an id. scratch is memory for the hash to work in.
func (c *connIDs) make(scratch *[aes.BlockSize]byte, ip netip.Addr, now time.Time) uint64 {
	return c.at(scratch, ip, period(now))
}

func (c *connIDs) valid(scratch *[aes.BlockSize]byte, id uint64, ip netip.Addr, now time.Time) bool {
	p := period(now)
	age := (p - int64(id)) & 3
	// Two machine words are compared in the same time, whatever they are.
	return age <= 2 && id == c.at(scratch, ip, p-age)
}

func period(now time.Time) int64 { return now.Unix() / int64(connIDPeriod/time.Second) }

// at is the CBC-MAC of two blocks; all inputs have the same length, which makes it safe.
func (c *connIDs) at(scratch *[aes.BlockSize]byte, ip netip.Addr, period int64) uint64 {
	*scratch = ip.As16()
	b := scratch[:]
	c.block.Encrypt(b, b)
	binary.BigEndian.PutUint64(b, binary.BigEndian.Uint64(b)^uint64(period))
	c.block.Encrypt(b, b)
	return binary.BigEndian.Uint64(b)&^3 | uint64(period)&3
}
