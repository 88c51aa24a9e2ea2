package lsd

import (
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// hub is a network of services without a socket.
type hub struct {
	mu      sync.Mutex
	members []*member
	packets []string
}

type member struct {
	hub  *hub
	addr netip.AddrPort
	in   chan packet
	done chan struct{}
}

type packet struct {
	b    []byte
	from netip.AddrPort
}

func (h *hub) join(addr string) *member {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := &member{hub: h, addr: netip.MustParseAddrPort(addr), in: make(chan packet, 1000), done: make(chan struct{})}
	h.members = append(h.members, m)
	return m
}

func (m *member) host() string { return group4 }

func (m *member) send(b []byte) error {
	m.hub.mu.Lock()
	defer m.hub.mu.Unlock()
	m.hub.packets = append(m.hub.packets, string(b))
	for _, o := range m.hub.members { // the sender gets its own, as with sockets
		o.in <- packet{append([]byte(nil), b...), m.addr}
	}
	return nil
}

func (m *member) receive(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-m.in:
		return copy(b, p.b), p.from, nil
	case <-m.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (m *member) close() error {
	close(m.done)
	return nil
}

type sighting struct {
	hash [20]byte
	addr netip.AddrPort
}

func service(t *testing.T, h *hub, addr string) (*Service, chan sighting) {
	seen := make(chan sighting, 1000)
	s := start(Config{Found: func(hash [20]byte, addr netip.AddrPort) { seen <- sighting{hash, addr} }}, []group{h.join(addr)})
	t.Cleanup(func() { s.Close() })
	return s, seen
}

func expect(t *testing.T, seen chan sighting, hash [20]byte, addr string) {
	t.Helper()
	select {
	case s := <-seen:
		if s.hash != hash || s.addr != netip.MustParseAddrPort(addr) {
			t.Errorf("found %x at %v", s.hash, s.addr)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was found")
	}
}

func nothing(t *testing.T, seen chan sighting) {
	t.Helper()
	select {
	case s := <-seen:
		t.Errorf("found %x at %v", s.hash, s.addr)
	default:
	}
}

func TestServicesFindEachOther(t *testing.T) {
	h := &hub{}
	a, seenA := service(t, h, "192.168.1.5:6771")
	b, seenB := service(t, h, "192.168.1.6:6771")
	_, seenC := service(t, h, "192.168.1.7:6771") // takes no part in the torrent
	b.Announce(hashB, 7002)
	a.Announce(hashA, 7001)
	b.Announce(hashA, 7002)
	expect(t, seenA, hashA, "192.168.1.6:7002")
	expect(t, seenB, hashA, "192.168.1.5:7001")
	nothing(t, seenA) // neither its own announce nor another's torrent
	nothing(t, seenB)
	nothing(t, seenC)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.packets) != 2 {
		t.Errorf("%d announces, want one from each: %q", len(h.packets), h.packets)
	}
}

func TestWithdrawnTorrentIsForgotten(t *testing.T) {
	h := &hub{}
	a, seen := service(t, h, "192.168.1.5:6771")
	a.Announce(hashA, 7001)
	a.Withdraw(hashA)
	stranger := h.join("192.168.1.9:6771")
	other := Announce{Host: group4, Port: 9, InfoHashes: [][20]byte{hashA}}
	stranger.send(other.Append(nil))
	a.Announce(hashB, 7001)
	other.InfoHashes = [][20]byte{hashB}
	stranger.send(other.Append(nil))
	expect(t, seen, hashB, "192.168.1.9:9")
	nothing(t, seen)
}

func TestHostileDatagrams(t *testing.T) {
	h := &hub{}
	a, seen := service(t, h, "192.168.1.5:6771")
	a.Announce(hashA, 7001)
	stranger := h.join("192.168.1.9:6771")
	good := Announce{Port: 9, InfoHashes: [][20]byte{hashA}}
	for _, bad := range []string{"", "junk", strings.Repeat("x", maxRead+1), "BT-SEARCH * HTTP/1.1\r\nPort: 0\r\n\r\n"} {
		stranger.send([]byte(bad))
	}
	stranger.send(good.Append(nil))
	expect(t, seen, hashA, "192.168.1.9:9")
	// A flood is looked at only in part.
	for range 20 * maxPerSecond {
		select {
		case a.groups[0].(*member).in <- packet{good.Append(nil), stranger.addr}:
		case <-time.After(10 * time.Second):
			t.Fatal("the service does not read")
		}
	}
	a.Close()
	if n := len(seen); n > 10*maxPerSecond {
		t.Errorf("%d of %d datagrams were reported", n, 20*maxPerSecond)
	}
}

func TestAnnouncesFitIntoOneDatagram(t *testing.T) {
	h := &hub{}
	a, _ := service(t, h, "192.168.1.5:6771")
	a.mu.Lock()
	for i := range 200 {
		a.plan.add(time.Now().Add(-time.Hour), hashN(i), 65535)
	}
	a.mu.Unlock()
	a.poke()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		n := len(h.packets)
		h.mu.Unlock()
		if n > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no announce")
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	parsed, err := Parse([]byte(h.packets[0]))
	if err != nil || len(h.packets[0]) > 1400 || len(parsed.InfoHashes) < 20 {
		t.Errorf("%d bytes, %d info hashes, %v", len(h.packets[0]), len(parsed.InfoHashes), err)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	s := start(Config{}, []group{(&hub{}).join("192.168.1.5:6771")})
	s.Announce(hashA, 0) // not a port
	s.Announce(hashA, 7001)
	s.Close()
	s.Close()
	s.Announce(hashB, 7001)
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("goroutines are left")
		}
	}
}
