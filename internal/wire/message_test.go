package wire

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

var testRange = HashRange{Root: [32]byte{0: 0xaa, 31: 0xbb}, BaseLayer: 6, Index: 4, Length: 2, ProofLayers: 3}

const testRangeHex = "aa" + "000000000000000000000000000000000000000000000000000000000000" + "bb" +
	"00000006" + "00000004" + "00000002" + "00000003"

// Each message as the specification draws it.
var frames = []struct {
	name string
	m    Message
	hex  string
}{
	{"keep-alive", Message{KeepAlive: true}, "00000000"},
	{"choke", Message{ID: Choke}, "00000001 00"},
	{"unchoke", Message{ID: Unchoke}, "00000001 01"},
	{"interested", Message{ID: Interested}, "00000001 02"},
	{"not interested", Message{ID: NotInterested}, "00000001 03"},
	{"have", Message{ID: Have, Index: 0x01020304}, "00000005 04 01020304"},
	{"bitfield", Message{ID: Bitfield, Payload: []byte{0xff, 0x80}}, "00000003 05 ff80"},
	{"request", Message{ID: Request, Index: 1, Begin: 0x4000, Length: 0x4000}, "0000000d 06 00000001 00004000 00004000"},
	{"piece", Message{ID: Piece, Index: 1, Begin: 2, Payload: []byte("abc")}, "0000000c 07 00000001 00000002 616263"},
	{"piece header", Message{ID: Piece, Index: 1, Begin: 2, Length: 0x4000}, "00004009 07 00000001 00000002"},
	{"cancel", Message{ID: Cancel, Index: 1, Begin: 2, Length: 3}, "0000000d 08 00000001 00000002 00000003"},
	{"port", Message{ID: Port, Port: 6881}, "00000003 09 1ae1"},
	{"suggest", Message{ID: Suggest, Index: 7}, "00000005 0d 00000007"},
	{"have all", Message{ID: HaveAll}, "00000001 0e"},
	{"have none", Message{ID: HaveNone}, "00000001 0f"},
	{"reject", Message{ID: Reject, Index: 1, Begin: 2, Length: 3}, "0000000d 10 00000001 00000002 00000003"},
	{"allowed fast", Message{ID: AllowedFast, Index: 7}, "00000005 11 00000007"},
	{"extended", Message{ID: Extended, ExtID: 3, Payload: []byte("de")}, "00000004 14 03 6465"},
	{"empty extended", Message{ID: Extended, ExtID: 3, Payload: []byte{}}, "00000002 14 03"},
	{"hash request", Message{ID: HashRequest, Hash: testRange}, "00000031 15 " + testRangeHex},
	{"hashes", Message{ID: Hashes, Hash: testRange, Payload: bytes.Repeat([]byte{0xcc}, 5*32)},
		"000000d1 16 " + testRangeHex + strings.Repeat("cc", 5*32)},
	{"hash reject", Message{ID: HashReject, Hash: testRange}, "00000031 17 " + testRangeHex},
	{"unknown id", Message{ID: 99, Payload: []byte{1, 2}}, "00000003 63 0102"},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEachMessageHasTheBytesOfTheSpecification(t *testing.T) {
	var d Decoder
	for _, f := range frames {
		t.Run(f.name, func(t *testing.T) {
			want := unhex(t, f.hex)
			if got := f.m.Append([]byte("x")); !bytes.Equal(got[1:], want) || got[0] != 'x' {
				t.Errorf("Append gave %x, want %x", got[1:], want)
			}
			m := f.m
			if m.ID == Piece && m.Payload != nil {
				m.Length, m.Payload = uint32(len(m.Payload)), nil
			}
			got, n, err := d.Next(want)
			if err != nil {
				t.Fatal(err)
			}
			wantN := len(want)
			if m.ID == Piece && !m.KeepAlive {
				wantN = PieceHeaderLen
			}
			if n != wantN || !reflect.DeepEqual(got, m) {
				t.Errorf("Next gave %+v after %d bytes, want %+v after %d", got, n, m, wantN)
			}
		})
	}
}

// A stream that arrives in any pieces gives the same messages, and Need never
// asks for more than the frame has.
func TestAFrameMayArriveByteByByte(t *testing.T) {
	var d Decoder
	for _, f := range frames {
		frame := unhex(t, f.hex)
		full := len(frame)
		if f.m.ID == Piece && !f.m.KeepAlive {
			full = PieceHeaderLen
		}
		for n := range full {
			m, consumed, err := d.Next(frame[:n])
			if err != nil || consumed != 0 || !reflect.DeepEqual(m, Message{}) {
				t.Fatalf("%s: %d bytes of %d gave %+v, %d, %v", f.name, n, full, m, consumed, err)
			}
			need, err := d.Need(frame[:n])
			if err != nil || need <= n || need > full {
				t.Fatalf("%s: after %d bytes of %d Need says %d, %v", f.name, n, full, need, err)
			}
		}
	}
}

func TestFramesThatAreRefused(t *testing.T) {
	zeros := strings.Repeat("00", 32)
	cases := []struct {
		name, hex string
		want      error
	}{
		{"4 GiB prefix alone", "ffffffff", ErrFrameTooLarge},
		{"4 GiB piece", "ffffffff 07 00000000 00000000", ErrFrameTooLarge},
		{"1 GiB unknown message", "40000000 63", ErrFrameTooLarge},
		{"extended over 1 MiB", "00100002 14", ErrFrameTooLarge},
		{"bitfield over 2 MiB", "00200002 05", ErrFrameTooLarge},
		{"hashes over 1 MiB", "00100011 16", ErrFrameTooLarge},
		{"choke with a body", "00000002 00 00", ErrFrameLength},
		{"have all with a body", "00000005 0e 00000000", ErrFrameLength},
		{"short have", "00000004 04 000000", ErrFrameLength},
		{"long have", "00000006 04 0000000000", ErrFrameLength},
		{"have of 4 GiB less one", "3fffffff 04", ErrFrameLength},
		{"short request", "0000000c 06", ErrFrameLength},
		{"long cancel", "0000000e 08", ErrFrameLength},
		{"short reject", "00000009 10", ErrFrameLength},
		{"short port", "00000002 09 1a", ErrFrameLength},
		{"long port", "00000004 09 1ae100", ErrFrameLength},
		{"short suggest", "00000001 0d", ErrFrameLength},
		{"short allowed fast", "00000002 11", ErrFrameLength},
		{"piece without begin", "00000005 07 00000000", ErrFrameLength},
		{"empty piece message", "00000001 07", ErrFrameLength},
		{"piece without data", "00000009 07 00000000 00000000", ErrBlockEmpty},
		{"piece over 128 KiB", "0002000a 07 00000000 00000000", ErrBlockTooLarge},
		{"piece that wraps around", "00004009 07 00000000 ffffffff", ErrBlockOverflow},
		{"request of nothing", "0000000d 06 00000000 00000000 00000000", ErrBlockEmpty},
		{"request over 128 KiB", "0000000d 06 00000000 00000000 00020001", ErrBlockTooLarge},
		{"request of 4 GiB", "0000000d 06 00000000 00000000 ffffffff", ErrBlockTooLarge},
		{"request that wraps around", "0000000d 06 00000000 ffffc001 00004000", ErrBlockOverflow},
		{"cancel over 128 KiB", "0000000d 08 00000000 00000000 00020001", ErrBlockTooLarge},
		{"reject that wraps around", "0000000d 10 00000000 ffffffff 00000001", ErrBlockOverflow},
		{"extended without id", "00000001 14", ErrFrameLength},
		{"short hash request", "00000030 15", ErrFrameLength},
		{"long hash reject", "00000032 17", ErrFrameLength},
		{"hashes without range", "00000010 16", ErrFrameLength},
		{"half a hash", "00000041 16", ErrHashCount},
		{"hashes of no range", "00000031 16 " + zeros + "00000000 00000000 00000000 00000000", ErrHashRange},
		{"fewer hashes than the range", "00000051 16 " + zeros + "00000000 00000000 00000002 00000000" + zeros, ErrHashCount},
		{"hashes without their proof", "00000071 16 " + zeros + "00000000 00000000 00000002 00000001" + zeros + zeros, ErrHashCount},
		{"a million hashes promised", "00000051 16 " + zeros + "00000000 00000000 00100000 00000000" + zeros, ErrHashRange},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			m, n, err := d.Next(unhex(t, c.hex))
			if err != c.want || n != 0 || !reflect.DeepEqual(m, Message{}) {
				t.Errorf("got %+v, %d, %v, want %v", m, n, err, c.want)
			}
			if perr, ok := err.(*ProtocolError); !ok || !strings.HasPrefix(perr.Error(), "peer protocol: ") {
				t.Errorf("error is %T %v, want a ProtocolError that names its origin", err, err)
			}
		})
	}
}

// The limits hold exactly where they say, and before the body is there.
func TestLimits(t *testing.T) {
	d := Decoder{Limits{MaxBlock: 16 << 10, MaxBitfield: 3, MaxPayload: 100}}
	for _, c := range []struct {
		name, hex string
		need      int
		want      error
	}{
		{"block", "00004009 07", PieceHeaderLen, nil},
		{"block + 1", "0000400a 07", 0, ErrBlockTooLarge},
		{"bitfield", "00000004 05", 8, nil},
		{"bitfield + 1", "00000005 05", 0, ErrFrameTooLarge},
		{"extended", "00000065 14", 105, nil},
		{"extended + 1", "00000066 14", 0, ErrFrameTooLarge},
		{"unknown", "00000065 63", 105, nil},
		{"unknown + 1", "00000066 63", 0, ErrFrameTooLarge},
	} {
		need, err := d.Need(unhex(t, c.hex))
		if need != c.need || err != c.want {
			t.Errorf("%s: Need gave %d, %v, want %d, %v", c.name, need, err, c.need, c.want)
		}
	}
	// No setting can make a frame's length overflow.
	d = Decoder{Limits{^uint32(0), ^uint32(0), ^uint32(0)}}
	for id := range 256 {
		if need, err := d.Need([]byte{0xff, 0xff, 0xff, 0xff, byte(id)}); err == nil {
			t.Fatalf("id %d: a 4 GiB frame is taken, %d bytes of it", id, need)
		}
	}
}

// libtorrent asks for a single hash now and then, which BEP 52 does not allow:
// it must come through, to be answered with a reject.
func TestAHashRequestThatMakesNoSenseIsPassedOn(t *testing.T) {
	var d Decoder
	for _, id := range []ID{HashRequest, HashReject} {
		m := Message{ID: id, Hash: HashRange{BaseLayer: 1 << 31, Index: 5, Length: 1, ProofLayers: ^uint32(0)}}
		got, _, err := d.Next(m.Append(nil))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, %v", got, err)
		}
		if got.Hash.Check() != ErrHashRange {
			t.Error("Check lets it pass")
		}
	}
}

func TestPayloadCannotGrowIntoTheNextFrame(t *testing.T) {
	var d Decoder
	b := (&Message{ID: Bitfield, Payload: []byte{1, 2}}).Append(nil)
	b = (&Message{ID: Have, Index: 9}).Append(b)
	m, n, _ := d.Next(b)
	_ = append(m.Payload, 0xff, 0xff)
	if m, _, err := d.Next(b[n:]); err != nil || m.ID != Have || m.Index != 9 {
		t.Errorf("appending to a payload changed the next message: %+v, %v", m, err)
	}
}

func TestFrequentMessagesAllocateNothing(t *testing.T) {
	var d Decoder
	var stream []byte
	for _, f := range frames {
		if f.name != "piece" && f.name != "piece header" {
			stream = f.m.Append(stream)
		}
	}
	block := make([]byte, 16<<10)
	out := make([]byte, 0, 64<<10)
	allocs := testing.AllocsPerRun(100, func() {
		for b := stream; len(b) > 0; {
			m, n, err := d.Next(b)
			if err != nil || n == 0 {
				t.Fatal(err)
			}
			out = m.Append(out[:0])
			b = b[n:]
		}
		m := Message{ID: Piece, Payload: block}
		out = m.Append(out[:0])
		if _, _, err := d.Next([]byte("\xff\xff\xff\xff\x07")); err == nil {
			t.Fatal("no error")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func FuzzDecoder(f *testing.F) {
	for _, fr := range frames {
		f.Add(unhex(f, fr.hex), uint32(0), uint32(0), uint32(0))
	}
	f.Add(unhex(f, "00000005 04 00000001 00000000 0000000d 06 00000001 00004000 00004000"), uint32(1<<14), uint32(8), uint32(64))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, ^uint32(0), ^uint32(0), ^uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, block, bits, payload uint32) {
		d := Decoder{Limits{block, bits, payload}}
		for len(b) > 0 {
			need, needErr := d.Need(b)
			m, n, err := d.Next(b)
			if needErr != nil && err != needErr {
				t.Fatalf("Need says %v, Next %v", needErr, err)
			}
			if err != nil {
				if _, ok := err.(*ProtocolError); !ok || n != 0 {
					t.Fatalf("%T %v after %d bytes", err, err, n)
				}
				return
			}
			if n == 0 {
				if need <= len(b) {
					t.Fatalf("Need %d of %d bytes, but Next wants more", need, len(b))
				}
				return
			}
			if n != need || n > len(b) {
				t.Fatalf("consumed %d, Need %d, of %d", n, need, len(b))
			}
			if again := m.Append(nil); !bytes.Equal(again, b[:n]) {
				t.Fatalf("%x came back as %x", b[:n], again)
			}
			b = b[n:]
		}
	})
}

func BenchmarkDecodeSmall(b *testing.B) {
	var d Decoder
	var stream []byte
	for i := range uint32(100) {
		stream = (&Message{ID: Request, Index: i, Begin: 0, Length: 1 << 14}).Append(stream)
		stream = (&Message{ID: Have, Index: i}).Append(stream)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		for s := stream; len(s) > 0; {
			_, n, err := d.Next(s)
			if err != nil {
				b.Fatal(err)
			}
			s = s[n:]
		}
	}
}

func BenchmarkDecodePieceHeader(b *testing.B) {
	var d Decoder
	h := (&Message{ID: Piece, Index: 1, Begin: 1 << 14, Length: 1 << 14}).Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, n, err := d.Next(h); n != PieceHeaderLen || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	buf := make([]byte, 0, 64)
	m := Message{ID: Request, Index: 1, Begin: 1 << 14, Length: 1 << 14}
	b.ReportAllocs()
	for b.Loop() {
		buf = m.Append(buf[:0])
	}
}

func BenchmarkAppendPiece(b *testing.B) {
	buf := make([]byte, 0, 32<<10)
	m := Message{ID: Piece, Index: 1, Payload: make([]byte, 16<<10)}
	b.SetBytes(16 << 10)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.Append(buf[:0])
	}
}
