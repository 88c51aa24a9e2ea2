package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// A rawClient speaks STUN as it likes.
type rawClient struct {
	t          testing.TB
	s          *Server
	c          net.Conn
	user, pass string
	nonce      stun.Nonce
}

func newRawClient(t testing.TB, s *Server) *rawClient {
	c, err := net.Dial("udp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r := &rawClient{t: t, s: s, c: c}
	r.user, r.pass = s.Credentials()
	return r
}

// ask sends a message and returns the answer to it.
func (r *rawClient) ask(m *stun.Message) *stun.Message {
	r.t.Helper()
	m.WriteHeader()
	r.c.Write(m.Raw)
	return r.answer(m)
}

func (r *rawClient) answer(m *stun.Message) *stun.Message {
	r.t.Helper()
	b := make([]byte, 2000)
	for {
		r.c.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := r.c.Read(b)
		if err != nil {
			r.t.Fatalf("no answer: %v", err)
		}
		a := &stun.Message{Raw: append([]byte(nil), b[:n]...)}
		if a.Decode() == nil && a.TransactionID == m.TransactionID {
			return a
		}
	}
}

// sign adds the credentials.
func (r *rawClient) sign(m *stun.Message) {
	for _, s := range []stun.Setter{stun.NewUsername(r.user), stun.NewRealm("shoal"), r.nonce, stun.MessageIntegrity(turn.GenerateAuthKey(r.user, "shoal", r.pass))} {
		if err := s.AddTo(m); err != nil {
			r.t.Fatal(err)
		}
	}
}

var (
	allocateRequest = stun.NewType(stun.MethodAllocate, stun.ClassRequest)
	overUDP         = stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
)

// open has a session opened.
func (r *rawClient) open() {
	r.t.Helper()
	a := r.ask(stun.MustBuild(stun.TransactionID, allocateRequest))
	if err := r.nonce.GetFrom(a); err != nil {
		r.t.Fatal(err)
	}
	m := stun.MustBuild(stun.TransactionID, allocateRequest, overUDP)
	r.sign(m)
	if a := r.ask(m); a.Type.Class != stun.ClassSuccessResponse {
		r.t.Fatalf("no session: %v", a)
	}
}

// RFC 8656, section 7.2: pion hands out no pair of ports, since we refuse to try for one.
func TestEvenPortIsRefused(t *testing.T) {
	s := start(t, Config{})
	r := newRawClient(t, s)
	r.open()
	other := newRawClient(t, s)
	other.nonce = r.nonce
	m := stun.MustBuild(stun.TransactionID, allocateRequest, overUDP, stun.RawAttribute{Type: stun.AttrEvenPort, Value: []byte{0x80}})
	other.sign(m)
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(other.ask(m)); err != nil || code.Code != stun.CodeInsufficientCapacity {
		t.Errorf("%v, %v", code, err)
	}
	if n := s.Stats().Opened; n != 1 {
		t.Errorf("%d sessions were opened", n)
	}
}

// Whatever a client with credentials sends, the server goes on: it shares its process with
// the tracker.
func FuzzServer(f *testing.F) {
	s, err := New(Config{Listen: "127.0.0.1:0", AllowPeers: []netip.Prefix{loopback}, Unproven: limit.Rate{PerSecond: 1e6}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	peer := []byte{0, 1, 0x21, 0x13, 0x21 ^ 127, 0x12, 0xa4, 0x43}
	attr := func(typ stun.AttrType, value ...byte) []byte {
		return append(binary.BigEndian.AppendUint16(nil, uint16(typ)), append([]byte{byte(len(value))}, value...)...)
	}
	for _, method := range []stun.Method{stun.MethodBinding, stun.MethodAllocate, stun.MethodRefresh, stun.MethodSend, stun.MethodCreatePermission,
		stun.MethodChannelBind, stun.MethodConnect, stun.MethodConnectionBind} {
		for _, attrs := range [][]byte{nil, overUDP.Value, append(attr(stun.AttrXORPeerAddress, peer...), attr(stun.AttrData, 1, 2, 3)...),
			append(attr(stun.AttrXORPeerAddress, peer...), attr(stun.AttrChannelNumber, 0x40, 0, 0, 0)...),
			attr(stun.AttrLifetime, 0, 0, 0, 0), attr(stun.AttrConnectionID, 1, 2, 3, 4), attr(stun.AttrEvenPort, 0x80),
			attr(stun.AttrReservationToken, 1, 2, 3, 4, 5, 6, 7, 8), attr(stun.AttrRequestedAddressFamily, 2, 0, 0, 0), attr(stun.AttrRequestedTransport, 6, 0, 0, 0)} {
			f.Add(uint16(method), uint8(stun.ClassRequest), true, attrs)
		}
	}
	f.Add(uint16(stun.MethodSend), uint8(stun.ClassIndication), false, attr(stun.AttrXORPeerAddress, peer...))
	f.Add(uint16(0), uint8(0), false, []byte("\x40\x00\x00\x05hello"))
	f.Fuzz(func(t *testing.T, method uint16, class uint8, signed bool, attrs []byte) {
		r := newRawClient(t, s)
		defer r.c.Close()
		if signed {
			r.open()
			m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.Method(method&0xfff), stun.MessageClass(class&3)))
			for len(attrs) >= 3 {
				n := min(int(attrs[2]), len(attrs)-3)
				if typ := stun.AttrType(binary.BigEndian.Uint16(attrs)); typ != stun.AttrFingerprint { // the last one of a message
					m.Add(typ, attrs[3:3+n])
				}
				attrs = attrs[3+n:]
			}
			if len(m.Raw) < 1200 {
				r.sign(m)
				r.c.Write(m.Raw)
			}
		} else {
			r.c.Write(attrs[:min(len(attrs), 1500)])
		}
		// The one loop that reads the socket has come so far.
		r.ask(stun.MustBuild(stun.TransactionID, stun.BindingRequest))
		if signed {
			m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodRefresh, stun.ClassRequest),
				stun.RawAttribute{Type: stun.AttrLifetime, Value: []byte{0, 0, 0, 0}})
			r.sign(m)
			r.c.Write(m.Raw)
			r.ask(stun.MustBuild(stun.TransactionID, stun.BindingRequest))
		}
		eventually(t, "the session is over", func() bool { return s.Stats().Sessions == 0 })
	})
}
