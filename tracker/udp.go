package tracker

import (
	"crypto/aes"
	"crypto/cipher"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/tracker/swarm"
	"github.com/shoal-p2p/shoal/trackerclient/compact"
	"github.com/shoal-p2p/shoal/trackerclient/udpwire"
)

// maxUDPReply keeps replies below the IPv6 minimum MTU, so that none is fragmented.
const maxUDPReply = 1232

// ServeUDP answers UDP announces and scrapes on pc, which it closes in the end. It
// blocks until Close, then it returns nil, or until pc cannot be read any more.
func (t *Tracker) ServeUDP(pc net.PacketConn) error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		pc.Close()
		return ErrClosed
	}
	t.packets[pc] = struct{}{}
	t.wg.Add(1)
	t.mu.Unlock()
	defer func() {
		pc.Close()
		t.mu.Lock()
		delete(t.packets, pc)
		t.mu.Unlock()
		t.wg.Done()
	}()

	local := addrOf(pc.LocalAddr())
	in, out := make([]byte, 2048), make([]byte, 0, maxUDPReply)
	failed := 0
	for {
		n, from, err := readFrom(pc, in)
		if err != nil {
			select {
			case <-t.done:
				return nil
			default:
			}
			// Some systems report here that an earlier reply could not be delivered.
			if failed++; errors.Is(err, net.ErrClosed) || failed > 100 {
				return err
			}
			continue
		}
		failed = 0
		if out = t.handleUDP(out[:0], in[:n], from, local); len(out) > 0 {
			writeTo(pc, out, from)
		}
	}
}

// A *net.UDPConn reads and writes without allocating addresses.
func readFrom(pc net.PacketConn, b []byte) (int, netip.AddrPort, error) {
	if u, ok := pc.(*net.UDPConn); ok {
		n, from, err := u.ReadFromUDPAddrPort(b)
		return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
	}
	n, from, err := pc.ReadFrom(b)
	if err != nil {
		return n, netip.AddrPort{}, err
	}
	ap, _ := netip.ParseAddrPort(from.String())
	return n, netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

func writeTo(pc net.PacketConn, b []byte, to netip.AddrPort) {
	if u, ok := pc.(*net.UDPConn); ok {
		u.WriteToUDPAddrPort(b, to) // A reply that is lost is asked for again.
		return
	}
	pc.WriteTo(b, net.UDPAddrFromAddrPort(to))
}

// handleUDP appends the reply to a packet, or nothing for one that deserves none:
// what is no request, and what could make the tracker send more than it gets.
func (t *Tracker) handleUDP(dst, packet []byte, from netip.AddrPort, local netip.Addr) []byte {
	if !from.IsValid() || from.Port() == 0 {
		return dst
	}
	ip := from.Addr().WithZone("")
	r, err := udpwire.ParseRequest(packet)
	if err != nil {
		return dst
	}
	now := t.cfg.Now()
	if r.Action == udpwire.Connect {
		return udpwire.AppendConnectReply(dst, r.Txn, t.ids.make(ip, now))
	}
	if !t.ids.valid(r.ConnID, ip, now) {
		t.refused[UDP].Add(1)
		return udpwire.AppendError(dst, r.Txn, "connection id is not valid")
	}
	if r.Action == udpwire.Scrape {
		t.scrapes[UDP].Add(1)
		return t.scrapeUDP(dst, &r, ip)
	}
	return t.announceUDP(dst, &r, netip.AddrPortFrom(ip, r.Announce.Port), local)
}

func (t *Tracker) announceUDP(dst []byte, r *udpwire.Request, addr netip.AddrPort, local netip.Addr) []byte {
	refuse := func(reason string) []byte {
		t.refused[UDP].Add(1)
		return udpwire.AppendError(dst, r.Txn, reason)
	}
	a := &r.Announce
	if a.Port == 0 {
		return refuse("port is 0")
	}
	c := Client{Door: UDP, Addr: addr.Addr()}
	if err := t.admit(&c, a.InfoHash); err != nil {
		return refuse(err.Error())
	}
	v6 := addr.Addr().Is6()
	family, size := swarm.V4, compact.Len4
	if v6 {
		family, size = swarm.V6, compact.Len6
	}
	want := int(a.NumWant)
	if want < 0 {
		want = defaultNumWant
	}
	event := swarm.None
	if a.Event <= udpwire.EventStopped {
		event = swarm.Event(a.Event) // both have the numbers of BEP 15
	}
	counts, peers, err := t.announceTCP(t.cfg.Now(), UDP, swarm.TCPAnnounce{
		Hash: a.InfoHash, Peer: a.PeerID, Addr: addr, Event: event, Left: a.Left, Family: family,
		Want: min(want, t.cfg.Limits.NumWant, (maxUDPReply-20)/size),
	}, nil)
	if err != nil {
		return refuse(err.Error())
	}
	peers = reachable(peers, addr.Addr(), local)
	addrs := make([]netip.AddrPort, len(peers))
	for i, p := range peers {
		addrs[i] = p.Addr
	}
	return udpwire.AppendAnnounceReply(dst, r.Txn, uint32(seconds(t.cfg.Interval)),
		uint32(counts.Incomplete), uint32(counts.Complete), addrs, v6)
}

func (t *Tracker) scrapeUDP(dst []byte, r *udpwire.Request, ip netip.Addr) []byte {
	c := &Client{Door: UDP, Addr: ip}
	dst = udpwire.AppendScrapeReply(dst, r.Txn)
	for i := 0; i < len(r.Hashes)/20 && i < min(t.cfg.Limits.Scrape, udpwire.MaxScrape); i++ {
		s := t.scrape(c, [20]byte(r.Hashes[20*i:]))
		dst = udpwire.AppendCounter(dst, uint32(s.Complete), uint32(s.Downloaded), uint32(s.Incomplete))
	}
	return dst
}

// connIDs makes connection ids that only the receiver of a packet to that address
// can know, and remembers nothing: an id is the keyed hash of the address with
// the current minute. It is valid for two to three minutes.
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

func (c *connIDs) make(ip netip.Addr, now time.Time) uint64 { return c.at(ip, period(now)) }

func (c *connIDs) valid(id uint64, ip netip.Addr, now time.Time) bool {
	p := period(now)
	return id == c.at(ip, p) || id == c.at(ip, p-1) || id == c.at(ip, p-2)
}

func period(now time.Time) int64 { return now.Unix() / int64(connIDPeriod/time.Second) }

// at is the CBC-MAC of two blocks; all inputs have the same length, which makes it safe.
func (c *connIDs) at(ip netip.Addr, period int64) uint64 {
	b := ip.As16()
	c.block.Encrypt(b[:], b[:])
	binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^uint64(period))
	c.block.Encrypt(b[:], b[:])
	return binary.BigEndian.Uint64(b[:])
}
