package trackerclient

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/transport/webrtc"
	"github.com/shoal-p2p/shoal/metainfo"
)

// A sink records what it is told.
type sink struct {
	mu       sync.Mutex
	peers    []netip.AddrPort
	outgoing []transport.Conn
	incoming []transport.Conn
	status   map[string]Status
	reports  map[string]int
}

func newSink() *sink { return &sink{status: map[string]Status{}, reports: map[string]int{}} }

func (s *sink) PeersFound(_ metainfo.Hash, addrs []netip.AddrPort, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers = append(s.peers, addrs...)
}

func (s *sink) ConnReady(_ metainfo.Hash, c transport.Conn, outgoing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if outgoing {
		s.outgoing = append(s.outgoing, c)
	} else {
		s.incoming = append(s.incoming, c)
	}
}

func (s *sink) TrackerStatus(_ metainfo.Hash, url string, st Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status[url] = st
	s.reports[url]++
}

func (s *sink) get(url string) (Status, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status[url], s.reports[url]
}

func (s *sink) conns() (outgoing, incoming int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.outgoing), len(s.incoming)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A fakeNet connects fake hosts: an answer names the offer that it belongs to.
type fakeNet struct {
	mu     sync.Mutex
	n      int
	offers map[string]*fakePending
}

// A fakeHost counts the connections that it makes.
type fakeHost struct {
	net  *fakeNet
	fail bool
	most int // live ones; 0: any number

	mu                   sync.Mutex
	made, answered, live int
	servers              []string
}

type fakePending struct {
	h     *fakeHost
	sdp   string
	peer  *fakePending // of an answer: the offer
	ready chan struct{}
	conn  *fakeConn
	once  sync.Once
}

func (h *fakeHost) add(made, answered, live int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.made += made
	h.answered += answered
	h.live += live
}

func (h *fakeHost) counts() (made, answered, live int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.made, h.answered, h.live
}

func (h *fakeHost) SetServers(servers []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.servers = servers
}

func (h *fakeHost) handed() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.servers, " ")
}

func (h *fakeHost) Offer(context.Context) (rtcPending, error) {
	if h.fail {
		return nil, errors.New("no connections left")
	}
	if _, _, live := h.counts(); h.most > 0 && live >= h.most {
		return nil, webrtc.ErrTooMany
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.net.n++
	p := &fakePending{h: h, sdp: "offer " + strconv.Itoa(h.net.n) + "\r\n", ready: make(chan struct{})}
	h.net.offers[p.sdp] = p
	h.add(1, 0, 1)
	return p, nil
}

func (h *fakeHost) Answer(_ context.Context, sdp string) (rtcPending, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	offer := h.net.offers[sdp]
	if offer == nil {
		return nil, errors.New("no such offer")
	}
	h.add(0, 1, 1)
	return &fakePending{h: h, sdp: "answer to " + sdp, peer: offer, ready: make(chan struct{})}, nil
}

func (p *fakePending) SDP() string { return p.sdp }

func (p *fakePending) Accept(sdp string) error {
	if !strings.HasPrefix(sdp, "answer to "+p.sdp) {
		return errors.New("bad answer")
	}
	a, b := net.Pipe()
	p.conn = &fakeConn{Conn: a}
	close(p.ready)
	_ = b
	return nil
}

func (p *fakePending) Conn(ctx context.Context) (transport.Conn, error) {
	ready := p.ready
	if p.peer != nil {
		ready = p.peer.ready
	}
	select {
	case <-ready:
		if p.conn == nil {
			a, _ := net.Pipe()
			p.conn = &fakeConn{Conn: a}
		}
		return p.conn, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *fakePending) Close() { p.once.Do(func() { p.h.add(0, 0, -1) }) }

type fakeConn struct{ net.Conn }

func (fakeConn) WriteBuffers([][]byte) (int64, error) { return 0, nil }
func (fakeConn) Kind() transport.Kind                 { return transport.WebRTC }
func (fakeConn) RemoteAddr() string                   { return "" }
