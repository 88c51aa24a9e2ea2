package wire

import (
	"bytes"
	"testing"
)

func testHandshake() Handshake {
	var h Handshake
	copy(h.InfoHash[:], "iiiiiiiiiiiiiiiiiiii")
	copy(h.PeerID[:], "-SH0001-pppppppppppp")
	return h
}

func TestHandshakeHasTheBytesOfBEP3(t *testing.T) {
	h := testHandshake()
	h.SetExtensions()
	h.SetFast()
	h.SetDHT()
	h.SetV2()
	want := "\x13BitTorrent protocol" + "\x00\x00\x00\x00\x00\x10\x00\x15" + "iiiiiiiiiiiiiiiiiiii" + "-SH0001-pppppppppppp"
	b := h.Append([]byte("x"))
	if string(b) != "x"+want {
		t.Fatalf("got %q, want %q", b[1:], want)
	}
	got, err := ParseHandshake(b[1:])
	if err != nil || got != h {
		t.Fatalf("came back as %+v, %v", got, err)
	}
}

func TestHandshakeBitsAreTheirOwn(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Handshake)
		want [4]bool
	}{
		{"none", func(*Handshake) {}, [4]bool{}},
		{"extensions", (*Handshake).SetExtensions, [4]bool{0: true}},
		{"dht", (*Handshake).SetDHT, [4]bool{1: true}},
		{"fast", (*Handshake).SetFast, [4]bool{2: true}},
		{"v2", (*Handshake).SetV2, [4]bool{3: true}},
	} {
		h := testHandshake()
		c.set(&h)
		if got := [4]bool{h.HasExtensions(), h.HasDHT(), h.HasFast(), h.HasV2()}; got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestNoHandshake(t *testing.T) {
	h := testHandshake()
	good := h.Append(nil)
	http := append([]byte("GET / HTTP/1.1\r\nHost: "), make([]byte, 68)...)[:68]
	frame := (&Message{ID: Have, Index: 1}).Append(nil)
	for name, b := range map[string][]byte{
		"nothing": nil, "one byte short": good[:67], "one byte long": append(good[:68:68], 0), "http": http,
		"a message before the handshake": append(frame, make([]byte, 68)...)[:68],
		"another protocol":               append([]byte("\x13BitTorrent protocoL"), good[20:]...),
		"another length":                 append([]byte{18}, good[1:]...),
	} {
		if _, err := ParseHandshake(b); err != ErrHandshake {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range len(good) + 1 {
		if !IsHandshakePrefix(good[:n]) {
			t.Errorf("%d bytes of a handshake are refused", n)
		}
	}
	if IsHandshakePrefix(http[:1]) || IsHandshakePrefix(frame[:1]) {
		t.Error("a wrong first byte passes")
	}
}

func FuzzHandshake(f *testing.F) {
	h := testHandshake()
	f.Add(h.Append(nil))
	f.Add([]byte("\x13BitTorrent protocol"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHandshake(b)
		if err == nil && !bytes.Equal(h.Append(nil), b) {
			t.Fatalf("%x came back as %x", b, h.Append(nil))
		}
	})
}
