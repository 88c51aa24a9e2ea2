//go:build !js

package native

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/shoal-p2p/shoal/internal/maketorrent"
)

// BenchmarkWebSeed downloads 64 MiB from one HTTP server on this machine.
func BenchmarkWebSeed(b *testing.B) {
	const size = 64 << 20
	root := b.TempDir()
	file := filepath.Join(root, "clip.bin")
	if err := os.WriteFile(file, make([]byte, size), 0o644); err != nil {
		b.Fatal(err)
	}
	tor, err := maketorrent.Make(b.Context(), []string{file}, maketorrent.Options{PieceLength: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(root)))
	defer server.Close()
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		c, err := New(Config{Local: true})
		if err != nil {
			b.Fatal(err)
		}
		t, err := c.Add(b.Context(), Options{Torrent: tor, WebSeeds: []string{server.URL + "/"}, Content: Download(b.TempDir(), nil)})
		if err != nil {
			b.Fatal(err)
		}
		<-t.Done()
		c.Close()
	}
}
