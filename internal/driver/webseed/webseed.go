// Package webseed runs the web seeds of a torrent (BEP 19, BEP 17).
package webseed

import (
	"context"
	"io"
	"sync"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/webseed"
)

const (
	maxActive = 8   // asked at a time for one torrent; others wait until one is given up
	maxKnown  = 256 // of one torrent
)

// Fetch asks an HTTP server for bytes of a file. The answer's body is read until
// it ends or nothing more of it is wanted, and then closed; it ends with io.EOF
// only if nothing that was promised is missing. When ctx ends so does the body.
type Fetch func(ctx context.Context, r Request) (Answer, error)

// Request is one request.
type Request struct {
	URL          string
	Ranged       bool  // ask for a range, not for the whole
	First, Count int64 // the range, in bytes
	// Trusted says that the user named the server. Others come out of torrents,
	// which anybody makes, and must not lead to the user's own machine.
	Trusted bool
}

// Answer is the answer to a request. Body is never nil.
type Answer struct {
	webseed.Answer
	Body io.ReadCloser
}

// Seed is an HTTP server that has the content of a torrent.
type Seed struct {
	URL     string
	Pieces  bool // it speaks BEP 17, not BEP 19
	Trusted bool // the user named it
}

// List makes a list of the addresses in a torrent or link, trusted if the user
// gave them.
func List(files, pieces []string, trusted bool) (list []Seed) {
	for _, u := range files {
		list = append(list, Seed{URL: u, Trusted: trusted})
	}
	for _, u := range pieces {
		list = append(list, Seed{URL: u, Pieces: true, Trusted: trusted})
	}
	return list
}

// Status is a snapshot of one web seed.
type Status struct {
	Seed
	GivenUp bool  // it will not be asked again; Err says why
	Err     error // what went wrong last, nil if nothing did
}

// Group is the web seeds of one torrent.
type Group struct {
	t     *driver.Torrent
	fetch Fetch
	seeds []*seed
	ended chan struct{} // of this run, with room for all
	wg    sync.WaitGroup
}

// NewGroup returns the web seeds of a torrent, in the order of preference. Of
// those that are named twice the first counts.
func NewGroup(t *driver.Torrent, list []Seed, fetch Fetch) *Group {
	g := &Group{t: t, fetch: fetch}
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s.URL] && len(g.seeds) < maxKnown {
			seen[s.URL] = true
			g.seeds = append(g.seeds, &seed{Seed: s, g: g})
		}
	}
	return g
}

// Status returns what is known of each web seed.
func (g *Group) Status() []Status {
	list := make([]Status, 0, len(g.seeds))
	for _, s := range g.seeds {
		list = append(list, s.status())
	}
	return list
}

// Run asks web seeds until the torrent has everything, ctx ends or all were given
// up. It may be called again, after it has returned.
func (g *Group) Run(ctx context.Context) {
	if len(g.seeds) == 0 {
		return
	}
	select {
	case <-g.t.Learned():
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer g.wg.Wait()
	defer cancel()
	g.ended = make(chan struct{}, maxActive)
	waiting, active := g.seeds, 0
	for {
		if have := g.t.Have(); have.All() {
			return
		}
		for active < maxActive && len(waiting) > 0 {
			s := waiting[0]
			waiting = waiting[1:]
			if s.join(ctx, g.t.Info()) {
				active++
			}
		}
		if active == 0 {
			return
		}
		select {
		case <-g.ended:
			active--
		case <-ctx.Done():
			return
		}
	}
}
