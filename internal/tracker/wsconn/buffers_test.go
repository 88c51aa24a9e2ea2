package wsconn

import "testing"

func TestLargeBuffersLeaveRoomForSmallOnes(t *testing.T) {
	p := Buffers{max: 1 << 20}
	var lent [][]byte
	for b := p.Get(65_000); b != nil; b = p.Get(65_000) {
		lent = append(lent, b)
	}
	if n := len(lent); n != 8 {
		t.Errorf("%d large ones, want 8: half of the memory", n)
	}
	for range 16 { // announces with ten offers
		b := p.Get(14_000)
		if cap(b) < 14_000 {
			t.Fatal("no room for a small one")
		}
		lent = append(lent, b)
	}
	for _, b := range lent {
		p.Put(b)
	}
	if n := p.Used(); n != 0 {
		t.Errorf("%d bytes are still lent", n)
	}
	if p.Get(1<<20+1) != nil {
		t.Error("more than anybody needs")
	}
	b, ok := p.Grow(append(p.Get(10), "0123456789"...), 5000)
	if !ok || string(b) != "0123456789" || cap(b) < 5010 {
		t.Errorf("%q, %d", b, cap(b))
	}
	if b, ok := p.Grow(b, 1<<20); ok || string(b) != "0123456789" {
		t.Error("grown beyond the memory")
	}
}

// A slice that was cut would be lent as a larger one: whose bytes would the rest be?
func TestOnlyWholeBuffersAreTakenBack(t *testing.T) {
	p := NewBuffers(1 << 20)
	b := p.Get(1000)
	defer func() {
		if recover() == nil {
			t.Error("a part of a buffer is taken back")
		}
		p.Put(b)
		if p.Used() != 0 {
			t.Errorf("%d bytes are still lent", p.Used())
		}
	}()
	p.Put(b[100:])
}
