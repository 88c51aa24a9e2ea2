package embedded

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestNonsenseIsRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{ClusterListen: "nonsense"}, `listen address "nonsense" for routes: write host:port`},
		{Config{ClusterListen: "127.0.0.1:70000"}, `port "70000"`},
		{Config{ClusterListen: taken.Addr().String()}, "address already in use"},
		{Config{Routes: []string{"host"}}, `route "host": write host:port`},
		{Config{Routes: []string{"nats-route://:1"}}, `route "nats-route://:1": write host:port`},
	} {
		s, err := Start(tc.cfg)
		if err == nil {
			s.Close()
			t.Errorf("%+v was taken", tc.cfg)
		} else if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %q, want %q in it", tc.cfg, err, tc.want)
		}
	}
}

// The clients' port has to be open, so it is guarded.
func TestOnlyThisProcessGetsIn(t *testing.T) {
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if nc, err := nats.Connect(s.nats.ClientURL()); err == nil {
		nc.Close()
		t.Error("a client without a password got in")
	}
	user, password := s.Credentials()
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(user, password))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

func TestRoutesOverTLS(t *testing.T) {
	cert, roots := selfSigned(t)
	tc := &tls.Config{
		Certificates: []tls.Certificate{cert}, RootCAs: roots,
		ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
	}
	start := func(cfg Config) *Server {
		s, err := Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	one := start(Config{TLS: tc})
	addr := one.ClusterAddr().String()
	plain := start(Config{Routes: []string{addr}})
	two := start(Config{TLS: tc, Routes: []string{addr}})
	for end := time.Now().Add(20 * time.Second); two.Routes() != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no route over TLS after 20 s")
		}
	}
	if plain.Routes() != 0 || one.Routes() != 1 {
		t.Errorf("a server without TLS got in: it has %d routes, the other %d", plain.Routes(), one.Routes())
	}
}

// Secrets and certificates change while the servers run: with both valid for a while, no node is
// ever shut out.
func TestReload(t *testing.T) {
	oldCert, oldRoots := selfSigned(t)
	newCert, newRoots := selfSigned(t)
	conf := func(cert tls.Certificate, roots ...*x509.CertPool) *tls.Config {
		pool := roots[0].Clone()
		for _, r := range roots[1:] {
			if r == newRoots {
				leaf, _ := x509.ParseCertificate(newCert.Certificate[0])
				pool.AddCert(leaf)
			}
		}
		return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	}
	start := func(cfg Config) *Server {
		s, err := Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	reload := func(s *Server, conf *tls.Config, secrets ...string) {
		if err := s.Reload(secrets, conf); err != nil {
			t.Fatal(err)
		}
	}
	routes := func(what string, want int, s *Server) {
		for end := time.Now().Add(20 * time.Second); s.Routes() != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d routes, want %d", what, s.Routes(), want)
			}
		}
	}
	old := conf(oldCert, oldRoots)
	one := start(Config{TLS: old, Secrets: []string{"old"}})
	addr := one.ClusterAddr().String()
	two := start(Config{TLS: old, Secrets: []string{"old"}, Routes: []string{addr}})
	routes("two with the old", 1, two)
	reload(one, conf(oldCert, oldRoots, newRoots), "new", "old")
	reload(two, conf(newCert, oldRoots, newRoots), "new", "old")
	routes("both know both", 1, two)
	three := start(Config{TLS: conf(newCert, oldRoots, newRoots), Secrets: []string{"new"}, Routes: []string{addr}})
	routes("a third with the new", 2, three)
	reload(one, conf(newCert, newRoots), "new")
	four := start(Config{TLS: conf(newCert, newRoots), Secrets: []string{"new"}, Routes: []string{addr}})
	routes("a fourth with the new alone", 3, four)
	wrong := start(Config{TLS: conf(newCert, newRoots), Secrets: []string{"old"}, Routes: []string{addr}})
	stale := start(Config{TLS: old, Secrets: []string{"new"}, Routes: []string{addr}})
	time.Sleep(500 * time.Millisecond)
	if wrong.Routes() != 0 || stale.Routes() != 0 {
		t.Errorf("with what is valid no more: %d routes by the secret, %d by the certificate", wrong.Routes(), stale.Routes())
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
