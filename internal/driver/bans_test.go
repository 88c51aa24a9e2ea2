package driver

import (
	"testing"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// from is a stream that comes from an address, and carries nothing.
type from struct {
	transport.Conn
	addr string
	kind transport.Kind
}

func (c from) RemoteAddr() string   { return c.addr }
func (c from) Kind() transport.Kind { return c.kind }

// A ban in one torrent holds in all of a session: for the peer, not for others at
// its address.
func TestSessionRefusesWhomItBanned(t *testing.T) {
	s := NewSession(Config{})
	defer s.Close()
	liar, other := [20]byte{'l'}, [20]byte{'o'}
	s.ban(from{addr: "192.0.2.1:1000", kind: transport.TCP}, liar)
	s.ban(from{kind: transport.WebRTC}, liar) // behind a relay
	for name, tt := range map[string]struct {
		from from
		id   [20]byte
		want bool
	}{
		"the same from another port":     {from{addr: "192.0.2.1:2000"}, liar, true},
		"the same as an IPv4-mapped one": {from{addr: "[::ffff:192.0.2.1]:2000"}, liar, true},
		"the very port":                  {from{addr: "192.0.2.1:1000"}, other, true},
		"its neighbour":                  {from{addr: "192.0.2.1:2000"}, other, false},
		"the same behind a relay":        {from{kind: transport.WebRTC}, liar, true},
		"another behind a relay":         {from{kind: transport.WebRTC}, other, false},
	} {
		if got := s.isBanned(tt.from, tt.id); got != tt.want {
			t.Errorf("%s: refused %v", name, got)
		}
	}
	if !s.refused(from{addr: "192.0.2.1:1000"}) || s.refused(from{addr: "192.0.2.1:2000"}) {
		t.Error("refused before the handshake: the wrong ones")
	}
}
