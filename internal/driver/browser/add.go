//go:build js

package browser

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall/js"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// add joins a swarm by the bytes of a .torrent, a magnet link or an info hash. What
// came by a magnet link though its .torrent is at hand has both: source and link.
func (c *Client) add(arg js.Value) (any, error) {
	opt := driver.Options{Paused: truthy(arg.Get("paused")), Sequential: truthy(arg.Get("sequential"))}
	t := &tabTorrent{trackers: stringsOf(arg.Get("trackers")), unwanted: map[int]bool{}, resting: opt.Paused}
	t.choice.none = truthy(arg.Get("deselect"))
	source, link := arg.Get("source"), arg.Get("link")
	if kind(source) == js.TypeString {
		link = source
	}
	if s := stringOf(link); s != "" {
		m, err := magnet.ParseHash(s)
		if err != nil {
			m, err = magnet.Parse(s)
		}
		if err != nil {
			return nil, err
		}
		opt.Key, opt.HashV2 = m.Key(), m.HashV2
		t.trackers = append(t.trackers, m.Trackers...)
		t.webSeeds, t.link = m.WebSeeds, m
	}
	switch {
	case source.InstanceOf(uint8Array):
		if source.Length() > metainfo.MaxTorrentSize {
			return nil, errors.New("the .torrent is too large")
		}
		b := make([]byte, source.Length())
		js.CopyBytesToGo(b, source)
		meta, err := metainfo.Parse(b)
		if err != nil {
			return nil, err
		}
		t.meta, opt.Info, opt.Key = meta, meta.Info, meta.Info.Key()
		t.webSeeds = append(t.webSeeds, meta.WebSeeds...)
		for _, tier := range meta.Announce {
			t.trackers = append(t.trackers, tier...)
		}
	case opt.Key.IsZero():
		return nil, errors.New("neither a link nor a .torrent")
	}
	t.webSeeds = append(t.webSeeds, stringsOf(arg.Get("webSeeds"))...)
	t.id = opt.Key.String()
	if old := c.known(opt); old != nil {
		c.improve(old, t)
		return map[string]any{"id": old.id}, nil
	}
	return map[string]any{"id": t.id}, c.start(t, opt, func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
		return c.content(ctx, t, info)
	})
}

// start adds a torrent to the session and announces it. A torrent that is there
// already is no error.
func (c *Client) start(t *tabTorrent, opt driver.Options, open func(context.Context, *metainfo.Info) (driver.Content, error)) error {
	t.begun = make(chan struct{})
	defer close(t.begun)
	c.mu.Lock()
	for old := c.torrents[t.id]; old != nil; old = c.torrents[t.id] {
		c.mu.Unlock()
		<-old.begun // another tab has asked for it a moment ago
		if old.Torrent != nil {
			c.improve(old, t)
			return nil
		}
		c.mu.Lock()
	}
	c.torrents[t.id] = t
	c.mu.Unlock()
	forget := func(err error) error {
		c.mu.Lock()
		delete(c.torrents, t.id)
		c.mu.Unlock()
		return err
	}
	if opt.Info == nil && !c.memory {
		// A previous visit may have left the info dictionary behind.
		if o, err := storage.OpenOPFS(opt.Key); err == nil {
			t.opfs = o
			opt.Info = o.Info()
		}
	}
	opt.Open = open
	dt, err := c.session.Add(opt)
	if err != nil {
		if t.opfs != nil {
			t.opfs.Close()
		}
		return forget(err)
	}
	c.mu.Lock()
	t.Torrent = dt
	t.hashV2 = opt.HashV2
	c.mu.Unlock()
	c.limits.greet(t)
	c.publish(t)
	go t.watch(c)
	return nil
}

func isDone(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// webSockets keeps the trackers that a tab can reach, all in one tier each.
func webSockets(urls []string) (tiers [][]string) {
	seen := map[string]bool{}
	for _, u := range urls {
		if (strings.HasPrefix(u, "ws://") || strings.HasPrefix(u, "wss://")) && !seen[u] {
			seen[u] = true
			tiers = append(tiers, []string{u})
		}
	}
	return tiers
}

// content opens the store of a torrent to be downloaded.
func (c *Client) content(_ context.Context, t *tabTorrent, info *metainfo.Info) (driver.Content, error) {
	var content driver.Content
	c.mu.Lock()
	meta := t.meta
	c.mu.Unlock()
	if meta != nil {
		content.Layers = meta.Layers()
	} else if info.HasV2 {
		content.Layers = metainfo.NewLayers(info)
		t.layers = content.Layers
	}
	c.selected(t, info)
	var why error
	var doubt bits.Set
	check := c.checker(info, meta)
	if !c.memory {
		if t.opfs == nil {
			t.opfs, why = storage.OpenOPFS(info.Key())
		}
		if why == nil {
			if why = t.opfs.SetInfo(info); errors.Is(why, storage.ErrNoSpace) {
				why = c.makeRoom(func() error { return t.opfs.SetInfo(info) })
			}
		}
		if why == nil {
			doubt = *t.opfs.Have()
			content.Have = check.kept(t.opfs)
		} else if t.opfs != nil {
			t.opfs.Close()
			t.opfs = nil // another tab has it open, or the browser refuses
		}
	}
	s := c.shelve(t, info, t.opfs, why)
	s.doubt, s.check = doubt, check.check
	t.store, content.Store = s, s
	content.Stored = func(i int) {
		if s.onDisk(i) {
			t.opfs.MarkHave(i)
		}
	}
	c.mu.Lock()
	if t.limit != nil {
		content.OnDemand = windowAhead
	}
	if t.limit != nil || len(t.unwanted) > 0 {
		content.Priorities = t.levels(info)
	}
	c.mu.Unlock()
	return content, nil
}

// watch reports what becomes of a torrent.
func (t *tabTorrent) watch(c *Client) {
	for !isDone(t.Learned()) {
		changed := t.Changed()
		if err := t.Err(); err != nil {
			t.fail(err)
			return
		}
		select {
		case <-t.Learned():
		case <-changed:
		}
	}
	c.publish(t)
	t.sendStats(c) // so that the page knows how much is here when it learns what there is
	t.startWebSeeds(c, t.sendMetadata(c))
	t.sendStorage(c)
	completed, told, begun := c.complete(t), false, t.NumHave() > 0
	if completed {
		event(map[string]any{"type": "done", "id": t.id})
	}
	for {
		changed := t.Changed()
		if err := t.Err(); err != nil {
			if err != driver.ErrNotRunning {
				t.fail(err)
			}
			return
		}
		gone := t.NumGone() > 0
		if gone && !told {
			event(map[string]any{"type": "warning", "id": t.id, "message": t.Warning().Error()}) // once; it goes on
		}
		told = gone
		if !begun && t.NumHave() > 0 {
			begun = true
			select {
			case c.news <- struct{}{}:
			default:
			}
		}
		was := completed
		if completed = c.complete(t); completed && !was {
			c.completed(t)
			if t.partial && t.layers.Complete() {
				t.sendMetadata(c) // peers have sent what its .torrent lacked
			}
			t.sendStats(c) // so that who is told finds all of it there
			event(map[string]any{"type": "done", "id": t.id})
		}
		<-changed
	}
}

// sendMetadata tells the page what is in the torrent, and returns what it said.
func (t *tabTorrent) sendMetadata(c *Client) map[string]any {
	info := t.Info()
	c.mu.Lock()
	whole, trackers, webSeeds := t.meta, slices.Clone(t.trackers), slices.Clone(t.webSeeds)
	c.mu.Unlock()
	// What was learned from links belongs into it as much as what was in the .torrent.
	meta := &metainfo.Torrent{Info: info, WebSeeds: webSeeds}
	file := js.Null() // while its piece layers are not known
	if whole != nil {
		meta = new(*whole)
		meta.WebSeeds = webSeeds
	}
	there := slices.Concat(meta.Announce...)
	for _, tr := range trackers {
		if !slices.Contains(there, tr) {
			meta.Announce = append(meta.Announce, []string{tr})
		}
	}
	t.partial = whole == nil && t.layers != nil && !t.addLayers(meta)
	if !t.partial {
		file = toJS(meta.Marshal())
	}
	m := magnet.Of(meta) // with trackers that a tab cannot reach, but others can
	files := []any{}
	for i, f := range realFiles(info) {
		files = append(files, map[string]any{
			"index": i, "path": toArray(f.Path), "length": f.Length, "offset": f.Offset,
		})
	}
	fields := map[string]any{
		"type": "metadata", "id": t.id, "name": info.Name, "length": info.TotalSize(),
		"pieceLength": info.PieceLength, "pieces": info.NumPieces(), "files": files,
		"magnet": m.String(), "torrent": file, "single": info.Single,
		"comment": meta.Comment, "createdBy": meta.CreatedBy, "created": meta.CreationDate,
	}
	event(fields)
	return fields
}

// addLayers gives a torrent what it has besides the info dictionary (BEP 52), once that is
// known. The machine adds to it, but never meanwhile: here nothing runs at the same time.
func (t *tabTorrent) addLayers(meta *metainfo.Torrent) bool {
	if !t.layers.Complete() {
		return false
	}
	meta.PieceLayers = map[metainfo.Hash256][]byte{}
	for i := range meta.Info.Files {
		root := meta.Info.Files[i].PiecesRoot
		if layer, several := t.layers.Layer(root); several {
			meta.PieceLayers[root] = layer
		}
	}
	return true
}

// realFiles are the files without padding.
func realFiles(info *metainfo.Info) (list []*metainfo.File) {
	for i := range info.Files {
		if !info.Files[i].Pad {
			list = append(list, &info.Files[i])
		}
	}
	return list
}
