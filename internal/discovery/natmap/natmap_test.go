package natmap

import (
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func begin(t *testing.T, n network, p pace) (*Mapper, chan Mapping) {
	t.Helper()
	changes := make(chan Mapping, 100)
	m := start(Config{TCP: 7000, UDP: 7001, Changed: func(m Mapping) { changes <- m }}, n, p)
	t.Cleanup(func() { m.Close() })
	return m, changes
}

func expect(t *testing.T, changes chan Mapping, want ...Mapping) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-changes:
			if got != w {
				t.Errorf("change %+v, want %+v", got, w)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no change, want %+v", w)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("timed out: " + what)
		}
	}
}

func external(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestNATPMP(t *testing.T) {
	g := newGateway()
	g.taken["TCP 7000"] = true
	m, changes := begin(t, loopback([]netip.Addr{g.pmp(t)}, deaf(t)), usualPace)
	expect(t, changes,
		Mapping{"tcp", 7000, external("203.0.113.7:7001"), "nat-pmp"}, // the gateway chose another port
		Mapping{"udp", 7001, external("203.0.113.7:7001"), "nat-pmp"})
	if in, ok := g.has("TCP 7001"); !ok || in != 7000 {
		t.Errorf("the gateway maps TCP 7001 to %d", in)
	}
	m.Close()
	if entries, _ := g.count(); entries != 0 {
		t.Errorf("%d mappings are left after Close", entries)
	}
	if len(changes) != 0 {
		t.Errorf("a change after Close: %+v", <-changes)
	}
}

func TestUPnP(t *testing.T) {
	g := newGateway()
	m, changes := begin(t, loopback(nil, g.upnp(t)), usualPace)
	expect(t, changes,
		Mapping{"tcp", 7000, external("203.0.113.7:7000"), "upnp"},
		Mapping{"udp", 7001, external("203.0.113.7:7001"), "upnp"})
	if in, ok := g.has("UDP 7001"); !ok || in != 7001 {
		t.Errorf("the router maps UDP 7001 to %d", in)
	}
	m.Close()
	if entries, _ := g.count(); entries != 0 {
		t.Errorf("%d mappings are left after Close", entries)
	}
	if !slices.Equal(g.leases, []string{"3600", "3600"}) || g.clients[0] != "127.0.0.1 Shoal" {
		t.Errorf("leases %v, clients %v", g.leases, g.clients)
	}
}

func TestUPnPQuirks(t *testing.T) {
	g := newGateway()
	g.fault = upnpOnlyPermanent
	g.taken["TCP 7000"] = true
	m, changes := begin(t, loopback(nil, g.upnp(t)), usualPace)
	first := <-changes
	if first.Internal != 7000 || !first.External.IsValid() || first.External.Port() == 7000 {
		t.Errorf("a port that others have: %+v", first)
	}
	expect(t, changes, Mapping{"udp", 7001, external("203.0.113.7:7001"), "upnp"})
	m.Close()
	if !slices.Contains(g.leases, "0") {
		t.Errorf("leases %v: a router that only knows permanent mappings was not asked for them", g.leases)
	}
	if entries, _ := g.count(); entries != 0 {
		t.Errorf("%d permanent mappings are left after Close", entries)
	}
}

func TestRenewalAndChangeOfAddress(t *testing.T) {
	for _, kind := range []string{"nat-pmp", "upnp"} {
		t.Run(kind, func(t *testing.T) {
			g := newGateway()
			n := loopback(nil, deaf(t))
			if kind == "upnp" {
				n.ssdp = g.upnp(t)
			} else {
				n.gateways = func() []netip.Addr { return nil }
				a := g.pmp(t)
				n.gateways = func() []netip.Addr { return []netip.Addr{a} }
			}
			_, changes := begin(t, n, quick)
			<-changes
			<-changes
			g.set(func() { clear(g.table) }) // the router restarts
			eventually(t, "mappings are renewed", func() bool { entries, _ := g.count(); return entries == 2 })
			if len(changes) != 0 {
				t.Errorf("a renewal is reported as a change: %+v", <-changes)
			}
			g.set(func() { g.external = "203.0.113.99" })
			expect(t, changes,
				Mapping{"tcp", 7000, external("203.0.113.99:7000"), kind},
				Mapping{"udp", 7001, external("203.0.113.99:7001"), kind})
			g.set(func() { g.refuse = true })
			expect(t, changes, Mapping{"tcp", 7000, netip.AddrPort{}, kind}, Mapping{"udp", 7001, netip.AddrPort{}, kind})
			g.set(func() { g.refuse = false })
			expect(t, changes,
				Mapping{"tcp", 7000, external("203.0.113.99:7000"), kind},
				Mapping{"udp", 7001, external("203.0.113.99:7001"), kind})
		})
	}
}

func TestOneOfTwoProtocolsIsEnough(t *testing.T) {
	refuses, grants := newGateway(), newGateway()
	refuses.refuse = true
	_, changes := begin(t, loopback([]netip.Addr{refuses.pmp(t)}, grants.upnp(t)), usualPace)
	expect(t, changes, Mapping{"tcp", 7000, external("203.0.113.7:7000"), "upnp"})
}

func TestQuietWithoutRouter(t *testing.T) {
	m, changes := begin(t, loopback([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, deaf(t)), quick)
	time.Sleep(100 * time.Millisecond)
	start := time.Now()
	m.Close()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("Close took %v", took)
	}
	if len(changes) != 0 {
		t.Errorf("a change without router: %+v", <-changes)
	}
	// Nobody is asked from a public address, or for no port.
	n := loopback(nil, deaf(t))
	n.locals = func() []netip.Addr { return nil }
	n.gateways = func() []netip.Addr { t.Error("a gateway is looked for"); return nil }
	start2 := startAndWait(n)
	start2.Close()
	Start(Config{}).Close()
}

func startAndWait(n network) *Mapper {
	m := start(Config{TCP: 1}, n, quick)
	time.Sleep(20 * time.Millisecond)
	return m
}

func TestRouterThatAppearsLaterIsFound(t *testing.T) {
	g := newGateway()
	g.answer = func(net.Addr) string { return "" }
	n := loopback(nil, g.upnp(t))
	_, changes := begin(t, n, quick)
	time.Sleep(50 * time.Millisecond)
	g.set(func() { g.answer = nil })
	expect(t, changes, Mapping{"tcp", 7000, external("203.0.113.7:7000"), "upnp"})
}

func TestCloseEndsEverything(t *testing.T) {
	g := newGateway()
	n := loopback([]netip.Addr{g.pmp(t)}, g.upnp(t))
	before := runtime.NumGoroutine()
	for range 5 {
		m := start(Config{TCP: 7000}, n, quick)
		m.Close()
		m.Close()
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

// Nothing that a device on the network says makes us ask another server, wait
// for long, or read without end.
func TestHostileDevices(t *testing.T) {
	elsewhere := make(chan string, 10)
	bait, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer bait.Close()
	go http.Serve(bait, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { elsewhere <- r.URL.String() }))
	_, baitPort, _ := net.SplitHostPort(bait.Addr().String())

	for name, set := range map[string]func(g *gateway){
		"location elsewhere":   func(g *gateway) { g.answer = searchAnswer("http://localhost:" + baitPort + "/") },
		"location of a name":   func(g *gateway) { g.answer = searchAnswer("http://router.example/") },
		"location with scheme": func(g *gateway) { g.answer = searchAnswer("file:///etc/passwd") },
		"no location":          func(g *gateway) { g.answer = func(net.Addr) string { return "HTTP/1.1 200 OK\r\n\r\n" } },
		"no HTTP":              func(g *gateway) { g.answer = func(net.Addr) string { return "hello" } },
		"error status":         func(g *gateway) { g.answer = func(net.Addr) string { return "HTTP/1.1 500 No\r\n\r\n" } },
		"control elsewhere":    func(g *gateway) { g.control = "http://localhost:" + baitPort + "/control" },
		"control of a scheme":  func(g *gateway) { g.control = "ftp://127.0.0.1/" },
		"control malformed":    func(g *gateway) { g.control = "http://%zz/" },
		"not XML":              func(g *gateway) { g.describe = func(w http.ResponseWriter) { w.Write([]byte("hello")) } },
		"empty":                func(g *gateway) { g.describe = func(w http.ResponseWriter) {} },
		"redirect": func(g *gateway) {
			g.describe = func(w http.ResponseWriter) {
				w.Header().Set("Location", "http://localhost:"+baitPort+"/")
				w.WriteHeader(302)
			}
		},
		"endless": func(g *gateway) {
			g.describe = func(w http.ResponseWriter) {
				chunk := []byte("<root xmlns=\"urn:schemas-upnp-org:device-1-0\">" + strings.Repeat("<device>", 4000))
				for range 1000 {
					if _, err := w.Write(chunk); err != nil {
						return
					}
				}
			}
		},
		"external address": func(g *gateway) { g.external = "not an address"; g.refuse = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway()
			set(g)
			start := time.Now()
			found := 0
			m := &Mapper{cfg: Config{}, pace: quick, net: loopback(nil, g.upnp(t)), ports: []port{{"tcp", 7000}}}
			m.ctx, m.stop = t.Context(), func() {}
			if r, _ := m.find(); r != nil {
				found++
			}
			if found != 0 {
				t.Error("the device is taken for a router")
			}
			if took := time.Since(start); took > findTimeout+5*time.Second {
				t.Errorf("the search took %v", took)
			}
		})
	}
	t.Cleanup(func() {
		if len(elsewhere) > 0 {
			t.Errorf("another server was asked for %s", <-elsewhere)
		}
	})
}

func searchAnswer(location string) func(net.Addr) string {
	return func(net.Addr) string { return "HTTP/1.1 200 OK\r\nLocation: " + location + "\r\n\r\n" }
}

func TestRouterWithoutExternalAddressStillMaps(t *testing.T) {
	g := newGateway()
	g.external = "garbage"
	_, changes := begin(t, loopback(nil, g.upnp(t)), usualPace)
	expect(t, changes, Mapping{"tcp", 7000, external("0.0.0.0:7000"), "upnp"})
}

func TestGuessGateways(t *testing.T) {
	got := guessGateways([]netip.Prefix{
		netip.MustParsePrefix("192.168.1.77/24"), netip.MustParsePrefix("10.5.6.7/8"),
		netip.MustParsePrefix("192.168.2.1/24"), netip.MustParsePrefix("10.0.0.1/32"),
	})
	want := []netip.Addr{netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("10.0.0.1")}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
