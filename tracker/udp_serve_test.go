package tracker

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"
	"github.com/shoal-p2p/shoal/internal/udpio"
)

// serveUDP serves on conns until the test ends. The channel gets what ServeUDP returns.
func serveUDP(t *testing.T, tr *Tracker, conns ...net.PacketConn) <-chan error {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- tr.ServeUDP(conns...) }()
	t.Cleanup(func() { tr.Close() })
	return served
}

// A udpClient talks to a tracker over the network.
type udpClient struct {
	t    *testing.T
	conn net.Conn
}

func dialUDP(t *testing.T, addr string) *udpClient {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return &udpClient{t, conn}
}

func (c *udpClient) ask(packet []byte) udpwire.Reply {
	c.t.Helper()
	if _, err := c.conn.Write(packet); err != nil {
		c.t.Fatal(err)
	}
	b := make([]byte, 2000)
	n, err := c.conn.Read(b)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := udpwire.ParseReply(b[:n])
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// announce connects, announces and returns the reply.
func (c *udpClient) announce(hash string, port uint16) udpwire.Reply {
	c.t.Helper()
	id := c.ask(udpwire.AppendConnect(nil, 1)).ConnID
	return c.ask(udpwire.AppendAnnounce(nil, id, 2, &udpwire.AnnounceRequest{InfoHash: raw20(hash), PeerID: raw20(fmt.Sprint(port)), Left: 1, Port: port, NumWant: -1}))
}

func listenAllUDP(t *testing.T, addr string) []net.PacketConn {
	t.Helper()
	conns, err := ListenUDP(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pc := range conns {
			pc.Close()
		}
	})
	return conns
}

func portOf(t *testing.T, a net.Addr) string {
	t.Helper()
	_, port, err := net.SplitHostPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestServeUDP(t *testing.T) {
	tr := newTracker(t, Config{})
	pc := listenUDP(t, "127.0.0.1:0")
	served := serveUDP(t, tr, pc)
	c := dialUDP(t, pc.LocalAddr().String())
	c.conn.Write([]byte("noise"))
	if r := c.announce("hash", 5); r.Action != udpwire.Announce || r.Leechers != 1 {
		t.Errorf("%+v", r)
	}
	eventually(t, "the noise is counted", func() bool { return tr.Stats().Malformed == 1 })
	tr.Close()
	if err := <-served; err != nil {
		t.Errorf("ServeUDP after Close: %v", err)
	}
	if err := tr.ServeUDP(listenUDP(t, "127.0.0.1:0")); !errors.Is(err, ErrClosed) {
		t.Errorf("ServeUDP of a closed tracker: %v", err)
	}
}

// Any PacketConn will do, one that is no socket of this system, too.
func TestServeUDPOnAnyPacketConn(t *testing.T) {
	tr := newTracker(t, Config{})
	pc := listenUDP(t, "127.0.0.1:0")
	serveUDP(t, tr, struct{ net.PacketConn }{pc})
	if r := dialUDP(t, pc.LocalAddr().String()).announce("hash", 5); r.Leechers != 1 {
		t.Errorf("%+v", r)
	}
}

// ":port" serves IPv4 and IPv6, and all sockets serve one swarm.
func TestListenUDP(t *testing.T) {
	tr := newTracker(t, Config{Limits: Limits{Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}})
	conns := listenAllUDP(t, ":0")
	if want := runtime.GOMAXPROCS(0); runtime.GOOS == "linux" && len(conns) != want {
		t.Errorf("%d sockets, want %d", len(conns), want)
	}
	served := serveUDP(t, tr, conns...)
	hosts := []string{"127.0.0.1"}
	if pc, err := net.ListenPacket("udp6", "[::1]:0"); err == nil {
		pc.Close()
		hosts = append(hosts, "::1")
	}
	const clients = 20 // from different ports, so that each socket gets some
	for i := range clients {
		host := hosts[i%len(hosts)]
		c := dialUDP(t, net.JoinHostPort(host, portOf(t, conns[0].LocalAddr())))
		r := c.announce("hash", uint16(1000+i))
		if r.Action != udpwire.Announce || r.Leechers != uint32(i+1) {
			t.Fatalf("client %d: %+v", i, r)
		}
		size := 6
		if strings.Contains(host, ":") {
			size = 18
		}
		if want := size * (i / len(hosts)); len(r.Peers) != want {
			t.Errorf("client %d of %s: %d bytes of peers, want %d", i, host, len(r.Peers), want)
		}
	}
	tr.Close()
	if err := <-served; err != nil {
		t.Errorf("ServeUDP after Close: %v", err)
	}
}

func TestListenUDPAtThePortOfTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conns := listenAllUDP(t, ln.Addr().String())
	for _, pc := range conns {
		if pc.LocalAddr().String() != ln.Addr().String() {
			t.Errorf("%s, want %s", pc.LocalAddr(), ln.Addr())
		}
	}
	// A port that is taken is an error, and no second tracker gets half of the packets.
	if more, err := ListenUDP(ln.Addr().String()); err == nil {
		t.Error("a port was opened twice")
		more[0].Close()
	} else if !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("%v does not say which address", err)
	}
}

// When one socket fails, all end: somebody should see it.
func TestServeUDPEndsTogether(t *testing.T) {
	tr := newTracker(t, Config{})
	a, b := listenUDP(t, "127.0.0.1:0"), listenUDP(t, "127.0.0.1:0")
	served := serveUDP(t, tr, a, b)
	dialUDP(t, a.LocalAddr().String()).announce("hash", 5)
	a.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := b.WriteTo(nil, b.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the other socket: %v", err)
	}
}

// From socket to socket, nothing is allocated for a packet.
func TestUDPAllocatesNothingOnTheWay(t *testing.T) {
	tr := newTracker(t, Config{})
	pc := listenUDP(t, "127.0.0.1:0")
	serveUDP(t, tr, pc)
	c := dialUDP(t, pc.LocalAddr().String())
	id := c.ask(udpwire.AppendConnect(nil, 1)).ConnID
	const peers = 30
	var packets [peers][]byte
	for i := range packets {
		packets[i] = udpwire.AppendAnnounce(nil, id, 2, &udpwire.AnnounceRequest{InfoHash: raw20("hash"), PeerID: raw20(fmt.Sprint(i)), Left: 1, Port: uint16(i + 1), NumWant: -1})
	}
	b := udpio.New(c.conn.(*net.UDPConn))
	round := func() {
		for _, p := range packets {
			b.Send(append(b.Buffer(), p...))
		}
		b.Flush()
		for got := 0; got < peers; {
			n, err := b.Read()
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n >= 1 {
		t.Errorf("%v allocations for %d announces", n, peers)
	}
}
