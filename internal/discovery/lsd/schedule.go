package lsd

import (
	"slices"
	"time"
)

const (
	// every is how often a torrent is announced, and pause what lies at least
	// between two announces of the client (BEP 14, "Usage").
	every = 5 * time.Minute
	pause = time.Minute
	// gather lets torrents that are added together be announced together.
	gather = 200 * time.Millisecond
)

// schedule decides when which torrents are announced. It is pure: time is an
// argument.
type schedule struct {
	torrents []torrent // the longest waiting first
	last     time.Time // of the last announce
}

type torrent struct {
	hash [20]byte
	port uint16
	due  time.Time
}

// add takes part in a torrent from now on. Another port is announced as soon
// as possible; the same one changes nothing.
func (s *schedule) add(now time.Time, hash [20]byte, port uint16) {
	if i := s.index(hash); i >= 0 {
		if s.torrents[i].port == port {
			return
		}
		s.torrents = slices.Delete(s.torrents, i, i+1)
	}
	s.insert(torrent{hash, port, now.Add(gather)})
}

func (s *schedule) remove(hash [20]byte) {
	if i := s.index(hash); i >= 0 {
		s.torrents = slices.Delete(s.torrents, i, i+1)
	}
}

func (s *schedule) index(hash [20]byte) int {
	return slices.IndexFunc(s.torrents, func(t torrent) bool { return t.hash == hash })
}

func (s *schedule) insert(t torrent) {
	i := len(s.torrents)
	for i > 0 && t.due.Before(s.torrents[i-1].due) {
		i--
	}
	s.torrents = slices.Insert(s.torrents, i, t)
}

// next is when take will have something, or the zero time.
func (s *schedule) next() time.Time {
	if len(s.torrents) == 0 {
		return time.Time{}
	}
	due := s.torrents[0].due
	if free := s.last.Add(pause); !s.last.IsZero() && due.Before(free) {
		return free
	}
	return due
}

// take returns the torrents to announce together at now, at most n with the
// port of the one that waits longest, and plans them anew.
func (s *schedule) take(now time.Time, n int) (port uint16, hashes [][20]byte) {
	at := s.next()
	if at.IsZero() || now.Before(at) {
		return 0, nil
	}
	port = s.torrents[0].port
	s.torrents = slices.DeleteFunc(s.torrents, func(t torrent) bool {
		// Those that are due within the next minute would have to wait for it.
		if len(hashes) >= n || t.port != port || t.due.After(now.Add(pause)) {
			return false
		}
		hashes = append(hashes, t.hash)
		return true
	})
	for _, h := range hashes {
		s.insert(torrent{h, port, now.Add(every)})
	}
	s.last = now
	return port, hashes
}
