package lsd

import (
	"testing"
	"time"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func hashN(i int) [20]byte { return [20]byte{byte(i >> 8), byte(i)} }

// run follows the schedule for a while and returns when each torrent was
// announced, and how often there was a datagram.
func (s *schedule) run(from time.Time, d time.Duration, batch int) (seen map[[20]byte][]time.Time, sent []time.Time) {
	seen = make(map[[20]byte][]time.Time)
	for now := from; ; {
		next := s.next()
		if next.IsZero() || next.After(from.Add(d)) {
			return seen, sent
		}
		if next.After(now) {
			now = next
		}
		_, hashes := s.take(now, batch)
		for _, h := range hashes {
			seen[h] = append(seen[h], now)
		}
		sent = append(sent, now)
	}
}

// BEP 14: "As long as a client is participating in a swarm it should send a LSD
// announce every 5 minutes [...] a client should send no more than 1 announce
// per minute."
func TestSchedule(t *testing.T) {
	for _, torrents := range []int{1, 4, 24, 100} {
		var s schedule
		for i := range torrents {
			s.add(epoch.Add(time.Duration(i)*7*time.Second), hashN(i), 6881)
		}
		seen, sent := s.run(epoch, 2*time.Hour, 24)
		for i := 1; i < len(sent); i++ {
			if sent[i].Sub(sent[i-1]) < time.Minute {
				t.Fatalf("%d torrents: announces %v apart", torrents, sent[i].Sub(sent[i-1]))
			}
		}
		for i := range torrents {
			times := seen[hashN(i)]
			if len(times) < 20 || len(times) > 30 {
				t.Errorf("%d torrents: number %d was announced %d times in 2 hours, want every 4 to 5 minutes", torrents, i, len(times))
			}
		}
		if first := sent[0].Sub(epoch); first > time.Second {
			t.Errorf("the first announce comes after %v", first)
		}
	}
}

func TestMoreTorrentsThanFitTakeTurns(t *testing.T) {
	var s schedule
	for i := range 500 {
		s.add(epoch, hashN(i), 6881)
	}
	seen, _ := s.run(epoch, 2*time.Hour, 24)
	for i := range 500 {
		if n := len(seen[hashN(i)]); n < 4 || n > 7 {
			t.Errorf("torrent %d was announced %d times", i, n)
		}
	}
}

func TestScheduleChanges(t *testing.T) {
	var s schedule
	if !s.next().IsZero() {
		t.Error("an empty schedule has something to do")
	}
	s.add(epoch, hashN(1), 6881)
	s.take(s.next(), 24)
	s.add(epoch.Add(time.Minute), hashN(1), 6881) // again, the same
	if got := s.next().Sub(epoch); got < 5*time.Minute {
		t.Errorf("a repeated add announces after %v", got)
	}
	s.add(epoch.Add(2*time.Minute), hashN(1), 6882)
	if port, hashes := s.take(s.next(), 24); port != 6882 || len(hashes) != 1 || s.last.Sub(epoch) > 3*time.Minute {
		t.Errorf("a changed port: %d, %v, after %v", port, hashes, s.last.Sub(epoch))
	}
	s.remove(hashN(1))
	if !s.next().IsZero() {
		t.Error("a removed torrent is announced")
	}
	// Torrents on different ports need datagrams of their own.
	s = schedule{}
	s.add(epoch, hashN(1), 1)
	s.add(epoch, hashN(2), 2)
	seen, sent := s.run(epoch, 3*time.Minute, 24)
	if len(sent) != 2 || len(seen[hashN(1)]) != 1 || len(seen[hashN(2)]) != 1 {
		t.Errorf("two ports: %v", seen)
	}
}
