package rig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Nat is how a router translates addresses.
type Nat string

// The kinds of routers. All let nothing in that was not asked for.
const (
	// Cone keeps ports, so that a host looks the same to all others.
	Cone Nat = "cone"
	// Symmetric takes another port for each other side.
	Symmetric Nat = "symmetric"
	// NoUDP keeps ports, and lets TCP out alone.
	NoUDP Nat = "no UDP"
	// OnlyTLS lets out no UDP, and TCP only to the ports of the tracker and of TURN over TLS.
	OnlyTLS Nat = "only TLS"
)

// A Place is a network namespace: a machine of its own, with no way to the world. A
// process holds it, and when that ends, nothing of it is left.
type Place struct {
	t    T
	proc *Proc
	Addr string
}

// An Internet is a network of Places. It is 198.51.100.0/24, where servers are, and behind
// each router there is a 192.168.N.0/24.
type Internet struct {
	t       T
	hub     *Place
	servers int
	routers int
}

// The ports on Internet.Server.
const (
	natTrackerPort = "8000"
	natTURNPort    = "3478"
	natTLSPort     = "5349"
)

// NewInternet makes an empty network. It needs to be root, and iptables.
func NewInternet(t T) *Internet {
	t.Helper()
	for _, tool := range []string{"ip", "iptables", "unshare", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("networks are made with %s, `make setup` brings it: %v", tool, err)
		}
	}
	if os.Geteuid() != 0 {
		t.Fatalf("only root can make networks")
	}
	n := &Internet{t: t}
	n.hub = n.place("the internet")
	n.hub.do("ip link add br0 type bridge")
	n.hub.do("ip addr add 198.51.100.1/24 dev br0")
	n.hub.do("ip link set br0 up")
	n.hub.do("echo 1 > /proc/sys/net/ipv4/ip_forward")
	return n
}

// place makes a namespace without any link.
func (n *Internet) place(what string) *Place {
	n.t.Helper()
	p := &Place{t: n.t, proc: Start(n.t, Command{Path: "unshare", Args: []string{"--net", "cat"}})}
	if err := p.proc.Send(map[string]string{"event": "there"}); err != nil {
		n.t.Fatalf("%s: %v", what, err)
	}
	if _, err := p.proc.wait("the namespace of "+what, 10*time.Second, func(Event) bool { return true }); err != nil {
		n.t.Fatalf("this system makes no network namespace: %v", err)
	}
	p.do("ip link set lo up")
	return p
}

// enter is the command line that runs another in the place.
func (p *Place) enter(path string, args ...string) Command {
	return Command{Path: "nsenter", Args: append([]string{"--net=/proc/" + strconv.Itoa(p.proc.PID()) + "/ns/net", "--", path}, args...)}
}

// do runs a line of shell in the place.
func (p *Place) do(line string) {
	p.t.Helper()
	c := p.enter("sh", "-ec", line)
	if out, err := exec.Command(c.Path, c.Args...).CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// link joins two places: a's end is called near, b's far.
func (n *Internet) link(a *Place, near string, b *Place, far string) {
	n.t.Helper()
	line := fmt.Sprintf("ip link add %s netns %d type veth peer name %s netns %d", near, a.proc.PID(), far, b.proc.PID())
	if out, err := exec.Command("sh", "-ec", line).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	a.do("ip link set " + near + " up")
	b.do("ip link set " + far + " up")
}

// plug gives a place an address on the internet.
func (n *Internet) plug(p *Place, host int) {
	n.t.Helper()
	port := "p" + strconv.Itoa(host)
	n.link(n.hub, port, p, "wan")
	n.hub.do("ip link set " + port + " master br0")
	p.Addr = "198.51.100." + strconv.Itoa(host)
	p.do("ip addr add " + p.Addr + "/24 dev wan")
	p.do("ip route add default via 198.51.100.1")
}

// Behind makes a router and a machine behind it.
func (n *Internet) Behind(nat Nat) *Place {
	n.t.Helper()
	n.routers++
	net := fmt.Sprintf("192.168.%d.", n.routers)
	router, host := n.place(string(nat)+" router"), n.place("a machine behind it")
	n.plug(router, 100+n.routers)
	n.link(router, "lan", host, "eth")
	router.do("ip addr add " + net + "1/24 dev lan")
	host.Addr = net + "2"
	host.do("ip addr add " + host.Addr + "/24 dev eth")
	host.do("ip route add default via " + net + "1")
	how := ""
	if nat == Symmetric {
		how = " --random-fully"
	}
	rules := []string{
		"-t nat -A POSTROUTING -o wan -j MASQUERADE" + how,
		"-A INPUT -i wan -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
		"-A INPUT -i wan -j DROP",
		"-A FORWARD -i wan -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
		"-A FORWARD -i wan -j DROP",
	}
	if nat == NoUDP || nat == OnlyTLS {
		rules = append(rules, "-A FORWARD -i lan -p udp -j DROP")
	}
	if nat == OnlyTLS {
		rules = append(rules, "-A FORWARD -i lan -p tcp -m multiport ! --dports "+natTrackerPort+","+natTLSPort+" -j DROP")
	}
	for _, r := range rules {
		router.do("iptables " + r)
	}
	router.do("echo 1 > /proc/sys/net/ipv4/ip_forward")
	return host
}

// A NatTracker is a `shoal tracker` on an Internet, with STUN and TURN over UDP, TCP and TLS.
type NatTracker struct {
	*Place
	URL  string
	STUN string // URL
	ca   string // file with its certificate
}

// Tracker starts the tracker of the network. Its relay reaches the peers in allow, for these
// networks are set aside for documents, and are no peers elsewhere; its own relayed addresses
// reach each other in any case.
func (n *Internet) Tracker(allow string) *NatTracker {
	n.t.Helper()
	p := n.place("the tracker")
	n.servers++
	n.plug(p, 1+n.servers)
	tr := &NatTracker{Place: p}
	cert, key := certificate(n.t, p.Addr)
	tr.ca = cert
	proc := p.Shoal("tracker", "--listen", p.Addr+":"+natTrackerPort, "--tls-cert", cert, "--tls-key", key,
		"--turn", p.Addr+":"+natTURNPort, "--turn-tls", p.Addr+":"+natTLSPort, "--turn-host", p.Addr,
		"--turn-allow-peer", allow, "--admin", p.Addr+":8001")
	Poll(n.t, "the tracker", 30*time.Second, func() bool {
		if !proc.Running() {
			n.t.Fatalf("the tracker ended:\n%s", proc.Transcript())
		}
		return strings.Contains(proc.Stdout(), "tracker ready on ")
	})
	tr.URL = "wss://" + p.Addr + ":" + natTrackerPort + "/announce"
	tr.STUN = "stun:" + p.Addr + ":" + natTURNPort
	return tr
}

// Relayed says how many sessions the tracker's relay has opened, and how many bytes it has
// passed on.
func (tr *NatTracker) Relayed() (opened, bytes int) {
	tr.t.Helper()
	var s struct{ Relay struct{ Opened, Bytes int } }
	if err := json.Unmarshal(tr.fetch("http://"+tr.Addr+":8001/stats.json"), &s); err != nil {
		tr.t.Fatalf("the tracker's numbers: %v", err)
	}
	return s.Relay.Opened, s.Relay.Bytes
}

// Trust are settings of the environment with which a program trusts the tracker.
func (tr *NatTracker) Trust() []string { return []string{"SSL_CERT_FILE=" + tr.ca} }

// Shoal starts the product in the place.
func (p *Place) Shoal(args ...string) *Proc {
	p.t.Helper()
	return p.ShoalWith(nil, args...)
}

// ShoalWith is Shoal with more in its environment.
func (p *Place) ShoalWith(env []string, args ...string) *Proc {
	p.t.Helper()
	home := p.t.TempDir()
	c := p.enter(Binary(p.t), args...)
	c.Dir, c.Env = home, append(homeEnv(home), env...)
	return Start(p.t, c)
}

// Share shares a file from the place, by WebRTC and the tracker alone.
func (p *Place) Share(tr *NatTracker, path string, args ...string) *Node {
	p.t.Helper()
	return ready(p.t, p.ShoalWith(tr.Trust(), append([]string{"share", path, "--listen", p.Addr + ":0", "--peer-listen", p.Addr + ":0",
		"--no-nat", "--no-dht", "--no-lsd", "--json", "--tracker", tr.URL, "--stun", tr.STUN}, args...)...))
}

// Get downloads by WebRTC and the tracker alone.
func (p *Place) Get(tr *NatTracker, infoHash, dir string) *Proc {
	p.t.Helper()
	return p.ShoalWith(tr.Trust(), "get", "magnet:?xt=urn:btih:"+infoHash+"&tr="+tr.URL, "-o", dir, "--transport", "webrtc",
		"--no-dht", "--no-lsd", "--json", "--stun", tr.STUN)
}

// Tab opens a tab in the place, which trusts and knows the tracker alone. Its page comes from
// the place itself.
func (p *Place) Tab(tr *NatTracker) Tab {
	p.t.Helper()
	page := ready(p.t, p.Shoal(append([]string{"share", Path("testdata", "sample.mp4"), "--no-nat"}, onlyHere...)...))
	b := StartBrowser(p.t, BrowserConfig{MDNS: true, Args: []string{"--ignore-certificate-errors"}, enter: p.enter})
	return OpenTabWith(b, page, `{ loopback: false, iceServers: ['`+tr.STUN+`'], trackers: ['`+tr.URL+`'] }`)
}

// fetch gets a URL from within the place. The URL's host is an address.
func (p *Place) fetch(url string) []byte {
	p.t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, Dial: p.dial}}
	res, err := client.Get(url)
	if err != nil {
		p.t.Fatalf("%v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %s, %v", url, res.Status, err)
	}
	return body
}

// dial connects from within the place. Sockets belong to the namespace of the thread that
// made them; this one ends afterwards.
func (p *Place) dial(network, addr string) (net.Conn, error) {
	type result struct {
		c   net.Conn
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // for ever
		ns, err := os.Open("/proc/" + strconv.Itoa(p.proc.PID()) + "/ns/net")
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		c, err := net.DialTimeout(network, addr, 5*time.Second)
		done <- result{c, err}
	}()
	r := <-done
	return r.c, r.err
}

// certificate makes one for an address, good for itself.
func certificate(t T, addr string) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("%v", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: addr}, IPAddresses: []net.IP{net.ParseIP(addr)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &private.PublicKey, private)
	if err != nil {
		t.Fatalf("%v", err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatalf("%v", err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatalf("%v", err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", raw)
}
