package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"
	"github.com/shoal-p2p/shoal/internal/udpio"
)

// The UDP profile plays peersPerSocket peers on each of Conns sockets, which come from
// different addresses and announce different ports. A quarter of them seed; the rest
// leech. Without an interval each socket keeps udpWindow announces without a reply under
// way; with one it announces at that pace as long as there are fewer than these.
const (
	udpWindow      = 16
	peersPerSocket = 1000
	udpWant        = 50
	udpTimeout     = 2_000_000  // microseconds; then a request is lost
	udpSweep       = 500_000    // microseconds between two looks for these
	udpRenew       = 50_000_000 // microseconds; then a connection id is old
)

// UDPHash returns the info hash of swarm n of the UDP profile, for a tracker that serves
// only those it has been told.
func UDPHash(seed uint64, n int) [20]byte { return [20]byte(rawHash(seed, n)) }

// UDPSwarms returns how many swarms the UDP profile has.
func UDPSwarms(conns, swarmSize int) int {
	return max(conns*peersPerSocket/max(swarmSize, 1), 1)
}

// A udpSocket is one client address with its peers.
type udpSocket struct {
	g     *generator
	n     int // the number of the socket
	b     udpio.Batch
	conn  *net.UDPConn
	peers []byte // their peer ids, 20 bytes each
	swarm []int32
	next  int // how many announces were begun
	id    uint64
	born  int64 // when the connection id was asked for, in microseconds since base

	// A request's transaction id is its slot, with a serial number above it.
	slots [udpWindow]udpSlot
	free  []uint8
}

type udpSlot struct {
	txn    uint32 // 0 while free
	sentAt int64  // microseconds since base
}

func runUDP(ctx context.Context, g *generator) error {
	swarms := UDPSwarms(g.Conns, g.SwarmSize)
	hashes := make([][20]byte, swarms)
	for i := range hashes {
		hashes[i] = UDPHash(g.Seed, i)
	}
	g.empty = g.usage()
	sockets := make([]*udpSocket, 0, g.Conns)
	defer func() {
		for _, s := range sockets {
			s.conn.Close()
		}
	}()
	for n := range g.Conns {
		conn, err := dialUDP(g.targets[0].addr, n)
		if err != nil {
			return fmt.Errorf("UDP socket %d to %s: %w", n, g.targets[0].addr, err)
		}
		s := &udpSocket{g: g, n: n, b: udpio.New(conn), conn: conn,
			peers: make([]byte, 0, 20*peersPerSocket), swarm: make([]int32, peersPerSocket)}
		for p := range peersPerSocket {
			s.peers = append(s.peers, peerID(g.Seed, n*peersPerSocket+p)...)
			s.swarm[p] = int32((n*peersPerSocket + p) % swarms)
		}
		for i := range udpWindow {
			s.free = append(s.free, uint8(i))
		}
		sockets = append(sockets, s)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for _, s := range sockets {
		wg.Go(func() { s.run(running, hashes) })
	}
	g.measure(ctx)
	g.closing.Store(true)
	stop()
	wg.Wait()
	if g.counts.connected.Load() == 0 {
		return fmt.Errorf("no reply from %s", g.targets[0].addr)
	}
	return nil
}

// dialUDP opens socket n, from an address of its own where there are many.
func dialUDP(to netip.AddrPort, n int) (*net.UDPConn, error) {
	var local *net.UDPAddr
	if to.Addr().Is4() && to.Addr().IsLoopback() {
		local = &net.UDPAddr{IP: loopback(n).AsSlice()}
	}
	return net.DialUDP("udp", local, net.UDPAddrFromAddrPort(to))
}

// run announces until ctx ends.
func (s *udpSocket) run(ctx context.Context, hashes [][20]byte) {
	start := s.g.now()
	var swept, until int64
	for ctx.Err() == nil {
		now := s.g.now()
		wait := int64(udpSweep)
		switch {
		case s.id == 0 || now-s.born > udpRenew:
			s.connect(now)
		case s.g.Interval > 0:
			// The sockets announce at unrelated times.
			every := max(int64(s.g.Interval/time.Microsecond), 1)
			phase := start + every*int64(s.n)/int64(s.g.Conns)
			for ; now >= phase+every*int64(s.next); s.next++ {
				if !s.announce(now, hashes) && s.g.measured(now) {
					s.g.counts.skipped.Add(1)
				}
			}
			wait = min(wait, phase+every*int64(s.next)-now)
		default:
			for s.announce(now, hashes) {
				s.next++
			}
		}
		s.b.Flush()
		if wait < udpSweep || until-now < udpSweep/2 {
			until = now + wait
			s.conn.SetReadDeadline(s.g.base.Add(time.Duration(until) * time.Microsecond))
		}
		n, err := s.b.Read()
		if now = s.g.now(); now-swept > udpSweep {
			swept = now
			s.sweep(now)
		}
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				s.g.fail("UDP", err) // Most likely nobody listens.
				sleep(ctx, 100*time.Millisecond)
			}
			continue
		}
		for i := range n {
			p, _, _ := s.b.Packet(i)
			s.receive(now, p)
		}
	}
}

// connect asks for a connection id. Its transaction id is that of no slot.
func (s *udpSocket) connect(now int64) {
	s.born = now
	s.send(udpwire.AppendConnect(s.b.Buffer(), connectTxn))
}

const connectTxn = 0xffffffff

// announce sends the next announce, unless the window is full.
func (s *udpSocket) announce(now int64, hashes [][20]byte) bool {
	if len(s.free) == 0 {
		return false
	}
	slot := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	txn := 1<<31 | uint32(s.next)<<8&^(1<<31) | uint32(slot)
	s.slots[slot] = udpSlot{txn, now}
	// Any step that shares no divisor with peersPerSocket visits all peers.
	p := s.next * 377 % peersPerSocket
	a := udpwire.AnnounceRequest{
		InfoHash: hashes[s.swarm[p]], PeerID: [20]byte(s.peers[20*p:]), Left: 1, NumWant: udpWant, Port: uint16(1024 + p),
	}
	if p%4 == 0 {
		a.Left = 0
	}
	if s.next < peersPerSocket {
		a.Event = udpwire.EventStarted
	}
	if s.g.measured(now) {
		s.g.counts.announces.Add(1)
	}
	s.send(udpwire.AppendAnnounce(s.b.Buffer(), s.id, txn, &a))
	return true
}

func (s *udpSocket) send(b []byte) {
	s.g.counts.in.Add(1)
	s.g.counts.bytesIn.Add(int64(len(b)))
	s.b.Send(b)
}

func (s *udpSocket) receive(now int64, p []byte) {
	s.g.counts.out.Add(1)
	s.g.counts.bytesOut.Add(int64(len(p)))
	if len(p) < 16 {
		s.g.errs.add("UDP: a reply that is too short")
		return
	}
	action, txn := udpwire.Action(binary.BigEndian.Uint32(p)), binary.BigEndian.Uint32(p[4:])
	if action == udpwire.Connect && txn == connectTxn {
		if s.id == 0 {
			s.g.counts.connected.Add(1)
		}
		s.id = binary.BigEndian.Uint64(p[8:])
		return
	}
	slot := txn & 0xff
	if slot >= udpWindow || s.slots[slot].txn != txn {
		return // to a request that was given up
	}
	sentAt := s.slots[slot].sentAt
	s.slots[slot].txn = 0
	s.free = append(s.free, uint8(slot))
	if action != udpwire.Announce {
		s.g.errs.add("announce: " + string(p[8:]))
		return
	}
	if s.g.measured(sentAt) {
		s.g.counts.replies.Add(1)
		s.g.counts.reply.add(time.Duration(now-sentAt) * time.Microsecond)
	}
}

// sweep gives up what has waited too long.
func (s *udpSocket) sweep(now int64) {
	for i := range s.slots {
		if slot := &s.slots[i]; slot.txn != 0 && now-slot.sentAt > udpTimeout {
			slot.txn = 0
			s.free = append(s.free, uint8(i))
			s.g.fail("announce", errNoReply)
		}
	}
}

var errNoReply = errors.New("no reply")
