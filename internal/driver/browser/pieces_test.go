//go:build js

package browser

import (
	"context"
	"syscall/js"
	"testing"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/metainfo"
)

// A page draws which parts of a file are there from a bit for each piece, and from where
// the first of them lies.
func TestThePiecesOfAFile(t *testing.T) {
	const piece = 16 << 10
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{Name: "two", PieceLength: piece, V1: true, Files: []metainfo.BuildFile{
		{Path: []string{"a"}, Length: 9*piece + 100}, {Path: []string{"b"}, Length: 3 * piece}, {Path: []string{"empty"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumPieces() {
		b.SetPiece(i, b.HashPiece(i, make([]byte, b.PieceSize(i))))
	}
	meta, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	have := bits.New(meta.Info.NumPieces())
	for _, i := range []int{0, 7, 11} {
		have.Set(i)
	}
	c := &Client{session: driver.NewSession(driver.Config{}), memory: true, memoryLeft: 1 << 20, torrents: map[string]*tabTorrent{}}
	defer c.session.Close()
	tab := &tabTorrent{id: meta.Info.Key().String(), meta: meta, unwanted: map[int]bool{}}
	content, err := c.content(context.Background(), tab, meta.Info)
	if err != nil {
		t.Fatal(err)
	}
	content.Have = &have
	tab.Torrent, err = c.session.Add(driver.Options{Info: meta.Info, Open: func(context.Context, *metainfo.Info) (driver.Content, error) {
		return content, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tab.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.torrents[tab.id] = tab
	b0 := meta.Info.Files[1].Offset
	for file, want := range []struct {
		bits []byte
		at   int64
	}{
		{[]byte{0b1000_0001, 0b0001_0000}, 0},
		{[]byte{0b0001_0000}, 8*piece - b0},
		{nil, 0},
	} {
		got, err := c.parts(js.ValueOf(map[string]any{"id": tab.id, "file": file}))
		if err != nil {
			t.Fatal(err)
		}
		fields := got.(map[string]any)
		raw := fields["bits"].(js.Value)
		list := make([]byte, raw.Length())
		js.CopyBytesToGo(list, raw)
		if file == 2 {
			if len(list) > 1 {
				t.Errorf("an empty file has the pieces %b", list)
			}
			continue
		}
		if string(list) != string(want.bits) || fields["at"] != want.at || fields["pieceLength"] != int64(piece) {
			t.Errorf("file %d: %08b from %v, want %08b from %d", file, list, fields["at"], want.bits, want.at)
		}
	}
	if _, err := c.parts(js.ValueOf(map[string]any{"id": tab.id, "file": 3})); err == nil {
		t.Error("a file that is not there has pieces")
	}
}
