package openfiles

import "testing"

func TestRaise(t *testing.T) {
	n := Raise(64)
	if n < 64 {
		t.Fatalf("%d files, 64 are always possible", n)
	}
	if again := Raise(32); again != n {
		t.Errorf("asking for less changed %d to %d", n, again)
	}
	if more := Raise(n + 1); more < n {
		t.Errorf("asking for more than %d gave %d", n, more)
	}
	if most := Raise(1 << 30); most < n {
		t.Errorf("asking for more than anybody has gave %d, before it was %d", most, n)
	}
}
