//go:build !js

package storage

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

// A torrent that came without its piece layers is checked against the roots of its
// files, where those are whole.
func TestVerifyWithoutPieceLayers(t *testing.T) {
	s := mixed(t, false, true)
	for _, damaged := range []bool{false, true} {
		m := NewMemory(s.Info, MemoryOptions{})
		s.fill(t, m)
		want := full(s.Info.NumPieces())
		if damaged {
			bad := append([]byte(nil), s.piece(2)...)
			bad[0] ^= 1
			if _, err := m.WriteAt(bad, 2*pieceLen); err != nil {
				t.Fatal(err)
			}
			for i := range 4 { // of a.bin
				want.Clear(i)
			}
		}
		layers := metainfo.NewLayers(s.Info)
		have, err := Verify(context.Background(), m, s.Info, layers, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantBits(t, "have", have, want)
		if layers.Complete() == damaged {
			t.Errorf("complete layers: %v", layers.Complete())
		}
	}
	// Originals that differ are named, as ever.
	dir := t.TempDir()
	s.save(t, dir)
	for _, file := range []string{"", "z.bin"} {
		if file != "" {
			s.files[file][0] ^= 1
			s.save(t, dir)
		}
		f, err := OpenSources(s.Info, []string{filepath.Join(dir, "sample")}, FileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Verify(context.Background(), f, s.Info, metainfo.NewLayers(s.Info), nil)
		f.Close()
		if file == "" && err != nil || file != "" && (!errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), file)) {
			t.Errorf("%q changed: %v", file, err)
		}
	}
}
