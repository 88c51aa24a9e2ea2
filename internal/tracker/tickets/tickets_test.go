package tickets

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"math/big"
	"slices"
	"testing"
	"time"
)

var (
	secret = []byte("correct horse battery staple")
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// All nodes and all versions have to come to the same keys.
func TestKeysStayWhatTheyAre(t *testing.T) {
	const want = "946f4ce5d8a31ebd579794623e0c92b664756fae5d0d0f5f10ac018131ec8afe"
	if got := Keys(noon, secret)[0]; hex.EncodeToString(got[:]) != want {
		t.Errorf("%x", got)
	}
}

func TestKeys(t *testing.T) {
	at := func(d time.Duration) [][32]byte { return Keys(noon.Add(d), secret) }
	now := at(0)
	if len(now) != 5 {
		t.Fatalf("%d keys", len(now))
	}
	for _, d := range []time.Duration{time.Nanosecond, Period - 1} {
		if !slices.Equal(at(d), now) {
			t.Errorf("other keys %v later", d)
		}
	}
	if !slices.Equal(Keys(noon.In(time.FixedZone("", 5*3600)), secret), now) {
		t.Error("other keys in another time zone")
	}
	for _, c := range []struct {
		later time.Duration
		reads bool
	}{{-Period - 1, false}, {-1, true}, {Period, true}, {3 * Period, true}, {4*Period - 1, true}, {4 * Period, false}} {
		if got := slices.Contains(at(c.later), now[0]); got != c.reads {
			t.Errorf("%v later, a ticket of now is read: %v", c.later, got)
		}
	}
	if at(Period)[0] == now[0] {
		t.Error("the key in use never changes")
	}
	other := Keys(noon, []byte("another"), secret)
	if len(other) != 10 || other[0] == now[0] || !slices.Contains(other, now[0]) {
		t.Error("an old secret is not read beside the new one")
	}
	if len(Keys(noon)) != 0 {
		t.Error("keys without a secret")
	}
	for i, k := range other {
		if slices.Contains(other[:i], k) || k == ([32]byte{}) {
			t.Errorf("key %d is there twice, or is none", i)
		}
	}
}

func TestNext(t *testing.T) {
	for _, d := range []time.Duration{0, 1, Period / 2, Period - 1} {
		now := noon.Add(d)
		next := Next(now)
		if next != noon.Add(Period) || !slices.Equal(Keys(next.Add(-1), secret), Keys(now, secret)) || slices.Equal(Keys(next, secret), Keys(now, secret)) {
			t.Errorf("%v after noon: next at %v", d, next)
		}
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"tracker"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// connect reports whether a client could go on with what it has of another server.
func connect(t *testing.T, server, client *tls.Config) (resumed bool) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if nc, err := ln.Accept(); err == nil {
			nc.Write([]byte("hello"))
			nc.Close()
		}
	}()
	c, err := tls.Dial("tcp", ln.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, []byte("hello")) {
		t.Fatal(string(got), err)
	}
	return c.ConnectionState().DidResume
}

func TestTicketsOfAnotherNodeAndOfBefore(t *testing.T) {
	cert := certificate(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		node := func(keys [][32]byte) *tls.Config {
			conf := &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version}
			conf.SetSessionTicketKeys(keys)
			return conf
		}
		for _, c := range []struct {
			name string
			then [][32]byte
			want bool
		}{
			{"another node, or after a restart", Keys(noon, secret), true},
			{"a node whose clock is late", Keys(noon.Add(-time.Second), secret), true},
			{"the same day", Keys(noon.Add(17*time.Hour), secret), true},
			{"the next day", Keys(noon.Add(24*time.Hour), secret), false},
			{"with a new secret, and the old one behind it", Keys(noon, []byte("new"), secret), true},
			{"with another secret", Keys(noon, []byte("new")), false},
		} {
			client := &tls.Config{InsecureSkipVerify: true, ServerName: "tracker", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			if connect(t, node(Keys(noon, secret)), client) {
				t.Fatal("resumed what never was")
			}
			if got := connect(t, node(c.then), client); got != c.want {
				t.Errorf("%x, %s: resumed %v", version, c.name, got)
			}
		}
	}
}
