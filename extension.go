//go:build !js

package shoal

import (
	"errors"
	"slices"
	"sync"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
)

// maxPayload bounds Extension.MaxSize: a message has to fit what peers read at
// once.
const maxPayload = 1 << 20

// Extension is a protocol of a program's own between those peers of a torrent that
// have registered the same name, over the connections that are there anyway (BEP
// 10). Messages are encrypted and signed no more than the rest: whoever is in the
// swarm can read them, and send what they like.
type Extension struct {
	// Name is how peers tell extensions from each other, 1 to 64 bytes. By custom
	// it begins with a few letters of the program's: "xy_chat".
	Name string
	// MaxSize bounds a message, in bytes, at most 1 MiB; 0 means 64 KiB. A peer
	// that sends a larger one, or floods, is disconnected.
	MaxSize int
	// Receive is called for each message, one call at a time. The payload is a
	// stranger's, and Receive may keep it. Where messages come faster than Receive
	// returns, more than 256 waiting ones are dropped. Client.Close waits for it. nil
	// drops all.
	Receive func(t *Torrent, from PeerID, payload []byte)
}

// PeerID names a connection of a torrent while it lasts. It is never used again.
type PeerID uint32

// Send sends a message of an extension to peers, as [Torrent.Peers] names them. It
// is lost where a peer does not speak the extension or has left; there is no
// answer. Errors: an extension that is not in Config.Extensions, a message that is
// larger than its MaxSize.
func (t *Torrent) Send(extension string, payload []byte, to ...PeerID) error {
	most := t.c.mail.maxSize(extension)
	switch {
	case most == 0:
		return errors.New("cannot send: the extension " + extension + " is not in Config.Extensions")
	case len(payload) > most:
		return errors.New("cannot send: the message is larger than " + extension + " allows")
	}
	payload = slices.Clone(payload)
	for _, id := range to {
		t.n.SendExt(swarm.PeerKey(id), extension, payload)
	}
	return nil
}

// mailbox brings messages of extensions to those who registered them, beside the
// loops of the torrents.
type mailbox struct {
	c     *Client
	by    map[string]Extension
	names []swarm.Extension // as the engine knows them
	in    chan letter
	ended chan struct{}
	wg    sync.WaitGroup
}

type letter struct {
	from *driver.Torrent
	swarm.GotExt
}

func newMailbox(c *Client, list []Extension) (*mailbox, error) {
	m := &mailbox{c: c, by: map[string]Extension{}, in: make(chan letter, 256), ended: make(chan struct{})}
	for _, e := range list {
		if e.MaxSize == 0 {
			e.MaxSize = 64 << 10
		}
		_, twice := m.by[e.Name]
		switch {
		case twice:
			return nil, errors.New("the extension " + e.Name + " is registered twice")
		case e.Name == "" || len(e.Name) > 64:
			return nil, errors.New("the name of an extension has 1 to 64 bytes, not " + e.Name)
		case e.MaxSize < 0 || e.MaxSize > maxPayload:
			return nil, errors.New("MaxSize of the extension " + e.Name + " is not between 0 and 1 MiB")
		case len(m.by) == 64:
			return nil, errors.New("more than 64 extensions")
		}
		m.by[e.Name] = e
		m.names = append(m.names, swarm.Extension{Name: e.Name, MaxSize: e.MaxSize})
	}
	return m, nil
}

// maxSize is 0 for an extension that nobody registered.
func (m *mailbox) maxSize(name string) int {
	if m == nil {
		return 0
	}
	return m.by[name].MaxSize
}

// got takes a message; the torrent's loop must not wait.
func (m *mailbox) got(t *driver.Torrent, msg swarm.GotExt) {
	msg.Payload = slices.Clone(msg.Payload) // it is good until the loop goes on
	select {
	case m.in <- letter{t, msg}:
	default:
	}
}

func (m *mailbox) start() {
	m.wg.Go(func() {
		for {
			select {
			case l := <-m.in:
				// A torrent that is only just being added is not known yet.
				if t := m.c.Torrent(l.from.Key()); t != nil && m.by[l.Name].Receive != nil {
					m.by[l.Name].Receive(t, PeerID(l.Peer), l.Payload)
				}
			case <-m.ended:
				return
			}
		}
	})
}

func (m *mailbox) close() {
	close(m.ended)
	m.wg.Wait()
}
