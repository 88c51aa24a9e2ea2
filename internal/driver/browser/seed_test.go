//go:build js

package browser

import (
	"bytes"
	"context"
	"errors"
	"syscall/js"
	"testing"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// A dropped file that is written to while it is shared: browsers that do not notice hand
// out the new bytes, we do not. It is nobody's to bring, and is taken back.
func TestADroppedFileThatChanges(t *testing.T) {
	js.Global().Call("eval", `
globalThis.fakeFile = (bytes) => ({ size: bytes.length, bytes,
  slice(a, b) { return new Blob([this.bytes.slice(a, b)]); } });
globalThis.shoalEvent = () => {};`)
	defer js.Global().Delete("fakeFile")
	defer js.Global().Delete("shoalEvent")
	data := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	on := toJS(data)
	blobs := []storage.Blob{{Path: []string{"film.mp4"}, File: js.Global().Call("fakeFile", on)}}
	c := &Client{}
	meta, marks, err := c.build(metainfo.BuildOptions{Name: "film.mp4", V1: true, V2: true, PieceLength: 16 << 10,
		Files: []metainfo.BuildFile{{Path: []string{"film.mp4"}, Length: int64(len(data))}}}, blobs, "")
	if err != nil {
		t.Fatal(err)
	}
	content, err := dropped(meta, blobs, marks)
	if err != nil {
		t.Fatal(err)
	}
	if !content.Original || !content.Have.All() {
		t.Error("it is not all there, or others may bring it")
	}
	got := make([]byte, len(data))
	if _, err := content.Store.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("before any change: %v", err)
	}
	on.SetIndex(40_000, 'X')
	for range 2 {
		n, err := content.Store.ReadAt(got, 0)
		if !errors.Is(err, storage.ErrChanged) || !bytes.Equal(got[:n], data[:n]) || n < 32<<10 {
			t.Errorf("changed: %d bytes, %v", n, err)
		}
	}
	gone := bits.New(meta.Info.NumPieces())
	gone.Set(2)
	if back := content.Mend(context.Background(), &gone); back.Count() != 0 {
		t.Error("it was taken back as it is")
	}
	on.SetIndex(40_000, int(data[40_000]))
	if back := content.Mend(context.Background(), &gone); back.Count() != 1 {
		t.Error("it is not taken back as it was")
	}
	if _, err := content.Store.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("as it was: %v", err)
	}
}
