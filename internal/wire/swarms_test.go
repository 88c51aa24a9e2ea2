package wire

import (
	"bytes"
	"errors"
	"testing"
)

func keys(n int) (list [][20]byte) {
	for i := range n {
		list = append(list, [20]byte{byte(i), byte(i >> 8), 1})
	}
	return list
}

func TestSwarms(t *testing.T) {
	salt := Salt{1, 2, 3}
	b := AppendSwarms(nil, salt, keys(3))
	s, err := ParseSwarms(b)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys(6) {
		if s.Has(k) != (i < 3) {
			t.Errorf("swarm %d: %v", i, s.Has(k))
		}
	}
	if other := AppendSwarms(nil, Salt{4}, keys(3)); bytes.Equal(other[8:], b[8:]) {
		t.Error("hashes are the same on every connection")
	}
	if n := len(AppendSwarms(nil, salt, keys(1000))); n != MaxSwarmsSize {
		t.Errorf("a message of %d bytes", n)
	}
	for _, n := range []int{0, 7, 9, 15, MaxSwarmsSize + 8, 1 << 20} {
		var bad *ProtocolError
		if _, err := ParseSwarms(make([]byte, n)); !errors.As(err, &bad) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestSwarmLabel(t *testing.T) {
	label := SwarmLabel(Salt{0xab, 1}, keys(1)[0])
	s, ok := ParseSwarmLabel(label)
	if !ok || !s.Has(keys(2)[0]) || s.Has(keys(2)[1]) {
		t.Errorf("%q does not name its swarm alone", label)
	}
	for _, other := range []string{"", label[1:], label + "0", "x" + label[1:], "A" + label[1:]} {
		if _, ok := ParseSwarmLabel(other); ok {
			t.Errorf("%q is taken for a swarm", other)
		}
	}
}

func FuzzSwarms(f *testing.F) {
	f.Add(AppendSwarms(nil, Salt{1}, keys(2)), "00")
	f.Fuzz(func(t *testing.T, b []byte, label string) {
		if s, err := ParseSwarms(b); err == nil {
			s.Has([20]byte{})
		}
		if s, ok := ParseSwarmLabel(label); ok {
			s.Has([20]byte{})
		}
	})
}
