package main

import (
	"crypto/tls"
	"io"
	"os"
	"testing"
	"time"
)

// comeBack asks for /health and reports whether the client went on with a session it had.
func comeBack(t *testing.T, addr string, client *tls.Config) bool {
	t.Helper()
	c, err := tls.Dial("tcp", addr, client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if text, err := io.ReadAll(c); err != nil || len(text) == 0 {
		t.Fatal(string(text), err)
	}
	return c.ConnectionState().DidResume
}

// A client that was at one node comes back to another with what it got there.
func TestSessionTicketsOfAllNodes(t *testing.T) {
	cert, key := selfSigned(t, "localhost")
	secrets := write(t, "tickets", "the first secret of this test\n")
	node := func(file string) string {
		args := []string{"--tls-cert", cert, "--tls-key", key}
		if file != "" {
			args = append(args, "--tls-ticket-secret-file", file)
		}
		return startTracker(t, args...).addr(t, "wss, https, udp")
	}
	client := func() *tls.Config {
		return &tls.Config{ServerName: "localhost", InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	}
	first := node(secrets)
	for _, c := range []struct {
		name, file string
		want       bool
	}{
		{"the same secret", secrets, true},
		{"a new secret before it", write(t, "tickets", "the second secret of this test\nthe first secret of this test\n"), true},
		{"another secret", write(t, "tickets", "the second secret of this test\n"), false},
		{"none", "", false},
	} {
		conf := client()
		if comeBack(t, first, conf) {
			t.Fatal("it was never here")
		}
		if got := comeBack(t, node(c.file), conf); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestSessionTicketSecretsAreReloaded(t *testing.T) {
	cert, key := selfSigned(t, "localhost")
	secrets := write(t, "tickets", "the first secret of this test\n")
	r := startTracker(t, "--tls-cert", cert, "--tls-key", key, "--tls-ticket-secret-file", secrets)
	addr := r.addr(t, "wss, https, udp")
	conf := &tls.Config{ServerName: "localhost", InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	comeBack(t, addr, conf)
	if !comeBack(t, addr, conf) {
		t.Error("it does not read its own tickets")
	}
	os.WriteFile(secrets, []byte("the second secret of this test\n"), 0o600)
	r.plan.files.check(time.Now(), true)
	if comeBack(t, addr, conf) {
		t.Error("a secret that was taken away still reads")
	}
	if !comeBack(t, addr, conf) {
		t.Error("the new secret does not")
	}
}

// The key exchange is X25519 unless the operator pays for more.
func TestCurves(t *testing.T) {
	cert, key := selfSigned(t, "localhost")
	for curves, want := range map[string]tls.CurveID{"": tls.X25519, "x25519,X25519MLKEM768": tls.X25519MLKEM768, "p256": tls.CurveP256} {
		args := []string{"--tls-cert", cert, "--tls-key", key}
		if curves != "" {
			args = append(args, "--tls-curves", curves)
		}
		addr := startTracker(t, args...).addr(t, "wss, https, udp")
		c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if got := c.ConnectionState().CurveID; got != want {
			t.Errorf("%q: %v, want %v", curves, got, want)
		}
	}
}
