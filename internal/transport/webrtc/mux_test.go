//go:build !js

package webrtc

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/shoal-p2p/shoal/internal/transport"
)

// Two hosts that offer to each other several times at once get as many
// connections, each with its own bytes.
func TestManyBetweenTwoHosts(t *testing.T) {
	x, y := newTestHost(t, Config{}), newTestHost(t, Config{})
	const n = 6
	type ends struct{ a, b transport.Conn }
	var all []ends
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			from, to := x, y
			if i%2 == 1 {
				from, to = y, x
			}
			a, b := connect(t, from, to)
			mu.Lock()
			all = append(all, ends{a, b})
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(all) != n {
		t.Fatalf("%d connections of %d", len(all), n)
	}
	for i, e := range all {
		wg.Go(func() {
			want := bytes.Repeat([]byte{byte(i)}, 2<<20)
			go e.a.Write(want)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(e.b, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// Who names the address of another peer as his own does not get its packets.
func TestForeignCandidateTakesNothing(t *testing.T) {
	h, victim := newTestHost(t, Config{}), newTestHost(t, Config{})
	a, b := connect(t, h, victim)

	thief := newTestHost(t, Config{})
	o, err := thief.Offer(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	theirs := netip.MustParseAddrPort(a.RemoteAddr())
	sdp := strings.Replace(o.SDP(), "a=end-of-candidates",
		"a=candidate:7 1 udp 2130706431 127.0.0.1 "+theirs.String()[len("127.0.0.1:"):]+" typ host\r\na=end-of-candidates", 1)
	sdp = strings.Replace(sdp, "a="+sharedSocket+"\r\n", "", 1) // so that the same socket answers
	n, err := h.Answer(testContext(t), sdp)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	want := bytes.Repeat([]byte("undisturbed "), 700_000)
	go b.Write(want)
	got := make([]byte, len(want))
	a.SetReadDeadline(time.Now().Add(10 * time.Second))
	start := time.Now()
	if _, err := io.ReadFull(a, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("after %v: %v", time.Since(start), err)
	}
}

// fakeAgent is a conn of the mux that collects what it is given.
func fakeAgent(t *testing.T, m *mux, ufrag string) *muxHandle {
	t.Helper()
	c, err := m.GetConn(ufrag, m.sock.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	return c.(*muxHandle)
}

func stunRequest(t *testing.T, user string) []byte {
	t.Helper()
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(user))
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

func TestMuxDispatch(t *testing.T) {
	sock, addr := newTestSocket(t)
	m := newMux(sock)
	defer m.Close()
	one, two := fakeAgent(t, m, "one"), fakeAgent(t, m, "two")
	peer := netip.MustParseAddrPort("127.0.0.1:4000")
	response, _ := stun.Build(stun.TransactionID, stun.BindingSuccess)

	expect := func(what string, h *muxHandle, want []byte) {
		t.Helper()
		var b [maxDatagram]byte
		n, from, ok := h.take(b[:])
		if want == nil {
			if ok {
				t.Fatalf("%s: got %d bytes, want nothing", what, n)
			}
			return
		}
		if !ok || !bytes.Equal(b[:n], want) || from != peer {
			t.Fatalf("%s: got %d bytes from %v", what, n, from)
		}
	}
	data := record(50, 1)
	m.dispatch(data, peer)
	expect("data from a stranger", one, nil)
	req := stunRequest(t, "one:remote")
	m.dispatch(req, peer)
	expect("a request by its name", one, req)
	expect("a request for another", two, nil)
	m.dispatch(data, peer)
	expect("data after a request", one, data)
	m.dispatch(stunRequest(t, "three:remote"), peer)
	m.dispatch(response.Raw, peer)
	expect("a response nobody waits for", one, nil)

	// Sending there does not take the data over; being asked from there does.
	two.WriteToAddrPort(stunRequest(t, "x:y"), peer)
	two.WriteToAddrPort(data, peer)
	m.dispatch(data, peer)
	expect("data after another sent there", one, data)
	expect("data after it sent there", two, nil)
	m.dispatch(response.Raw, peer)
	expect("a response to who asked", two, response.Raw)
	expect("a response to who did not", one, nil)
	req = stunRequest(t, "two:remote")
	m.dispatch(req, peer)
	m.dispatch(data, peer)
	expect("the request", two, req)
	expect("data after it was asked", two, data)
	two.Close()
	m.dispatch(data, peer)
	expect("data for who is gone", one, nil)
	if _, err := two.WriteToAddrPort(data, addr); err == nil {
		t.Error("a closed conn writes")
	}
	if _, _, err := two.ReadFromAddrPort(make([]byte, 10)); err != io.EOF {
		t.Errorf("a closed conn reads: %v", err)
	}

	for range 3 * muxQueue {
		m.dispatch(stunRequest(t, "one:remote"), peer)
	}
	if n := len(one.queue); n > muxQueue {
		t.Errorf("%d packets wait for one agent", n)
	}
	one.Close()
	if len(m.conns)+len(m.owners)+len(m.asked) != 0 {
		t.Errorf("left behind: %v %v %v", m.conns, m.owners, m.asked)
	}
}

func TestMuxMalformedSTUN(t *testing.T) {
	sock, _ := newTestSocket(t)
	m := newMux(sock)
	defer m.Close()
	peer := netip.MustParseAddrPort("127.0.0.1:4000")
	good := stunRequest(t, "one:remote")
	for n := range good {
		m.dispatch(good[:n], peer)
		cut := bytes.Clone(good)
		for i := n; i < len(cut); i++ {
			cut[i] = 0xff
		}
		m.dispatch(cut, peer)
	}
}

// A STUN server on loopback tells our own address.
func TestMuxAsksServer(t *testing.T) {
	sock, own := newTestSocket(t)
	m := newMux(sock)
	defer m.Close()
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		buf := make([]byte, 1500)
		for first := true; ; first = false {
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if first {
				continue // lost on the way
			}
			req := &stun.Message{Raw: buf[:n]}
			if req.Decode() != nil {
				continue
			}
			res, _ := stun.Build(req, stun.BindingSuccess, &stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())})
			server.WriteToUDPAddrPort(res.Raw, from)
		}
	}()
	for range 2 {
		addr, err := m.GetXORMappedAddr(server.LocalAddr(), 5*time.Second)
		if err != nil || uint16(addr.Port) != own.Port() || !addr.IP.Equal(net.IPv4(127, 0, 0, 1)) {
			t.Fatalf("%v, %v", addr, err)
		}
	}
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := m.GetXORMappedAddr(silent.LocalAddr(), 50*time.Millisecond); err == nil {
		t.Fatal("an address from a silent server")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.GetXORMappedAddrContext(ctx, silent.LocalAddr(), time.Minute); err == nil {
		t.Fatal("went on after the context ended")
	}
}
