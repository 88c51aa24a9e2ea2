//go:build js

// Package browser runs a session inside a tab's worker for the page.
package browser

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall/js"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient"
	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/engine/verify"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/transport/webrtc"
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// Limits of a tab, which shares its machine with the page it is in.
const (
	bufferBytes  = 32 << 20
	uploadWindow = 512 << 10
	readBuffer   = 128 << 10
	wantPeers    = 12 // over WebRTC, while downloading
	seedPeers    = 4
	mostPeers    = 400 // as web/src/rtc.ts has it
	statsEvery   = 250 * time.Millisecond
	totalsEvery  = 4 // times that
)

// Client is the engine of one tab. Its state is guarded by mu; calls of the page
// run in goroutines of their own.
type Client struct {
	session  *driver.Session
	rtc      *webrtc.Host
	trackers *trackerclient.Client
	hasher   verify.Hasher // nil: Go's
	memory   bool
	limits   limits
	alone    bool // without peers: no torrent is announced

	closing atomic.Bool

	mu       sync.Mutex
	torrents map[string]*tabTorrent        // by id
	swarms   map[metainfo.Hash]*tabTorrent // by what they are announced as
	past     totals                        // of torrents that were removed
	builds   map[string]js.Value           // what hashes files now, by the job's name

	told totals        // the page, by the goroutine of Serve
	news chan struct{} // has it look at once

	roomMu                sync.Mutex // one makes room at a time
	maxMemory, memoryLeft int64      // bytes for what is not on the disk, in all and still free
}

type tabTorrent struct {
	*driver.Torrent
	begun    chan struct{} // closed when Torrent is there, or cannot be
	id       string
	own      bool              // made of files of the page
	trackers []string          // guarded by the client's mu
	meta     *metainfo.Torrent // nil while only a magnet link is known; guarded by the client's mu
	hashV2   *metainfo.Hash256 // of the link
	opfs     *storage.OPFS     // nil: in memory, or dropped files
	store    storage.Store
	lastSent string           // fingerprint of the last stats event
	link     magnet.Magnet    // that it came by, or empty
	unwanted map[int]bool     // by index of the real files; guarded by the client's mu
	kind     string           // where it is kept: "opfs", "memory" or "files"
	claimed  int64            // bytes of the tab's memory
	limit    error            // why only what readers need is fetched; guarded by the client's mu
	webSeeds []string         // guarded by the client's mu
	asked    int              // how many of them are asked; guarded by the client's mu
	named    int              // how many of them the page has named; guarded by the client's mu
	partial  bool             // the page has no .torrent of it yet
	choice   choice           // guarded by the client's mu
	resting  bool             // the page has paused it; guarded by the client's mu
	critical atomic.Int32     // calls under way
	watching atomic.Bool      // the page wants to know of every piece
	shown    int              // how many it knows of
	layers   *metainfo.Layers // piece layers of one that came without its .torrent

	status      map[string]trackerclient.Status // by URL; guarded by the client's mu
	peersBefore int                             // see lookAgain
	search      int                             // statistics until it ends
	saidSeed    atomic.Bool                     // the trackers were told that nothing is left

	// Where it is announced, in their order; guarded by the client's mu.
	swarms    []metainfo.Hash
	announces []*trackerclient.Handle
}

var errNotReady = errors.New("the engine has not been initialised")

// Serve registers the engine with the worker and never returns.
func Serve() {
	c := &Client{torrents: map[string]*tabTorrent{}, swarms: map[metainfo.Hash]*tabTorrent{}, builds: map[string]js.Value{}, news: make(chan struct{}, 1)}
	js.Global().Set("shoalCall", js.FuncOf(func(_ js.Value, args []js.Value) any {
		method, arg, reply := args[0].String(), args[1], args[2]
		go func() {
			result, err := c.call(method, arg)
			if err != nil {
				reply.Invoke(err.Error(), js.Null())
				return
			}
			reply.Invoke(js.Null(), result)
		}()
		return nil
	}))
	tick := time.Tick(statsEvery)
	for n := 1; ; n++ {
		select {
		case <-tick:
		case <-c.news:
		}
		list := c.sendStats()
		if n%totalsEvery == 0 {
			c.sendTotals(list)
		}
	}
}

// call runs a method for the page. What the arguments are is looked at before it is used:
// a value of another type than is meant would end the engine.
func (c *Client) call(method string, arg js.Value) (any, error) {
	switch {
	case kind(arg) != js.TypeObject:
		return nil, errors.New("the arguments are not an object")
	case method != "init" && c.session == nil:
		return nil, errNotReady
	}
	switch method {
	case "init":
		return c.init(arg)
	case "add":
		return c.add(arg)
	case "seed":
		return c.seed(arg)
	case "unseed":
		c.endBuild(stringOf(arg.Get("job")))
		return nil, nil
	case "remove":
		return c.remove(arg)
	case "read":
		return c.read(arg)
	case "select":
		return c.selectFile(arg)
	case "pieces":
		return nil, c.selectPieces(arg)
	case "critical":
		return nil, c.hurry(arg)
	case "pause":
		return nil, c.pause(arg)
	case "webSeed":
		return nil, c.addWebSeed(arg)
	case "watch":
		return nil, c.watchPieces(arg)
	case "wake":
		c.wake(truthy(arg.Get("moved")))
		return nil, nil
	case "limits":
		c.setLimits(arg)
		return nil, nil
	case "parts":
		return c.parts(arg)
	case "retry":
		t, err := c.byID(arg)
		if err == nil {
			err = c.retry(t)
		}
		return nil, err
	case "kept":
		return c.listKept()
	case "forget":
		return nil, c.forget(arg)
	case "close":
		return nil, c.close()
	}
	return nil, errors.New("the engine has no method " + method)
}

func (c *Client) init(arg js.Value) (any, error) {
	if c.session == nil {
		maxPeers := 40
		if n, ok := integer(arg.Get("maxPeers")); ok && n > 0 {
			maxPeers = int(min(n, mostPeers))
		}
		if w := newWebCrypto(); w != nil {
			c.hasher = w
		}
		cfg := driver.Config{
			ReadBuffer: readBuffer, Workers: 2, Links: true, Hasher: c.hasher,
			Machine: torrent.Config{MaxPeers: maxPeers, BufferBytes: bufferBytes, UploadWindow: uploadWindow},
		}
		session := driver.NewSession(cfg)
		rtc, err := webrtc.NewHost(webrtc.Config{
			Accept:   session.AcceptStream,
			Loopback: truthy(arg.Get("loopback")), MaxOpen: maxPeers,
		})
		if err != nil {
			return nil, err
		}
		c.rtc = rtc
		c.session = session
		c.trackers = trackerclient.New(trackerclient.Config{Sink: c, WebRTC: rtc})
		// Private windows have it and refuse it.
		c.memory = stringOf(arg.Get("storage")) == "memory" || storage.ProbeOPFS() != nil
		c.maxMemory = defaultMemory
		if n, ok := integer(arg.Get("maxMemory")); ok && n > 0 {
			c.maxMemory = n
		}
		c.memoryLeft = c.maxMemory
		c.alone = arg.Get("peers").Type() == js.TypeBoolean && !truthy(arg.Get("peers"))
	}
	kind := "opfs"
	if c.memory {
		kind = "memory"
	}
	return map[string]any{"version": driver.Version, "storage": kind}, nil
}

// PeersFound implements trackerclient.Sink: a tab cannot dial addresses.
func (c *Client) PeersFound(metainfo.Hash, []netip.AddrPort, string) {}

// ConnReady implements trackerclient.Sink.
func (c *Client) ConnReady(key metainfo.Hash, conn transport.Conn, outgoing bool) {
	c.session.Join(key, conn, outgoing)
}

// Met implements trackerclient.Meeter.
func (c *Client) Met(ctx context.Context, key metainfo.Hash, peer [20]byte) bool {
	l := c.rtc.Link(peer)
	return l != nil && c.session.Meet(ctx, l, peer, key)
}

func (c *Client) byID(arg js.Value) (*tabTorrent, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.torrents[stringOf(arg.Get("id"))]; t != nil && t.Torrent != nil {
		return t, nil
	}
	return nil, errors.New("there is no such torrent here")
}

func event(fields map[string]any) { js.Global().Call("shoalEvent", fields) }

func (t *tabTorrent) fail(err error) {
	event(map[string]any{"type": "error", "id": t.id, "message": err.Error()})
}

func (c *Client) remove(arg js.Value) (any, error) {
	t, err := c.byID(arg)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	delete(c.torrents, t.id)
	if t.Torrent != nil {
		c.past.add(t)
	}
	maps.DeleteFunc(c.swarms, func(_ metainfo.Hash, other *tabTorrent) bool { return other == t })
	c.mu.Unlock()
	return nil, c.leave(t, truthy(arg.Get("deleteData")))
}
