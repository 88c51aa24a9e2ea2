//go:build !js

package native

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

// withoutLayers is the .torrent file as some programs leave it: a v2 torrent whose
// piece layers are not in it.
func withoutLayers(t *testing.T, data []byte) (whole, bare *metainfo.Torrent) {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "film.mkv", PieceLength: 64 << 10, V2: true,
		Files: []metainfo.BuildFile{{Path: []string{"film.mkv"}, Length: int64(len(data))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumPieces() {
		from := i * 64 << 10
		b.SetPiece(i, b.HashPiece(i, data[from:min(len(data), from+64<<10)]))
	}
	if whole, err = b.Finish(); err != nil {
		t.Fatal(err)
	}
	if bare, err = metainfo.Parse(append(append([]byte("d4:info"), whole.Info.Bytes...), 'e')); err != nil {
		t.Fatal(err)
	}
	return whole, bare
}

// Piece layers that a .torrent file lacks come from peers.
func TestPieceLayersComeFromPeers(t *testing.T) {
	data := bytes.Repeat([]byte("shoal of fish "), 150_000)
	whole, bare := withoutLayers(t, data)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "film.mkv"), data, 0o666); err != nil {
		t.Fatal(err)
	}
	seeds := newClient(t, nil)
	wait(t, add(t, seeds, Options{Torrent: whole, Content: Seed(dir, nil)}))
	to := t.TempDir()
	got := add(t, newClient(t, nil), Options{Torrent: bare, Peers: []string{seeds.PeerAddr().String()}, Content: Download(to, nil)})
	wait(t, got)
	if have, err := os.ReadFile(filepath.Join(to, "film.mkv")); err != nil || !bytes.Equal(have, data) {
		t.Errorf("%d bytes, %v", len(have), err)
	}

	// Who has the content needs nobody for them.
	alone := add(t, newClient(t, nil), Options{Torrent: bare, Content: Download(dir, nil)})
	wait(t, alone)
}

// A check holds what is stored against the hashes that peers have sent, where one byte
// differs and the root proves nothing.
func TestACheckKnowsThePieceLayersOfPeers(t *testing.T) {
	data := bytes.Repeat([]byte("shoal of fish "), 150_000)
	whole, bare := withoutLayers(t, data)
	dir, to := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "film.mkv"), data, 0o666); err != nil {
		t.Fatal(err)
	}
	seeds := newClient(t, nil)
	wait(t, add(t, seeds, Options{Torrent: whole, Content: Seed(dir, nil)}))
	got := add(t, newClient(t, nil), Options{Torrent: bare, Peers: []string{seeds.PeerAddr().String()}, Content: Download(to, nil)})
	wait(t, got)
	seeds.Close()
	f, err := os.OpenFile(filepath.Join(to, "film.mkv"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("X"), 1_000_000)
	f.Close()
	if err := got.Recheck(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := got.NumHave(); n != bare.Info.NumPieces()-1 {
		t.Errorf("%d of %d pieces are genuine", n, bare.Info.NumPieces())
	}
}
