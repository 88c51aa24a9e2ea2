//go:build js

package browser

import (
	"context"
	"slices"
	"syscall/js"
	"testing"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
)

// album is a torrent of three files, of two pieces each but the last.
func album(t *testing.T, v1 bool) *metainfo.Torrent {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "album", PieceLength: 16 << 10, V1: v1, V2: true, Files: []metainfo.BuildFile{
			{Path: []string{"a"}, Length: 20_000}, {Path: []string{"b"}, Length: 20_000}, {Path: []string{"c"}, Length: 5},
		},
	})
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
	return meta
}

// A link that selects files has the others left out (BEP 53), until they are asked for.
func TestALinkSelectsFiles(t *testing.T) {
	const no, yes = torrent.Skip, torrent.Normal
	for _, tt := range []struct {
		so   string
		v1   bool // its files are padded: 0, 2 and 4 of the info dictionary
		want []torrent.Priority
	}{
		{"", true, nil},
		{"0", true, []torrent.Priority{yes, yes, no, no, no}},
		{"2-9", true, []torrent.Priority{no, no, yes, yes, yes}},
		{"1-2", false, []torrent.Priority{no, no, yes, yes, yes}},
		{"x", false, nil},
	} {
		meta := album(t, tt.v1)
		link, err := magnet.Parse("magnet:?xt=urn:btmh:" + meta.Info.HashV2.String() + "&so=" + tt.so)
		if err != nil {
			t.Fatal(err)
		}
		c := &Client{session: driver.NewSession(driver.Config{}), memory: true, memoryLeft: 1 << 20, torrents: map[string]*tabTorrent{}}
		tab := &tabTorrent{id: meta.Info.Key().String(), meta: meta, link: link, unwanted: map[int]bool{}}
		content, err := c.content(context.Background(), tab, meta.Info)
		if err != nil || !slices.Equal(content.Priorities, tt.want) {
			t.Errorf("so=%s: %v, %v", tt.so, content.Priorities, err)
		}
		tab.Torrent, err = c.session.Add(driver.Options{Info: meta.Info, Open: func(context.Context, *metainfo.Info) (driver.Content, error) {
			return content, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		c.torrents[tab.id] = tab
		if _, err := c.selectFile(js.ValueOf(map[string]any{"id": tab.id, "file": 2, "on": true})); err != nil {
			t.Error(err)
		}
		if want := tt.want; want != nil {
			want[4] = yes
			if got := tab.levels(meta.Info); !slices.Equal(got, want) {
				t.Errorf("so=%s and the last: %v", tt.so, got)
			}
		}
		c.session.Close()
	}
}

// What a page hands over is a link in one of its forms, a .torrent, or both.
func TestWhatIsNoLink(t *testing.T) {
	c := &Client{session: driver.NewSession(driver.Config{}), memory: true, memoryLeft: 1 << 20, torrents: map[string]*tabTorrent{}}
	defer c.session.Close()
	for _, source := range []any{"", "hello", "magnet:?dn=x", nil, 7} {
		if _, err := c.add(js.ValueOf(map[string]any{"source": source})); err == nil {
			t.Errorf("%v is taken for a torrent", source)
		}
	}
}
