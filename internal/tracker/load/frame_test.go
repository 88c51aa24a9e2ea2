package load

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// serverFrame makes a frame as a tracker sends it.
func serverFrame(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// unmask reads a frame of ours as a tracker would.
func unmask(t *testing.T, b []byte) (op wsframe.Op, payload string, rest []byte) {
	t.Helper()
	op = wsframe.Op(b[0] & 0xf)
	if b[0]&0x80 == 0 || b[1]&0x80 == 0 {
		t.Fatalf("a frame begins with %x: it has to be final and masked", b[:2])
	}
	n, head := int(b[1]&0x7f), 2
	switch n {
	case 126:
		n, head = int(binary.BigEndian.Uint16(b[2:])), 4
	case 127:
		n, head = int(binary.BigEndian.Uint64(b[2:])), 10
	}
	key := b[head : head+4]
	out := bytes.Clone(b[head+4 : head+4+n])
	for i := range out {
		out[i] ^= key[i%4]
	}
	return op, string(out), b[head+4+n:]
}

func TestFramesOfEveryLength(t *testing.T) {
	var stream []byte
	var want []string
	for _, n := range []int{0, 1, 125, 126, 127, 4095, 4096, 4097, 65535, 65536, 200_000} {
		payload := strings.Repeat("x", n)
		op, got, rest := unmask(t, appendFrame(nil, wsframe.Text, []byte(payload)))
		if op != wsframe.Text || got != payload || len(rest) > 0 {
			t.Errorf("%d bytes: opcode %d, %d bytes, %d left over", n, op, len(got), len(rest))
		}
		stream = append(stream, serverFrame(0x81, payload)...)
		want = append(want, payload)
	}
	for name, r := range map[string]io.Reader{
		"at once":     bytes.NewReader(stream),
		"by the half": iotest.HalfReader(bytes.NewReader(stream)),
		"by the byte": iotest.OneByteReader(bytes.NewReader(stream)),
	} {
		f := newFrames(4096)
		for i, w := range want {
			op, payload, err := f.next(r)
			if err != nil || op != wsframe.Text || string(payload) != w {
				t.Fatalf("%s: message %d: opcode %d, %d bytes, %v; want %d bytes", name, i, op, len(payload), err, len(w))
			}
		}
		if _, _, err := f.next(r); err != io.EOF {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

func TestFragmentsAreJoined(t *testing.T) {
	b := serverFrame(0x01, "one ")
	b = append(b, serverFrame(0x89, "ping")...) // control frames may come between
	b = append(b, serverFrame(0x00, "two ")...)
	b = append(b, serverFrame(0x80, "three")...)
	r, f := bytes.NewReader(b), newFrames(64)
	if op, p, err := f.next(r); op != wsframe.Ping || string(p) != "ping" || err != nil {
		t.Errorf("%d %q %v", op, p, err)
	}
	if op, p, err := f.next(r); op != wsframe.Text || string(p) != "one two three" || err != nil {
		t.Errorf("%d %q %v", op, p, err)
	}
}

func TestBadFrames(t *testing.T) {
	huge := binary.BigEndian.AppendUint64([]byte{0x81, 127}, 1<<40)
	for name, b := range map[string][]byte{
		"reserved bit":           serverFrame(0xc1, "x"),
		"masked":                 {0x81, 0x81, 0, 0, 0, 0, 'x'},
		"a terabyte":             huge,
		"continues nothing":      serverFrame(0x80, "x"),
		"begins within another":  append(serverFrame(0x01, "x"), serverFrame(0x81, "y")...),
		"more than a MiB in all": bytes.Repeat(append(serverFrame(0x01, strings.Repeat("x", 600<<10)), serverFrame(0x00, strings.Repeat("x", 600<<10))...), 1),
	} {
		f := newFrames(64)
		if _, p, err := f.next(bytes.NewReader(b)); err == nil || err == io.EOF {
			t.Errorf("%s: %d bytes, %v", name, len(p), err)
		}
	}
}

// A long message must not leave its buffer behind on an idle connection.
func TestBufferShrinks(t *testing.T) {
	r, f := &bytes.Buffer{}, newFrames(512)
	r.Write(serverFrame(0x81, strings.Repeat("x", 100_000)))
	f.next(r)
	r.Write(serverFrame(0x81, "x"))
	f.next(r)
	if len(f.buf) != 512 {
		t.Errorf("%d bytes are kept", len(f.buf))
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(serverFrame(0x81, "hello"), 1)
	f.Add(serverFrame(0x89, ""), 2)
	f.Add(append(serverFrame(0x01, "a"), serverFrame(0x80, "b")...), 3)
	f.Add([]byte{0x81, 127, 0, 0, 1}, 64)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		fr := newFrames(16 + size&1023)
		r := bytes.NewReader(b)
		for total := 0; ; {
			_, p, err := fr.next(r)
			if err != nil {
				return
			}
			if total += len(p); total > len(b) {
				t.Fatalf("%d bytes of messages out of %d", total, len(b))
			}
		}
	})
}
