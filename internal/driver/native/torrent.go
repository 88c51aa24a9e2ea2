//go:build !js

package native

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient"
	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/driver/webseed"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Options describe a torrent to add.
type Options struct {
	Key      metainfo.Hash     // required when Torrent is nil
	HashV2   *metainfo.Hash256 // where known
	Torrent  *metainfo.Torrent // nil: the info dictionary comes from peers
	Trackers [][]string        // tiers
	// NamedTrackers are those of Trackers that the user gave; see trackerclient.Announcement.
	NamedTrackers []string
	Peers         []string // host:port of peers to dial at once
	Content       Content  // where the bytes are
	// WebSeeds are HTTP servers of the content that the user named, asked besides
	// those in Torrent. They may lead to this machine, those of a torrent may not.
	WebSeeds []string
	// FoundSeeds are likewise, of a link that anybody may have made.
	FoundSeeds []string
	Private    bool // BEP 27, where it is known before the info dictionary
	Paused     bool // add it without starting it
	Sequential bool // fetch pieces in their order
	// Priorities says, once the info dictionary is known, how eagerly each piece is to be
	// fetched; nil, or a nil slice, fetches all alike.
	Priorities func(info *metainfo.Info) []torrent.Priority
	// Manual leaves the torrent out of the queue: it runs unless it is paused,
	// and is not counted.
	Manual bool
	// Forced has it run whatever the queue's limits and its goals say; see Force.
	Forced bool
	// Goals end the seeding of this torrent; nil: those of the client.
	Goals *Goals
}

// Torrent is a swarm with its discovery.
type Torrent struct {
	*driver.Torrent
	c       *Client
	content Content
	seeds   *webseed.Group // nil where there are none
	tiers   [][]string
	named   []string          // of the trackers
	hashV2  *metainfo.Hash256 // that a link named, or nil
	past    total             // of earlier runs
	ctx     context.Context   // ends with Close
	cancel  context.CancelFunc

	trackers []heard // guarded by c.mu

	mu       sync.Mutex
	handles  []*trackerclient.Handle // of the announces
	swarms   []metainfo.Hash         // that they announce
	complete bool                    // all was there before, or the trackers were told that it is
	will     will
	goals    Goals
	closed   bool
	mending  mending
	seeded   time.Duration      // in all runs, as of the last look
	asking   context.CancelFunc // ends the asking of web seeds; nil while none are asked

	// Owned by the keeper.
	lastSeen time.Time // when it was looked at last
	since    time.Time // when it was started
	searched time.Time // when the DHT was asked last
}

// Add starts a torrent. The context bounds what must happen before Add returns, the
// resolution of the peers' names. What is there already of the content is verified
// later, beside everything else: the torrent's Ready waits for it.
func (c *Client) Add(ctx context.Context, opt Options) (*Torrent, error) {
	key := opt.Key
	if opt.Torrent != nil {
		key = opt.Torrent.Info.Key()
	}
	addrs, unknown := resolve(ctx, opt.Peers)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	info, err := opt.Content.prepare(key, opt.Torrent)
	if err != nil {
		return nil, err
	}
	t := &Torrent{c: c, content: opt.Content, tiers: opt.Trackers, named: opt.NamedTrackers, hashV2: opt.HashV2, goals: c.cfg.Goals}
	if opt.Goals != nil {
		t.goals = *opt.Goals
	}
	t.will = will{paused: opt.Paused, manual: opt.Manual, forced: opt.Forced}
	t.ctx, t.cancel = context.WithCancel(c.ctx)
	queued := make(chan struct{}) // closed when t is complete
	if d, ok := opt.Content.(*download); ok {
		d.warn = func(err error) {
			<-queued
			t.Warn(err)
		}
	}
	t.Torrent, err = c.Session.Add(driver.Options{
		Key: key, HashV2: opt.HashV2, Info: info, Private: opt.Private, ListenPort: c.port(), DHTPort: c.dhtPort(), Sequential: opt.Sequential,
		Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
			content, err := opt.Content.open(ctx, info)
			if err == nil && opt.Priorities != nil {
				content.Priorities = opt.Priorities(info)
			}
			return content, err
		},
		// The queue lets it start.
		Paused: true,
		Notify: func(ev driver.Event) {
			<-queued
			t.notify(ev)
		},
	})
	if err != nil {
		t.cancel()
		opt.Content.close(false)
		return nil, err
	}
	if list := opt.seeds(); len(list) > 0 {
		t.seeds = webseed.NewGroup(t.Torrent, list, c.seeds.fetch)
	}
	t.past = c.totals.of(t.Key())
	t.seeded = t.past.seeded
	close(queued)
	if unknown != nil {
		t.Warn(unknown)
	}
	c.mu.Lock()
	c.torrents[t.Key()] = t
	c.order = append(c.order, t)
	few := len(c.order) <= fewTorrents
	c.mu.Unlock()
	if len(addrs) > 0 {
		t.AddPeers(addrs, swarm.User)
	}
	if few {
		c.review() // a peer may be at the door
	} else {
		c.kick()
	}
	return t, nil
}

// notify takes the torrent's own events. It must not block.
func (t *Torrent) notify(ev driver.Event) {
	switch ev.Kind {
	case driver.Opened, driver.Finished, driver.Failed:
		if ev.Kind == driver.Opened {
			t.mu.Lock()
			t.complete = t.whole()
			t.mu.Unlock()
		}
		t.c.kick()
	case driver.PieceLost:
		t.c.kick()
	case driver.BecamePrivate:
		t.withdraw()
	}
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
func (t *Torrent) WebSeeds() []webseed.Status {
	if t.seeds == nil {
		return nil
	}
	return t.seeds.Status()
}

// whole reports whether every piece is there, wanted or not.
func (t *Torrent) whole() bool {
	info := t.Info()
	return info != nil && t.NumHave() == info.NumPieces()
}

func isDone(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// resolve looks up host names. What does not resolve is left out; the error is about the
// first such name.
func resolve(ctx context.Context, peers []string) (addrs []netip.AddrPort, unknown error) {
	for _, p := range peers {
		a, err := lookup(ctx, p)
		if err == nil {
			addrs = append(addrs, a)
		} else if unknown == nil {
			unknown = errors.New("peer " + p + ": " + err.Error())
		}
	}
	return addrs, unknown
}

// Trackers returns what each tracker said last.
func (t *Torrent) Trackers() map[string]trackerclient.Status {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	m := make(map[string]trackerclient.Status, len(t.trackers))
	for _, h := range t.trackers {
		m[h.url] = h.Status
	}
	return m
}

// heard is what a tracker said last.
type heard struct {
	url string
	trackerclient.Status
}

// hear takes note of what a tracker said. Callers hold c.mu.
func (t *Torrent) hear(url string, st trackerclient.Status) {
	for i := range t.trackers {
		if t.trackers[i].url == url {
			t.trackers[i].Status = st
			return
		}
	}
	t.trackers = append(t.trackers, heard{url, st})
}

// Close leaves the swarm and closes the content. What was verified stays. The
// trackers are told within two seconds; what is being hashed is not waited for.
func (t *Torrent) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	t.close(ctx)
}

func (t *Torrent) close(ctx context.Context) {
	t.cancel()
	t.mu.Lock()
	was := t.closed
	t.closed = true
	handles := t.handles
	t.handles = nil
	t.mu.Unlock()
	if was {
		return
	}
	t.c.mu.Lock()
	delete(t.c.torrents, t.Key())
	t.c.forget(t)
	t.c.mu.Unlock()
	t.withdraw()
	// A part of the files may be all that was wanted: then the resume data stays,
	// for whoever wants the rest.
	complete := t.whole()
	t.Torrent.Close()
	t.c.totals.note(t.Key(), t.total(time.Now()))
	stop(ctx, handles)
	t.content.close(complete)
	t.c.kick()
}
