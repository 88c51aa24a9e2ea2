package driver

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Two peers that meet in a second swarm open a further stream on the connection they
// have. That they do, a tracker tells them, or they each other by wire.ExtSwarms. Of
// torrents that are private, or may be, they do not talk: their tracker alone says who
// is in them (BEP 27).

// meetTimeout is how long the other side may take to accept a stream.
const meetTimeout = 20 * time.Second

// swarmsExtension is registered for every torrent.
var swarmsExtension = swarm.Extension{Name: wire.ExtSwarms, MaxSize: wire.MaxSwarmsSize, Rate: 128}

// An acquaintance is a peer on a transport.Link. The first of its streams carries what we
// say about swarms; what it says is heard on any, as its order may be another. What
// changes is guarded by the session's mu.
type acquaintance struct {
	streams []*conn // those that speak wire.ExtSwarms, one at least
	link    transport.Link
	salt    wire.Salt
	said    wire.Swarms            // last; a swarm of ours may be added later
	meeting map[metainfo.Hash]bool // streams that are being opened
}

func newSalt() (s wire.Salt) {
	for i := range s {
		s[i] = byte(rand.Uint32())
	}
	return s
}

func linkOf(c transport.Conn) transport.Link {
	if l, ok := c.(transport.Linked); ok {
		return l.Link()
	}
	return nil
}

// greeted notes a peer that speaks wire.ExtSwarms, and tells it our swarms. The loop of
// the torrent calls it.
func (s *Session) greeted(t *Torrent, key torrent.PeerKey) {
	c, ok := t.conns[key].(*conn)
	if !ok {
		return
	}
	l := linkOf(c.c)
	if l == nil {
		return
	}
	s.mu.Lock()
	a := s.links[l]
	if a == nil {
		a = &acquaintance{link: l, salt: newSalt(), meeting: map[metainfo.Hash]bool{}}
		s.links[l] = a
	}
	if !slices.Contains(a.streams, c) {
		a.streams = append(a.streams, c)
	}
	first := a.streams[0] == c
	s.mu.Unlock()
	if first {
		s.tell(a)
	}
}

// left forgets a stream. Where it carried the talk the next one does.
func (s *Session) left(c *conn) {
	l := linkOf(c.c)
	if l == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.links[l]
	if a == nil {
		return
	}
	if a.streams = slices.DeleteFunc(a.streams, func(x *conn) bool { return x == c }); len(a.streams) == 0 {
		delete(s.links, l)
	}
}

// started is added for a torrent that was paused until now.
func (s *Session) started() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.links) > 0 && !s.closed {
		s.wg.Go(s.added)
	}
}

// added tells every acquaintance that there is another swarm, and meets it there.
func (s *Session) added() {
	s.mu.Lock()
	var list []*acquaintance
	for _, a := range s.links {
		list = append(list, a)
	}
	s.mu.Unlock()
	for _, a := range list {
		s.tell(a)
		s.meetShared(a)
	}
}

func (s *Session) tell(a *acquaintance) {
	var keys [][20]byte
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(a.streams) == 0 || s.closed {
		return
	}
	for k, t := range s.torrents {
		if len(keys) < wire.MaxSwarms && t.isPublic() {
			keys = append(keys, k)
		}
	}
	c := a.streams[0]
	ev := swarm.SendExt{Peer: c.key, Name: wire.ExtSwarms, Payload: wire.AppendSwarms(nil, a.salt, keys)}
	s.wg.Go(func() { c.t.post(ev) }) // its loop may be the one that calls
}

// told notes in which swarms a peer is. The loop of the torrent calls it.
func (s *Session) told(t *Torrent, key torrent.PeerKey, payload []byte) {
	c, ok := t.conns[key].(*conn)
	said, err := wire.ParseSwarms(payload)
	if !ok || err != nil {
		return
	}
	s.mu.Lock()
	a := s.links[linkOf(c.c)]
	if a != nil {
		a.said = said
	}
	s.mu.Unlock()
	if a != nil {
		s.meetShared(a)
	}
}

// meetShared opens a stream for each swarm that a peer is in too and that it is not met
// in. The side with the greater peer id does, so that it is opened once.
func (s *Session) meetShared(a *acquaintance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(a.streams) == 0 || s.closed {
		return
	}
	id := a.streams[0].id
	if bytes.Compare(s.cfg.PeerID[:], id[:]) <= 0 {
		return
	}
	met := make(map[*Torrent]bool, len(a.streams)) // there may be ten thousand torrents
	for _, c := range a.streams {
		met[c.t] = true
	}
	for k, t := range s.torrents {
		if met[t] || k != t.key || a.meeting[k] || !t.isPublic() || !a.said.Has(k) {
			continue
		}
		a.meeting[k] = true
		s.wg.Go(func() {
			s.Meet(s.ctx, a.link, id, k)
			s.mu.Lock()
			delete(a.meeting, k)
			s.mu.Unlock()
		})
	}
}

// Meet opens a stream of a swarm on a connection that leads to a peer. It reports whether
// the peer is met in that swarm, now or already.
func (s *Session) Meet(ctx context.Context, l transport.Link, id [20]byte, key metainfo.Hash) bool {
	t := s.Torrent(key)
	if t == nil {
		return false
	}
	if t.knows(id) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, meetTimeout)
	defer cancel()
	c, err := l.Open(ctx, wire.SwarmLabel(newSalt(), key))
	if err != nil {
		return false
	}
	// The other side speaks first: so it shows that it knows the swarm before it
	// learns that we do.
	h, err := readHandshake(ctx, c)
	if err == nil && h.InfoHash == key && h.PeerID == id && !s.isBanned(c, id) {
		mine := t.handshake(key)
		if _, err = c.Write(mine.Append(nil)); err == nil {
			t.join(c, h, true)
			return true
		}
	}
	c.Close()
	return false
}

// AcceptStream takes a further stream that a peer has opened on its connection: of the
// swarm that its label names to those who know it, or else as Accept does.
func (s *Session) AcceptStream(c transport.Conn, label string) {
	said, ok := wire.ParseSwarmLabel(label)
	if !ok {
		s.Accept(c)
		return
	}
	s.mu.Lock()
	var key metainfo.Hash
	found := false
	for k := range s.torrents {
		if said.Has(k) {
			key, found = k, true
			break
		}
	}
	s.mu.Unlock()
	if !found {
		c.Close()
		return
	}
	s.Join(key, c, false)
}

// isPublic reports whether the torrent is known not to be private.
func (t *Torrent) isPublic() bool {
	info := t.info.Load()
	return !t.private.Load() && info != nil && !info.Private && !t.Paused()
}

// knows reports whether a peer is connected.
func (t *Torrent) knows(id [20]byte) (found bool) {
	t.call(func() {
		for _, l := range t.conns {
			c, ok := l.(*conn)
			found = found || ok && c.id == id
		}
	})
	return found
}
