// Package history keeps over restarts what a tracker has counted.
//
// It is one bbolt file. Its buckets, with numbers in keys big-endian so that they sort:
//
//	meta    "format" -> 1
//	swarms  info hash -> uvarints: downloads, most peers, last seen in Unix seconds
//	hours   start in Unix seconds, 8 bytes -> uvarints, see Point
//	days    the same
//
// What a value has beyond the known numbers is left alone, and what it lacks is 0, so that
// numbers may be added at the end.
package history

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// defaultSwarms is some 10 MB of memory, and as much of the file.
	defaultSwarms = 100_000
	// keepSwarm is how long a swarm that nobody takes part in is remembered.
	keepSwarm = 365 * 24 * time.Hour

	hour      = time.Hour
	day       = 24 * time.Hour
	keepHours = 31 * day
	keepDays  = 3 * 366 * day
)

// A Hash is an info hash.
type Hash = [20]byte

// A Swarm is what is remembered of a swarm.
type Swarm struct {
	InfoHash  Hash
	Downloads uint64    // announces with the event "completed"
	Peak      uint64    // the most peers at one time
	Seen      time.Time // when somebody last took part, as far as is known; in seconds
}

// A record is a Swarm without its hash.
type record struct{ downloads, peak, seen uint64 }

// Config says how much a Store keeps.
type Config struct {
	// Swarms bounds the swarms that are remembered. When there are more, those with the fewest
	// downloads go. 0 means 100,000.
	Swarms int
}

// A Store keeps counts in memory and, with Flush, in a file. Its methods may be called by any
// goroutine; none but Flush and Close waits for the disk.
type Store struct {
	conf Config
	db   *bbolt.DB

	mu     sync.Mutex
	swarms map[Hash]record
	dirty  map[Hash]struct{} // differ from the file; those not in swarms are to be deleted
	hours  series
	days   series
	last   Sample // that Add got; of this process
	aged   time.Time

	flush sync.Mutex // held while the file is written
}

// Completed counts a download.
func (s *Store) Completed(h Hash, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.get(h)
	r.downloads++
	s.put(h, r, now)
	s.hours.at(now).Downloads++
	s.days.at(now).Downloads++
}

// Seen notes how many peers a swarm has. It is meant for the largest swarms, once a
// minute or so: a swarm that it names is remembered even if it never had a download.
func (s *Store) Seen(h Hash, peers int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.get(h)
	r.peak = max(r.peak, uint64(max(peers, 0)))
	s.put(h, r, now)
}

// Downloads is how many downloads a swarm had, 0 if it is not known.
func (s *Store) Downloads(h Hash) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.swarms[h].downloads
}

// get returns the record of h, for which there is room then.
func (s *Store) get(h Hash) record {
	r, ok := s.swarms[h]
	if !ok && len(s.swarms) >= s.conf.Swarms {
		s.drop(s.least())
	}
	return r
}

func (s *Store) put(h Hash, r record, now time.Time) {
	r.seen = max(r.seen, uint64(max(now.Unix(), 0)))
	s.swarms[h] = r
	s.dirty[h] = struct{}{}
}

func (s *Store) drop(h Hash) {
	delete(s.swarms, h)
	s.dirty[h] = struct{}{}
}

// least returns one of the swarms worth least: of a few, as a range over a map begins anywhere. Whoever
// makes up info hashes so mostly drives out what he made up before.
func (s *Store) least() (least Hash) {
	const looks = 16
	i, worst := 0, record{}
	for h, r := range s.swarms {
		if i == 0 || worth(r, worst) < 0 {
			least, worst = h, r
		}
		if i++; i == looks {
			break
		}
	}
	return least
}

// worth compares swarms: by downloads, then by who was seen last.
func worth(a, b record) int {
	return cmp.Or(cmp.Compare(a.downloads, b.downloads), cmp.Compare(a.seen, b.seen))
}

// age forgets swarms of long ago, once a day.
func (s *Store) age(now time.Time) {
	if !s.aged.IsZero() && now.Sub(s.aged) < day {
		return
	}
	s.aged = now
	before := uint64(max(now.Add(-keepSwarm).Unix(), 0))
	for h, r := range s.swarms {
		if r.seen < before {
			s.drop(h)
		}
	}
}

// Top returns the n swarms with the most downloads, the first one first. It looks at all of them: who
// shows them to many keeps the result for a while.
func (s *Store) Top(n int) []Swarm {
	if n <= 0 {
		return nil
	}
	var top []Swarm
	s.mu.Lock()
	for h, r := range s.swarms {
		if len(top) == n && r.downloads < top[n-1].Downloads {
			continue
		}
		w := Swarm{h, r.downloads, r.peak, time.Unix(int64(r.seen), 0).UTC()}
		i, _ := slices.BinarySearchFunc(top, w, order)
		if len(top) == n {
			if i == n {
				continue
			}
			top = top[:n-1]
		}
		top = slices.Insert(top, i, w)
	}
	s.mu.Unlock()
	return top
}

func order(a, b Swarm) int {
	return cmp.Or(cmp.Compare(b.Downloads, a.Downloads), cmp.Compare(b.Peak, a.Peak), slices.Compare(a.InfoHash[:], b.InfoHash[:]))
}

// Len is the number of swarms that are remembered.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.swarms)
}
