//go:build !js

package driver_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/transport"
)

// Whoever names a peer is told, once, why it is not there. Of addresses that others
// named nothing is said.
func TestNamedPeersThatAreNotThereAreTold(t *testing.T) {
	for level, why := range map[transport.Encryption]string{
		transport.EncryptionAllowed:  "instead of greeting: it may not have this torrent",
		transport.EncryptionOff:      "or take no peers but encrypted ones",
		transport.EncryptionRequired: "or take no encrypted peers",
	} {
		t.Run(why, func(t *testing.T) { testNamedPeers(t, level, why) })
	}
}

func testNamedPeers(t *testing.T, level transport.Encryption, why string) {
	tor, _ := makeTorrent(t, 100_000, true, false)
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	shut, strange, gone := listen(), listen(), listen()
	gone.Close()
	dialled := make(chan struct{}, 100)
	// As those do that take encrypted peers only.
	refuse := func(l net.Listener, each func()) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			each()
		}
	}
	go refuse(shut, func() {})
	go refuse(strange, func() { dialled <- struct{}{} })
	s := driver.NewSession(driver.Config{Dial: dial, Quiet: time.Millisecond, Encryption: level})
	t.Cleanup(s.Close)
	got := add(t, s, driver.Options{Info: tor.Info, Open: memory(tor, nil)})
	ready(t, got)
	heard := got.Subscribe(t.Context())
	name := func(l net.Listener, from swarm.Source) string {
		addr := netip.MustParseAddrPort(l.Addr().String())
		got.AddPeers([]netip.AddrPort{addr}, from)
		return "peer " + addr.String() + ": "
	}
	name(strange, swarm.Tracker)
	<-dialled // and closed
	want := map[string]string{name(gone, swarm.User): "connection refused", name(shut, swarm.User): why}
	for len(want) > 0 {
		select {
		case ev := <-heard:
			if ev.Kind != driver.Warned {
				continue
			}
			addr, told, _ := strings.Cut(ev.Err.Error(), ": ")
			if w := want[addr+": "]; w == "" || !strings.HasSuffix(told, w) {
				t.Errorf("told %q", ev.Err)
			}
			delete(want, addr+": ")
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing is told of %v", want)
		}
	}
}
