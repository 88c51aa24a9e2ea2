package wsconn

import (
	"io"
	"net"
	"testing"
	"time"
)

// A connection that arrives while the server closes, or after, is ended: nobody would serve it.
func TestNothingIsServedAfterClose(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	piped, other := net.Pipe() // which no loop takes
	defer other.Close()

	s := newServer(t, 1000)
	s.Close()
	for _, c := range []struct{ near, far net.Conn }{{near, far}, {piped, other}} {
		e := new(echo)
		s.Serve(&e.Conn, e, c.near, nil, false, nil)
		if e.ended != 1 || !e.Gone() || s.Open() != 0 {
			t.Errorf("ended %d times, gone: %v, %d open", e.ended, e.Gone(), s.Open())
		}
		c.far.SetDeadline(time.Now().Add(10 * time.Second))
		if n, err := c.far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the client gets %d bytes, %v", n, err)
		}
	}
}
