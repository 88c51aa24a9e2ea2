package history

import (
	"encoding/binary"
	"slices"
	"time"
)

// A Sample is one reading of a tracker's counts.
type Sample struct {
	Swarms, WebRTCPeers, TCPPeers, Seeders, Connections uint64 // now

	Announces, Offers, Answers, Refused, BytesIn, BytesOut uint64 // since the process started
}

// A Point is what an hour or a day had, in UTC.
type Point struct {
	Start time.Time `json:"start"`
	// The most that one Sample said.
	Swarms      uint64 `json:"swarms"`
	WebRTCPeers uint64 `json:"webrtc_peers"`
	TCPPeers    uint64 `json:"tcp_peers"`
	Seeders     uint64 `json:"seeders"`
	Connections uint64 `json:"connections"`
	// All together.
	Announces uint64 `json:"announces"`
	Offers    uint64 `json:"offers"`
	Answers   uint64 `json:"answers"`
	Downloads uint64 `json:"downloads"`
	Refused   uint64 `json:"refused"`
	BytesIn   uint64 `json:"bytes_in"`
	BytesOut  uint64 `json:"bytes_out"`
}

// fields are the numbers of a Point as in the file.
func (p *Point) fields() [12]*uint64 {
	return [...]*uint64{
		&p.Swarms, &p.WebRTCPeers, &p.TCPPeers, &p.Seeders, &p.Connections,
		&p.Announces, &p.Offers, &p.Answers, &p.Downloads, &p.Refused, &p.BytesIn, &p.BytesOut,
	}
}

// take adds a reading; before is the one before it.
func (p *Point) take(s, before *Sample) {
	for _, g := range [...]struct {
		most *uint64
		now  uint64
	}{{&p.Swarms, s.Swarms}, {&p.WebRTCPeers, s.WebRTCPeers}, {&p.TCPPeers, s.TCPPeers}, {&p.Seeders, s.Seeders}, {&p.Connections, s.Connections}} {
		*g.most = max(*g.most, g.now)
	}
	for _, c := range [...]struct {
		sum         *uint64
		now, before uint64
	}{
		{&p.Announces, s.Announces, before.Announces}, {&p.Offers, s.Offers, before.Offers}, {&p.Answers, s.Answers, before.Answers},
		{&p.Refused, s.Refused, before.Refused},
		{&p.BytesIn, s.BytesIn, before.BytesIn}, {&p.BytesOut, s.BytesOut, before.BytesOut},
	} {
		if c.now >= c.before {
			*c.sum += c.now - c.before
		} else { // it was set back, so it counts from zero
			*c.sum += c.now
		}
	}
}

// A series is points of one length, oldest first.
type series struct {
	step, keep time.Duration
	points     []Point
	dirty      int // the last so many differ from the file
}

// at returns the point of now, which is the last one. A clock that was set back goes on with it.
func (s *series) at(now time.Time) *Point {
	start := now.UTC().Truncate(s.step)
	if n := len(s.points); n == 0 || s.points[n-1].Start.Before(start) {
		s.points = append(s.points, Point{Start: start})
		s.dirty++
	}
	s.dirty = max(s.dirty, 1)
	return &s.points[len(s.points)-1]
}

// trim leaves out what is too old.
func (s *series) trim(now time.Time) {
	n := 0
	for n < len(s.points)-1 && now.Sub(s.points[n].Start) > s.keep {
		n++
	}
	s.points = slices.Delete(s.points, 0, n)
	s.dirty = min(s.dirty, len(s.points))
}

// Add takes in a reading. The first of a process counts from zero, as its tracker did.
func (s *Store) Add(r Sample, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hours.at(now).take(&r, &s.last)
	s.days.at(now).take(&r, &s.last)
	s.last = r
}

// Hours returns the last 31 days hour by hour, oldest first. Hours in which the tracker did not
// run are missing.
func (s *Store) Hours() []Point { return s.copyOf(&s.hours) }

// Days returns the last three years day by day.
func (s *Store) Days() []Point { return s.copyOf(&s.days) }

func (s *Store) copyOf(of *series) []Point {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(of.points)
}

func (p *Point) appendTo(b []byte) []byte {
	for _, f := range p.fields() {
		b = binary.AppendUvarint(b, *f)
	}
	return b
}

func parsePoint(key, value []byte) (p Point, ok bool) {
	if len(key) != 8 {
		return p, false
	}
	start := int64(binary.BigEndian.Uint64(key))
	if start < 0 || start > 1<<40 {
		return p, false
	}
	p.Start = time.Unix(start, 0).UTC()
	for _, f := range p.fields() {
		*f, value = uvarint(value)
	}
	return p, true
}

func (r *record) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, r.downloads)
	b = binary.AppendUvarint(b, r.peak)
	return binary.AppendUvarint(b, r.seen)
}

func parseRecord(value []byte) (r record) {
	r.downloads, value = uvarint(value)
	r.peak, value = uvarint(value)
	r.seen, _ = uvarint(value)
	r.seen = min(r.seen, 1<<40)
	return r
}

// uvarint reads a number; at the end, or where there is none, it is 0.
func uvarint(b []byte) (n uint64, rest []byte) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil
	}
	return n, b[size:]
}
