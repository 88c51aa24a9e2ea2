//go:build !js

package native

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/bencode"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	totalsName = "totals.dat"
	// totalsEvery is how often the totals are saved, so that a process that is killed
	// loses little of what it gave.
	totalsEvery = 5 * time.Minute
	// maxTotals bounds the torrents that are kept, those at work last; the file is below
	// maxTotalsFile, for one takes 125 bytes at the most.
	maxTotals     = 50_000
	maxTotalsFile = 128 * maxTotals
)

// total is what was given and taken of a torrent in all runs.
type total struct {
	down, up int64         // bytes of content
	seeded   time.Duration // in whole seconds where it was read
	at       int64         // when it was noted last, in seconds since 1970
}

// totals remembers for goals what earlier runs did. The file is a bencoded dictionary:
//
//	d8:torrentsl l20:<info hash> i<bytes received>e i<bytes sent>e i<seconds seeded>e i<noted at>e e ..ee
//
// Several processes may have the same folder: each replaces only what it knows better.
type totals struct {
	dir string // "" keeps nothing

	mu    sync.Mutex
	saved map[metainfo.Hash]total // as of the file
	news  map[metainfo.Hash]total // since
}

func loadTotals(dir string) *totals {
	return &totals{dir: dir, saved: parseTotals(readState(dir, totalsName, maxTotalsFile)), news: map[metainfo.Hash]total{}}
}

func (s *totals) of(key metainfo.Hash) total {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.news[key]; ok {
		return x
	}
	return s.saved[key]
}

// note takes what a torrent has come to. One that nothing happened to is not written
// again.
func (s *totals) note(key metainfo.Hash, x total) {
	if s.dir == "" {
		return
	}
	was := s.of(key)
	if x.down == was.down && x.up == was.up && x.seeded/time.Second == was.seeded/time.Second {
		return
	}
	s.mu.Lock()
	s.news[key] = x
	s.mu.Unlock()
}

// save writes what was noted. After an error it is tried again with the next.
func (s *totals) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" || len(s.news) == 0 {
		return nil
	}
	all := parseTotals(readState(s.dir, totalsName, maxTotalsFile)) // others may have written
	maps.Copy(all, s.news)
	if err := writeState(s.dir, totalsName, marshalTotals(all)); err != nil {
		return err
	}
	s.saved = all
	clear(s.news)
	return nil
}

// marshalTotals writes the newest maxTotals.
func marshalTotals(all map[metainfo.Hash]total) []byte {
	keys := slices.SortedFunc(maps.Keys(all), func(a, b metainfo.Hash) int {
		if d := all[b].at - all[a].at; d != 0 {
			return int(max(-1, min(1, d)))
		}
		return slices.Compare(a[:], b[:])
	})
	d := bencode.NewDict(nil)
	d.Value("torrents", func(b []byte) []byte {
		b = append(b, 'l')
		for _, k := range keys[:min(len(keys), maxTotals)] {
			x := all[k]
			b = bencode.AppendBytes(append(b, 'l'), k[:])
			for _, n := range []int64{x.down, x.up, int64(x.seeded / time.Second), x.at} {
				b = bencode.AppendInt(b, n)
			}
			b = append(b, 'e')
		}
		return append(b, 'e')
	})
	return d.End()
}

// parseTotals reads what marshalTotals wrote; what is wrong in it is left out.
func parseTotals(b []byte) map[metainfo.Hash]total {
	all := map[metainfo.Hash]total{}
	v, err := bencode.Parse(b, bencode.Options{MaxDepth: 4, MaxItems: 8 * maxTotals})
	if err != nil || v.Kind() != bencode.Dict {
		return all
	}
	list, _ := v.Get("torrents")
	for e := range list.List() {
		var key []byte
		var n []int64
		for f := range e.List() {
			if k, ok := f.Bytes(); ok {
				key = k
			} else if i, ok := f.Int(); ok && i >= 0 {
				n = append(n, i)
			}
		}
		// A torrent is not seeded for a century.
		if len(key) == len(metainfo.Hash{}) && len(n) == 4 && n[2] < 1<<32 {
			all[metainfo.Hash(key)] = total{down: n[0], up: n[1], seeded: time.Duration(n[2]) * time.Second, at: n[3]}
		}
	}
	return all
}

// total is what the torrent has come to, in this run and before.
func (t *Torrent) total(now time.Time) total {
	down, up, _ := t.Totals()
	return total{down: t.past.down + down, up: t.past.up + up, seeded: t.Seeded(), at: now.Unix()}
}

// noteTotals has what all torrents have come to written down.
func (c *Client) noteTotals(now time.Time) {
	if c.totals.dir == "" {
		return
	}
	c.mu.Lock()
	list := slices.Clone(c.order)
	c.mu.Unlock()
	for _, t := range list {
		c.totals.note(t.Key(), t.total(now))
	}
	c.totals.save() // the next time may go better
}
