package bits

import "testing"

func TestSetMirrorsBitfieldLayout(t *testing.T) {
	s := New(10)
	if !s.Set(0) || !s.Set(9) || s.Set(9) {
		t.Fatal("Set must report whether the bit was clear")
	}
	if got := s.Bytes(); got[0] != 0x80 || got[1] != 0x40 {
		t.Fatalf("bytes %x, want 8040", got)
	}
	if s.Count() != 2 || s.Has(10) || s.Has(-1) || s.Set(10) {
		t.Fatal("out of range bits must not exist")
	}
	if !s.Clear(0) || s.Clear(0) || s.Count() != 1 {
		t.Fatal("Clear must count")
	}
	s.Fill()
	if !s.All() || s.Bytes()[1] != 0xc0 {
		t.Fatalf("Fill leaves spare bits clear, got %x", s.Bytes())
	}
}

func TestFromBytesRefusesWrongLengthAndSpareBits(t *testing.T) {
	if _, ok := FromBytes([]byte{0xff}, 9); ok {
		t.Fatal("short bitfield accepted")
	}
	if _, ok := FromBytes([]byte{0xff, 0x81}, 9); ok {
		t.Fatal("spare bit accepted")
	}
	s, ok := FromBytes([]byte{0xff, 0x80}, 9)
	if !ok || !s.All() {
		t.Fatal("full bitfield refused")
	}
}
