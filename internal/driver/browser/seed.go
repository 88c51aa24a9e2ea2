//go:build js

package browser

import (
	"context"
	"errors"
	"syscall/js"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// seed makes a torrent of dropped files and shares them. The files are read from
// where they are, now to hash them and later piece by piece.
func (c *Client) seed(arg js.Value) (any, error) {
	list := arg.Get("files")
	n := listLen(list, metainfo.MaxFiles)
	if n == 0 {
		return nil, errors.New("there are no files to share")
	}
	opt := metainfo.BuildOptions{
		Name: stringOf(arg.Get("name")), V1: true, V2: true, CreatedBy: stringOf(arg.Get("createdBy")), Comment: stringOf(arg.Get("comment")),
		Private: truthy(arg.Get("private")), WebSeeds: stringsOf(arg.Get("webSeeds")),
	}
	if opt.CreatedBy == "" {
		opt.CreatedBy = "Shoal/" + driver.Version
	}
	blob := js.Global().Get("Blob")
	var blobs []storage.Blob
	for i := range n {
		f := list.Index(i)
		if kind(f) != js.TypeObject || !f.Get("file").InstanceOf(blob) {
			return nil, errors.New("what is to be shared is no file")
		}
		b := storage.Blob{File: f.Get("file"), Path: stringsOf(f.Get("path"))}
		blobs = append(blobs, b)
		opt.Files = append(opt.Files, metainfo.BuildFile{Path: b.Path, Length: b.Size()})
	}
	trackers := stringsOf(arg.Get("trackers"))
	for _, tr := range trackers {
		opt.Announce = append(opt.Announce, []string{tr})
	}
	meta, marks, err := c.build(opt, blobs, stringOf(arg.Get("job")))
	if err != nil {
		return nil, err
	}
	id := meta.Info.Key().String()
	if old := c.known(driver.Options{Key: meta.Info.Key(), Info: meta.Info}); old != nil {
		if old.own {
			return map[string]any{"id": old.id}, nil
		}
		// It was being downloaded, or looked for: the files themselves are better.
		if _, err := c.remove(js.ValueOf(map[string]any{"id": old.id, "deleteData": true})); err != nil {
			return nil, err
		}
	}
	content, err := dropped(meta, blobs, marks)
	if err != nil {
		return nil, err
	}
	paused := truthy(arg.Get("paused"))
	t := &tabTorrent{
		id: id, own: true, meta: meta, trackers: trackers, webSeeds: opt.WebSeeds, store: content.Store, kind: "files", unwanted: map[int]bool{}, resting: paused,
	}
	err = c.start(t, driver.Options{Info: meta.Info, Key: meta.Info.Key(), Paused: paused}, func(context.Context, *metainfo.Info) (driver.Content, error) {
		return content, nil
	})
	if err == nil {
		go t.mend()
	}
	return map[string]any{"id": id, "torrent": toJS(meta.Marshal())}, err
}

// dropped is the content of files that are the user's own. Not every browser notices
// that one was written to since it was dropped.
func dropped(meta *metainfo.Torrent, blobs []storage.Blob, marks *storage.BlobMarks) (c driver.Content, err error) {
	store, err := storage.NewBlobs(meta.Info, blobs, marks)
	if err != nil {
		return c, err
	}
	have := bits.New(meta.Info.NumPieces())
	have.Fill()
	return driver.Content{Store: store, Layers: meta.Layers(), Have: &have, Original: true, Mend: store.Mend}, nil
}

// mendEvery is how often files are looked at again that are not what they were.
const mendEvery = 15 * time.Second

// mend takes dropped files back that are as they were, as long as the torrent is there.
func (t *tabTorrent) mend() {
	tick := time.NewTicker(mendEvery)
	defer tick.Stop()
	for range tick.C {
		if t.Err() != nil {
			return
		}
		if t.NumGone() > 0 {
			t.Mend(context.Background())
		}
	}
}
