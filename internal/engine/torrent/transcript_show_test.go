//go:build !js

package torrent_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// ids are the messages as transcripts name them.
var ids = map[string]wire.ID{
	"choke": wire.Choke, "unchoke": wire.Unchoke, "interested": wire.Interested, "not_interested": wire.NotInterested,
	"have": wire.Have, "bitfield": wire.Bitfield, "request": wire.Request, "piece": wire.Piece, "cancel": wire.Cancel,
	"port": wire.Port, "suggest": wire.Suggest, "have_all": wire.HaveAll, "have_none": wire.HaveNone,
	"reject": wire.Reject, "allowed_fast": wire.AllowedFast, "unknown": 99,
}

// step gives events to the machine and writes down what it decides.
func (s *script) step(evs ...torrent.Event) {
	for _, e := range s.m.Step(s.now, evs...) {
		fmt.Fprintf(&s.out, "  %s\n", s.effect(e))
	}
}

func (s *script) effect(e torrent.Effect) string {
	switch e := e.(type) {
	case *swarm.Send:
		return fmt.Sprintf("to %d: %s", e.Peer, s.messages(e.Peer, e.Messages))
	case swarm.Close:
		s.asked[e.Peer], s.meta[e.Peer] = nil, nil
		ban := ""
		if e.Ban {
			ban = ", banned"
		}
		return fmt.Sprintf("close %d%s: %v", e.Peer, ban, e.Err)
	case swarm.Dial:
		return strings.TrimSpace(fmt.Sprintf("dial %v %s", e.Addr, hint(e.Hint)))
	case torrent.OpenPiece:
		s.buffers[e.Index] = e.Buffer
		return fmt.Sprintf("open piece %d", e.Index)
	case torrent.DropPiece:
		delete(s.buffers, e.Index)
		return fmt.Sprintf("drop piece %d", e.Index)
	case torrent.Verify:
		return fmt.Sprintf("verify piece %d", e.Index)
	case torrent.Learned:
		return "learned the info dictionary"
	}
	name := fmt.Sprintf("%T %+v", e, reflect.Indirect(reflect.ValueOf(e)))
	name = name[strings.IndexByte(name, '.')+1:]
	return strings.TrimSuffix(name, " {}")
}

func hint(h swarm.Hint) (text string) {
	if h.UTP {
		text += "utp "
	}
	if h.Encrypted {
		text += "encrypted"
	}
	return text
}

// messages shows what is sent to a peer, and remembers what it is asked for.
// Many of one kind behind each other are counted.
func (s *script) messages(key torrent.PeerKey, msgs []wire.Message) string {
	var list []string
	for _, m := range msgs {
		switch {
		case m.KeepAlive:
		case m.ID == wire.Request:
			s.asked[key] = append(s.asked[key], m)
		case m.ID == wire.Cancel:
			s.asked[key] = slices.DeleteFunc(s.asked[key], func(q wire.Message) bool { return q.Index == m.Index && q.Begin == m.Begin })
		}
		list = append(list, s.show(key, m))
	}
	var out []string
	for k := 0; k < len(list); {
		n := 1
		for k+n < len(list) && list[k+n] == list[k] {
			n++
		}
		text := list[k]
		if n > 1 {
			text = fmt.Sprintf("%s x %d", text, n)
		}
		out = append(out, text)
		k += n
	}
	return strings.Join(out, "; ")
}

func (s *script) show(key torrent.PeerKey, m wire.Message) string {
	if m.KeepAlive {
		return "keepalive"
	}
	name := "message " + fmt.Sprint(m.ID)
	for _, n := range slices.Sorted(maps.Keys(ids)) {
		if ids[n] == m.ID {
			name = n
		}
	}
	switch m.ID {
	case wire.Have, wire.AllowedFast, wire.Suggest:
		return fmt.Sprintf("%s %d", name, m.Index)
	case wire.Request, wire.Cancel, wire.Reject:
		return fmt.Sprintf("%s %d %d", name, m.Index, m.Begin)
	case wire.Bitfield:
		return fmt.Sprintf("%s %x", name, m.Payload)
	case wire.Port:
		return fmt.Sprintf("%s %d", name, m.Port)
	case wire.Extended:
		return s.showExt(key, m)
	}
	return name
}

func (s *script) showExt(key torrent.PeerKey, m wire.Message) string {
	switch m.ExtID {
	case wire.ExtHandshakeID:
		h, err := wire.ParseExtHandshake(m.Payload)
		if err != nil {
			s.t.Fatal(err)
		}
		text := "greeting"
		for _, e := range h.M {
			text += fmt.Sprintf(" %s=%d", e.Name, e.ID)
		}
		if h.MetadataSize > 0 {
			text += fmt.Sprintf(" size=%d", h.MetadataSize)
		}
		if h.UploadOnly {
			text += " upload_only"
		}
		return text
	case 11:
		d, err := wire.ParseMetadata(m.Payload)
		if err != nil {
			s.t.Fatal(err)
		}
		if d.Type == wire.MetadataRequest {
			s.meta[key] = append(s.meta[key], d.Piece)
		}
		return fmt.Sprintf("ut_metadata %s %d", []string{"request", "data", "reject"}[d.Type], d.Piece)
	case 12:
		p, err := wire.ParsePEX(m.Payload)
		if err != nil {
			s.t.Fatal(err)
		}
		text := "ut_pex"
		for _, a := range p.Added {
			text += fmt.Sprintf(" +%v/%#02x", a.Addr, a.Flags)
		}
		for _, a := range p.Dropped {
			text += fmt.Sprintf(" -%v", a.Addr)
		}
		return text
	case 13:
		return fmt.Sprintf("lt_donthave %x", m.Payload)
	case 14:
		return fmt.Sprintf("upload_only %x", m.Payload)
	}
	return fmt.Sprintf("extended %d", m.ExtID)
}
