//go:build !js

package webrtc

import (
	"bytes"
	"testing"
)

// Packets are sent in runs of one size, of which the last may be shorter.
func TestRuns(t *testing.T) {
	sizes := []int{1000, 1000, 400, 400, 900, 1000, 7}
	want := [][]int{{1000, 1000, 400}, {400}, {900}, {1000, 7}}
	for _, together := range []bool{true, false} {
		out, in := testRecords(t)
		var r run
		left := sizes
		r.fill(func(b []byte) []byte {
			if len(left) == 0 {
				return b
			}
			n := left[0]
			left = left[1:]
			return append(b, bytes.Repeat([]byte{byte(len(left))}, n)...)
		})
		r.seal(out, recordData)
		var writes [][]byte
		r.write(together, func(b []byte) (int, error) {
			writes = append(writes, bytes.Clone(b))
			return len(b), nil
		})
		var got []int
		for i, b := range writes {
			if together && len(want[i]) > 1 && runSize(b) == 0 {
				t.Errorf("write %d is no run", i)
			}
			for len(b) > 0 {
				n := recordLen(b)
				plain, ok := in.open(b[:n])
				if !ok {
					t.Fatal("a record does not open")
				}
				got = append(got, len(plain))
				b = b[n:]
			}
		}
		if len(got) != len(sizes) || together && len(writes) != len(want) || !together && len(writes) != len(sizes) {
			t.Fatalf("%d packets in %d writes", len(got), len(writes))
		}
		for i := range got {
			if got[i] != sizes[i] {
				t.Errorf("packet %d has %d bytes", i, got[i])
			}
		}
	}
	var full run
	full.fill(func(b []byte) []byte { return append(b, make([]byte, 1900)...) })
	if len(full.buf) > maxRun || len(full.sizes) > maxRunPieces {
		t.Errorf("a run of %d bytes in %d packets", len(full.buf), len(full.sizes))
	}
}
