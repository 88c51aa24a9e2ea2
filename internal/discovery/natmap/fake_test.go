package natmap

import (
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// gateway is a router for tests, on loopback. Its table is what both protocols
// write to.
type gateway struct {
	mu       sync.Mutex
	table    map[string]uint16 // "TCP 7000" -> internal port
	adds     int
	external string
	refuse   bool
	fault    int             // error code of the next AddPortMapping
	taken    map[string]bool // external ports of others
	lifetime uint32          // granted by NAT-PMP
	leases   []string        // asked for by UPnP
	clients  []string

	control  string // control URL of the description
	describe func(w http.ResponseWriter)
	answer   func(from net.Addr) string // to a search; empty = none
}

func newGateway() *gateway {
	return &gateway{table: map[string]uint16{}, taken: map[string]bool{}, external: "203.0.113.7", lifetime: 3600, control: "/control"}
}

func (g *gateway) add(key string, internal uint16) {
	g.adds++
	g.table[key] = internal
}

// has reports what the table says about an external port.
func (g *gateway) has(key string) (uint16, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v, ok := g.table[key]
	return v, ok
}

func (g *gateway) count() (entries, adds int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.table), g.adds
}

func (g *gateway) set(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

// pmp serves NAT-PMP on its fixed port of some loopback address.
func (g *gateway) pmp(t *testing.T) netip.Addr {
	t.Helper()
	var conn *net.UDPConn
	var addr netip.Addr
	for try := range 50 {
		addr = netip.AddrFrom4([4]byte{127, byte(rand.IntN(250) + 1), byte(rand.IntN(250)), byte(rand.IntN(250) + 1)})
		if try == 49 { // not every system has more than one loopback address
			addr = netip.MustParseAddr("127.0.0.1")
		}
		var err error
		if conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 5351))); err == nil {
			break
		}
	}
	if conn == nil {
		t.Fatal("no loopback address has port 5351 free")
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if r := g.pmpReply(b[:n]); r != nil {
				conn.WriteToUDPAddrPort(r, from)
			}
		}
	}()
	return addr
}

func (g *gateway) pmpReply(q []byte) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(q) < 2 || q[0] != 0 {
		return nil
	}
	code := uint16(0)
	if g.refuse {
		code = 2
	}
	r := binary.BigEndian.AppendUint16([]byte{0, q[1] | 0x80}, code)
	r = binary.BigEndian.AppendUint32(r, 12345)
	switch {
	case q[1] == 0 && len(q) == 2:
		ip := netip.MustParseAddr(g.external).As4()
		return append(r, ip[:]...)
	case (q[1] == 1 || q[1] == 2) && len(q) == 12:
		protocol := map[byte]string{1: "UDP", 2: "TCP"}[q[1]]
		internal, external := binary.BigEndian.Uint16(q[4:]), binary.BigEndian.Uint16(q[6:])
		life := binary.BigEndian.Uint32(q[8:])
		if life == 0 {
			for k, v := range g.table {
				if strings.HasPrefix(k, protocol) && v == internal {
					delete(g.table, k)
				}
			}
			external = 0
		} else if !g.refuse {
			for g.taken[fmt.Sprint(protocol, " ", external)] {
				external++ // a gateway chooses itself
			}
			life = g.lifetime
			g.add(fmt.Sprint(protocol, " ", external), internal)
		}
		r = binary.BigEndian.AppendUint16(r, internal)
		r = binary.BigEndian.AppendUint16(r, external)
		return binary.BigEndian.AppendUint32(r, life)
	}
	return nil
}

// upnp serves the description, the actions and the search. It returns where to
// search.
func (g *gateway) upnp(t *testing.T) netip.AddrPort {
	t.Helper()
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			q := string(b[:n])
			if !strings.HasPrefix(q, "M-SEARCH * HTTP/1.1\r\n") || !strings.Contains(q, "MAN: \"ssdp:discover\"\r\n") || !strings.HasSuffix(q, "\r\n\r\n") {
				t.Errorf("search %q", q)
			}
			a := "HTTP/1.1 200 OK\r\nST: x\r\nLocation: " + srv.URL + "/desc.xml\r\nUSN: uuid:1\r\n\r\n"
			g.mu.Lock()
			if g.answer != nil {
				a = g.answer(from)
			}
			g.mu.Unlock()
			if a != "" {
				conn.WriteTo([]byte(a), from)
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

const description = `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<URLBase>http://198.51.100.1:80/</URLBase>
<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><friendlyName>box</friendlyName>
<deviceList><device><deviceList><device><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>%s</controlURL>
</service></serviceList></device></deviceList></device></deviceList></device></root>`

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.URL.Path == "/desc.xml" {
		if g.describe != nil {
			g.describe(w)
			return
		}
		fmt.Fprintf(w, description, g.control)
		return
	}
	if r.URL.Path != "/control" {
		http.NotFound(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	var env struct {
		Body struct {
			Action struct {
				XMLName                   xml.Name
				NewExternalPort           uint16
				NewProtocol               string
				NewInternalPort           uint16
				NewInternalClient         string
				NewEnabled                string
				NewPortMappingDescription string
				NewLeaseDuration          string
			} `xml:",any"`
		} `xml:"Body"`
	}
	if err := xml.Unmarshal(body, &env); err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	a := env.Body.Action
	const service = "urn:schemas-upnp-org:service:WANIPConnection:1"
	if a.XMLName.Space != service || r.Header.Get("SOAPAction") != `"`+service+"#"+a.XMLName.Local+`"` {
		http.Error(w, "wrong service", 400)
		return
	}
	key := fmt.Sprint(a.NewProtocol, " ", a.NewExternalPort)
	fault := 0
	result := ""
	switch a.XMLName.Local {
	case "GetExternalIPAddress":
		result = "<NewExternalIPAddress>" + g.external + "</NewExternalIPAddress>"
	case "AddPortMapping":
		g.leases = append(g.leases, a.NewLeaseDuration)
		g.clients = append(g.clients, a.NewInternalClient+" "+a.NewPortMappingDescription)
		switch {
		case g.refuse:
			fault = 606 // action not authorized
		case g.taken[key]:
			fault = upnpConflict
		case g.fault == upnpOnlyPermanent && a.NewLeaseDuration != "0":
			fault = upnpOnlyPermanent
		default:
			g.add(key, a.NewInternalPort)
		}
	case "DeletePortMapping":
		delete(g.table, key)
	}
	if fault != 0 {
		w.WriteHeader(500)
		fmt.Fprintf(w, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode><errorDescription>no</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>`, fault)
		return
	}
	fmt.Fprintf(w, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:%sResponse xmlns:u="%s">%s</u:%sResponse></s:Body></s:Envelope>`,
		a.XMLName.Local, service, result, a.XMLName.Local)
}

// quick is a pace for tests.
var quick = pace{
	renew: 50 * time.Millisecond, renewMin: 50 * time.Millisecond,
	lost: 20 * time.Millisecond, retry: 50 * time.Millisecond, retryMax: 100 * time.Millisecond,
}

// loopback is a network of the given gateways; either may be missing.
func loopback(pmp []netip.Addr, ssdp netip.AddrPort) network {
	return network{
		gateways: func() []netip.Addr { return pmp },
		locals:   func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} },
		ssdp:     ssdp,
		wait:     500 * time.Millisecond,
	}
}

// deaf is an address where nobody answers a search.
func deaf(t *testing.T) netip.AddrPort {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}
