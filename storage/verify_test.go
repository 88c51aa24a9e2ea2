package storage

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

func TestVerifyFindsThePiecesThatAreGenuine(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			s := mixed(t, v.v1, v.v2)
			m := NewMemory(s.Info, MemoryOptions{})
			n := s.Info.NumPieces()
			want := full(n)
			for i := range n {
				switch i {
				case 2: // missing
					want.Clear(i)
				case 4: // damaged
					bad := append([]byte(nil), s.piece(i)...)
					bad[len(bad)/2] ^= 1
					if _, err := m.WriteAt(bad, int64(i)*pieceLen); err != nil {
						t.Fatal(err)
					}
					want.Clear(i)
				default:
					s.fill(t, m, i)
				}
			}
			var last int64
			have, err := Verify(context.Background(), m, s.Info, s.Layers(), func(done, total int64) {
				if done <= last || total != s.Info.Length {
					t.Errorf("progress %d of %d after %d", done, total, last)
				}
				last = done
			})
			if err != nil {
				t.Fatal(err)
			}
			wantBits(t, "have", have, want)
			if last != s.Info.Length {
				t.Errorf("progress ended at %d of %d", last, s.Info.Length)
			}
		})
	}
}

// counting counts reads.
type counting struct {
	Store
	reads atomic.Int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.reads.Add(1)
	return c.Store.ReadAt(p, off)
}

func TestVerifyPiecesLooksAtNoOthers(t *testing.T) {
	s := mixed(t, true, true)
	m := NewMemory(s.Info, MemoryOptions{})
	s.fill(t, m)
	c := &counting{Store: m}
	want := setOf(s.Info.NumPieces(), 1, 5)
	have, err := VerifyPieces(context.Background(), c, s.Info, s.Layers(), want, nil)
	if err != nil || c.reads.Load() != 2 {
		t.Errorf("%d reads, %v", c.reads.Load(), err)
	}
	wantBits(t, "have", have, want)
}

func TestVerifyBelievesNothingWithoutAHash(t *testing.T) {
	s := makeSample(t, false, true, "f:100000")
	m := NewMemory(s.Info, MemoryOptions{})
	s.fill(t, m, 0, 1, 2, 4, 5, 6)
	have, err := Verify(context.Background(), m, s.Info, metainfo.NewLayers(s.Info), nil)
	if err != nil || have.Count() != 0 {
		t.Errorf("%d pieces without layers, %v", have.Count(), err)
	}
}

func TestVerifyStops(t *testing.T) {
	s := mixed(t, true, true)
	m := NewMemory(s.Info, MemoryOptions{})
	s.fill(t, m)
	ctx, cancel := context.WithCancel(context.Background())
	c := &counting{Store: m}
	_, err := Verify(ctx, c, s.Info, s.Layers(), func(done, total int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if n := c.reads.Load(); n >= int64(s.Info.NumPieces()) {
		t.Errorf("%d reads after the first piece cancelled", n)
	}
}

// broken fails every read.
type broken struct{ Store }

func (broken) ReadAt([]byte, int64) (int, error) {
	return 0, &Error{Kind: ErrIO, Op: "read", Path: "disk", Err: errors.New("bad sector")}
}

func TestVerifyReportsADiskThatFails(t *testing.T) {
	s := mixed(t, true, false)
	_, err := Verify(context.Background(), broken{}, s.Info, nil, nil)
	if err == nil || err.Error() != "cannot read disk: bad sector" {
		t.Errorf("got %v", err)
	}
}
