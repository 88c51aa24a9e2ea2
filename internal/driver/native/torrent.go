//go:build !js

package native

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient"
	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/driver/webseed"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	dhtInterval = 5 * time.Minute
	// wantWebRTC is how many peers a leecher looks for over WebRTC, and
	// seedWebRTC a seed: leechers come to seeds by themselves.
	wantWebRTC = 20
	seedWebRTC = 4
)

// Options describe a torrent to add.
type Options struct {
	Key      metainfo.Hash     // required when Torrent is nil
	HashV2   *metainfo.Hash256 // where known
	Torrent  *metainfo.Torrent // nil: the info dictionary comes from peers
	Trackers [][]string        // tiers
	Peers    []string          // host:port of peers to dial at once
	Content  Content           // where the bytes are
	// WebSeeds are HTTP servers of the content that the user named, asked besides
	// those in Torrent. They may lead to this machine, those of a torrent may not.
	WebSeeds []string
	// FoundSeeds are likewise, of a link that anybody may have made.
	FoundSeeds []string
	Paused     bool // add it without starting it
	Sequential bool // fetch pieces in their order
	// Priorities says, once the info dictionary is known, how eagerly each piece is to be
	// fetched; nil, or a nil slice, fetches all alike.
	Priorities func(info *metainfo.Info) []torrent.Priority
}

// Torrent is a swarm with its discovery.
type Torrent struct {
	*driver.Torrent
	c        *Client
	content  Content
	seeds    *webseed.Group
	announce []*trackerclient.Handle
	trackers map[string]trackerclient.Status
	ctx      context.Context
	cancel   context.CancelFunc
}

// Add starts a torrent. The context bounds Add: the verification of what is there
// already ends with it.
func (c *Client) Add(ctx context.Context, opt Options) (*Torrent, error) {
	key := opt.Key
	if opt.Torrent != nil {
		key = opt.Torrent.Info.Key()
	}
	info, err := opt.Content.prepare(key, opt.Torrent)
	if err != nil {
		return nil, err
	}
	tctx, cancel := context.WithCancel(c.ctx)
	defer context.AfterFunc(ctx, cancel)()
	dt, err := c.Session.Add(driver.Options{
		Key: key, HashV2: opt.HashV2, Info: info, ListenPort: c.port(), DHTPort: c.dhtPort(), Paused: opt.Paused, Sequential: opt.Sequential,
		Open: func(info *metainfo.Info) (driver.Content, error) {
			content, err := opt.Content.open(tctx, info)
			if err == nil && opt.Priorities != nil {
				content.Priorities = opt.Priorities(info)
			}
			return content, err
		},
	})
	if err != nil {
		cancel()
		opt.Content.close(false)
		return nil, err
	}
	t := &Torrent{Torrent: dt, c: c, content: opt.Content, trackers: map[string]trackerclient.Status{}, ctx: tctx, cancel: cancel}
	t.seeds = webseed.NewGroup(dt, opt.seeds(), c.seeds.fetch)
	c.mu.Lock()
	c.torrents[t.Key()] = t
	c.mu.Unlock()
	if addrs := resolve(t.ctx, opt.Peers); len(addrs) > 0 {
		t.AddPeers(addrs, swarm.User)
	}
	complete := info != nil && isDone(t.Done())
	t.startAnnouncing(opt.Trackers)
	c.wg.Go(func() { t.watch(complete) })
	c.wg.Go(func() { t.seeds.Run(t.ctx) })
	if c.dht != nil || c.near.lsd != nil {
		c.wg.Go(t.discover)
	}
	return t, nil
}

// seeds are all web seeds that are known.
func (o *Options) seeds() []webseed.Seed {
	list := append(webseed.List(o.WebSeeds, nil, true), webseed.List(o.FoundSeeds, nil, false)...)
	if o.Torrent != nil {
		list = append(list, webseed.List(o.Torrent.WebSeeds, o.Torrent.HTTPSeeds, false)...)
	}
	return list
}

// WebSeeds returns what is known of each web seed.
func (t *Torrent) WebSeeds() []webseed.Status { return t.seeds.Status() }

func isDone(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// resolve looks up host names; what does not resolve is left out.
func resolve(ctx context.Context, peers []string) (addrs []netip.AddrPort) {
	for _, p := range peers {
		if a, err := lookup(ctx, p); err == nil {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// maxTiers bounds the announces of one torrent.
const maxTiers = 20

// startAnnouncing announces to every tier, as a user expects who names a
// tracker: BEP 12 alone would stop at the first tier that answers. The second
// swarm of a hybrid torrent is announced where TCP peers are found; browsers use
// the first.
func (t *Torrent) startAnnouncing(tiers [][]string) {
	keys := []metainfo.Hash{t.Key()}
	if info := t.Info(); info != nil {
		keys = info.SwarmHashes()
	}
	ws, rest := split(tiers)
	if len(ws) > 0 {
		t.start(keys[0], ws)
	}
	for _, key := range keys {
		for _, tier := range rest[:min(len(rest), maxTiers)] {
			t.start(key, [][]string{tier})
		}
	}
}

func (t *Torrent) start(key metainfo.Hash, tiers [][]string) {
	t.announce = append(t.announce, t.c.trackers.Start(trackerclient.Announcement{
		Key: key, PeerID: t.c.Session.PeerID(), Port: t.c.port(), Trackers: tiers,
		Stats: func() trackerclient.Stats {
			down, up, left := t.Totals()
			return trackerclient.Stats{Downloaded: down, Uploaded: up, Left: left}
		},
		WantPeers: t.wantPeers,
	}))
}

func (t *Torrent) wantPeers() int {
	want := wantWebRTC
	if isDone(t.Done()) {
		want = seedWebRTC
	}
	return max(0, want-t.NumPeers())
}

// split parts WebSocket trackers, which are all used at once, from the others.
func split(tiers [][]string) (ws, rest [][]string) {
	for _, tier := range tiers {
		var keep []string
		for _, u := range tier {
			if strings.HasPrefix(u, "ws:") || strings.HasPrefix(u, "wss:") {
				ws = append(ws, []string{u})
			} else {
				keep = append(keep, u)
			}
		}
		if len(keep) > 0 {
			rest = append(rest, keep)
		}
	}
	return ws, rest
}

// watch tells the trackers and the store when the torrent becomes complete.
func (t *Torrent) watch(complete bool) {
	for {
		select {
		case <-t.Done():
		case <-t.ctx.Done():
			return
		}
		if !complete {
			complete = true
			for _, h := range t.announce {
				h.Completed()
			}
		}
		changed := t.Changed()
		if !isDone(t.Done()) {
			continue
		}
		select {
		case <-changed:
		case <-t.ctx.Done():
			return
		}
	}
}

// discover asks the DHT and the local network for peers, unless the torrent is
// private (BEP 27).
func (t *Torrent) discover() {
	select {
	case <-t.Learned():
		if t.Info().Private {
			return
		}
	default:
		// A magnet link: nobody says that it is private before its info
		// dictionary is known, and without peers that never happens.
	}
	for {
		for _, key := range t.keys() {
			t.c.near.announce(key)
			if t.c.dht == nil {
				continue
			}
			if port := t.c.port(); port != 0 {
				t.c.dht.Announce(key, port, false)
			}
			for a := range t.c.dht.GetPeers(t.ctx, key) {
				t.AddPeers([]netip.AddrPort{a}, swarm.DHT)
			}
		}
		wait := dhtInterval
		if t.NumPeers() == 0 && !isDone(t.Done()) {
			wait = 30 * time.Second
		}
		select {
		case <-time.After(wait):
		case <-t.ctx.Done():
			return
		}
		if info := t.Info(); info != nil && info.Private {
			t.withdraw()
			return
		}
	}
}

func (t *Torrent) keys() []metainfo.Hash {
	if info := t.Info(); info != nil {
		return info.SwarmHashes()
	}
	return []metainfo.Hash{t.Key()}
}

func (t *Torrent) withdraw() {
	for _, key := range t.keys() {
		t.c.near.withdraw(key)
		if t.c.dht != nil {
			t.c.dht.Withdraw(key)
		}
	}
}

// Trackers returns what each tracker said last.
func (t *Torrent) Trackers() map[string]trackerclient.Status {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	m := make(map[string]trackerclient.Status, len(t.trackers))
	for k, v := range t.trackers {
		m[k] = v
	}
	return m
}

// Close leaves the swarm and closes the content. What was verified stays.
func (t *Torrent) Close() {
	t.c.mu.Lock()
	if t.c.torrents[t.Key()] != t {
		t.c.mu.Unlock()
		return
	}
	delete(t.c.torrents, t.Key())
	t.c.mu.Unlock()
	t.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for _, h := range t.announce {
		h.Stop(ctx)
	}
	t.withdraw()
	// A part of the files may be all that was wanted: then the resume data stays,
	// for whoever wants the rest.
	info := t.Info()
	complete := info != nil && t.NumHave() == info.NumPieces()
	t.Torrent.Close()
	t.content.close(complete)
}
