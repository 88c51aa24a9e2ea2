package wsconn

import (
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// A Unix socket is read from and written to by a loop, and what it did not take at once comes later.
func TestUnixSocketInALoop(t *testing.T) {
	s := newServer(t, 1000)
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	Tune(ln)
	far, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	far.SetDeadline(time.Now().Add(time.Minute))
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{addr: nth(1)}
	s.Serve(&e.Conn, e, near, nil, false, nil)
	if _, ok := e.link.(*fdLink); !ok {
		t.Fatalf("it is served by %T", e.link)
	}
	pile(t, s, e)
	e.mu.Lock()
	waits := len(e.out)
	e.mu.Unlock()
	if waits == 0 {
		t.Fatal("nothing waits")
	}
	if _, err := io.CopyN(io.Discard, far, int64(waits)+10_000); err != nil {
		t.Errorf("what waited does not come: %v", err)
	}
	far.Close()
	eventually(t, "the end is seen", e.Gone)
}
