//go:build !js

package torrent_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts in testdata anew")

// TestTranscripts replays what is written in testdata: lines that begin at the
// margin are events, the indented ones below are what the machine decides about
// them. After a change of behaviour `go test -run Transcripts -rewrite` writes them
// anew, and the difference says what has changed. The events:
//
//	new OPTION...              a machine: private, magnet, seeded, pieces=N, max_peers=N, id=NAME, dht_port=N, live=FIRST
//	join PEER OPTION...        out=ADDR or in=ADDR, id=NAME, web_seed=URL, no_fast, no_ext, v2, dht
//	greet PEER OPTION...       its extension handshake: port=N, info (it has the info dictionary), upload_only
//	recv PEER MESSAGE; ...     x N before a message repeats it; nothing more is shown of a flood
//	answer PEER [N]            the blocks for its next N requests (all)
//	info PEER                  the pieces of the info dictionary that it was asked for
//	ready                      the store is open
//	found SOURCE ADDR...       addresses
//	failed ADDR, left PEER     what came of dials and peers
//	stored N, forged N         what came of a piece
//	grow N [stored]            N more pieces of live content, which we may have made
//	expire N                   the pieces before N
//	read READER FIRST LAST     a reader's window
//	sent PEER                  a block is on the wire
//	pause, resume              the user's wish
//	wait DURATION              time passes
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d transcripts: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(b))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := strings.Split(string(b), "\n")
			for n, line := range strings.Split(got, "\n") {
				if n >= len(want) || line != want[n] {
					t.Fatalf("line %d is %q\n%s", n+1, line, got)
				}
			}
			if len(want) > strings.Count(got, "\n")+1 {
				t.Fatalf("ends early:\n%s", got)
			}
		})
	}
}

// script is the state of a transcript.
type script struct {
	t       *testing.T
	m       *torrent.Machine
	tor     *metainfo.Torrent
	now     time.Time
	out     strings.Builder
	asked   map[torrent.PeerKey][]wire.Message
	meta    map[torrent.PeerKey][]int
	buffers map[int]uint32
}

func replay(t *testing.T, text string) string {
	s := &script{
		t: t, now: time.Unix(1_000_000, 0), asked: map[torrent.PeerKey][]wire.Message{},
		meta: map[torrent.PeerKey][]int{}, buffers: map[int]uint32{},
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue // what it decided the last time
		}
		fmt.Fprintln(&s.out, line)
		if line != "" && line[0] != '#' {
			s.do(strings.Fields(line))
		}
	}
	return s.out.String()
}

// options reads words of the form name or name=value.
func options(words []string) map[string]string {
	m := map[string]string{}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		m[name] = value
	}
	return m
}

func (s *script) number(w string) int {
	n, err := strconv.Atoi(w)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) key(w string) torrent.PeerKey { return torrent.PeerKey(s.number(w)) }

func (s *script) do(w []string) {
	switch w[0] {
	case "new":
		s.create(options(w[1:]))
	case "join":
		s.join(s.key(w[1]), options(w[2:]))
	case "greet":
		o := options(w[2:])
		h := wire.ExtHandshake{M: []wire.Extension{
			{Name: wire.ExtMetadata, ID: 11}, {Name: wire.ExtPEX, ID: 12}, {Name: wire.ExtDontHave, ID: 13}, {Name: wire.ExtUploadOnly, ID: 14},
		}}
		h.Port, _ = strconv.Atoi(o["port"])
		if _, ok := o["info"]; ok {
			h.MetadataSize = len(s.tor.Info.Bytes)
		}
		_, h.UploadOnly = o["upload_only"]
		s.recv(s.key(w[1]), []wire.Message{enginetest.Extended(wire.ExtHandshakeID, h.Append(nil))})
	case "recv":
		var msgs []wire.Message
		for _, m := range strings.Split(strings.Join(w[2:], " "), ";") {
			msgs = append(msgs, s.message(strings.Fields(m))...)
		}
		s.recv(s.key(w[1]), msgs)
	case "answer":
		key, n := s.key(w[1]), len(s.asked[s.key(w[1])])
		if len(w) > 2 {
			n = min(n, s.number(w[2]))
		}
		var msgs []wire.Message
		for _, q := range s.asked[key][:n] {
			msgs = append(msgs, block(wire.Piece, q.Index, q.Begin, q.Length))
		}
		s.asked[key] = s.asked[key][n:]
		s.recv(key, msgs)
	case "info":
		key, b := s.key(w[1]), s.tor.Info.Bytes
		var msgs []wire.Message
		for _, k := range s.meta[key] {
			from := k * wire.MetadataPieceSize
			m := wire.MetadataMessage{Type: wire.MetadataData, Piece: k, TotalSize: len(b), Data: b[from:min(len(b), from+wire.MetadataPieceSize)]}
			msgs = append(msgs, enginetest.Extended(metadataID, m.Append(nil)))
		}
		s.meta[key] = nil
		s.recv(key, msgs)
	case "ready":
		s.step(torrent.ContentReady{Info: s.tor.Info})
	case "found":
		ev := swarm.PeersFound{Source: map[string]swarm.Source{
			"user": swarm.User, "tracker": swarm.Tracker, "dht": swarm.DHT, "lsd": swarm.LSD,
		}[w[1]]}
		for _, a := range w[2:] {
			ev.Addrs = append(ev.Addrs, netip.MustParseAddrPort(a))
		}
		s.step(ev)
	case "failed":
		s.step(swarm.DialFailed{Addr: netip.MustParseAddrPort(w[1])})
	case "left":
		s.step(swarm.PeerLeft{Peer: s.key(w[1])})
	case "stored":
		s.step(torrent.PieceStored{Index: s.number(w[1])})
	case "forged":
		s.step(torrent.PieceForged{Index: s.number(w[1]), Sums: make([][20]byte, 2)})
	case "grow":
		s.step(torrent.Grown{Pieces: livePieces(s.number(w[1])), Stored: len(w) > 2})
	case "expire":
		s.step(torrent.Expired{First: s.number(w[1])})
	case "read":
		s.step(torrent.ReaderMoved{Reader: s.number(w[1]), First: s.number(w[2]), Last: s.number(w[3]), Urgent: time.Second, Spacing: time.Second})
	case "sent":
		s.step(torrent.Sent{Peer: s.key(w[1]), Bytes: torrent.BlockSize, Blocks: 1})
	case "pause", "resume":
		s.step(torrent.Paused{On: w[0] == "pause"})
	case "wait":
		d, err := time.ParseDuration(w[1])
		if err != nil {
			s.t.Fatal(err)
		}
		s.wait(d)
	default:
		s.t.Fatalf("unknown event %q", w)
	}
}

func (s *script) create(o map[string]string) {
	pieces := 3
	if o["pieces"] != "" {
		pieces = s.number(o["pieces"])
	}
	_, isPrivate := o["private"]
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "clip", PieceLength: pieceLength, V1: true, Private: isPrivate,
		Files: []metainfo.BuildFile{{Path: []string{"clip"}, Length: int64(pieces) * pieceLength}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range pieces {
		b.SetPiece(i, metainfo.PieceHashes{V1: metainfo.Hash{byte(i + 1)}})
	}
	if s.tor, err = b.Finish(); err != nil {
		s.t.Fatal(err)
	}
	cfg := torrent.Config{Key: s.tor.Info.Key(), Info: s.tor.Info, Rand: newRand(1), ListenPort: 6881}
	cfg.MaxPeers, _ = strconv.Atoi(o["max_peers"])
	cfg.DHTPort, _ = strconv.Atoi(o["dht_port"])
	if o["id"] == "" {
		o["id"] = "-SH0001-ourselves"
	}
	copy(cfg.PeerID[:], o["id"])
	if _, ok := o["seeded"]; ok {
		seeded(&cfg)
	}
	if _, ok := o["magnet"]; ok {
		magnet(&cfg)
	}
	if first, ok := o["live"]; ok {
		live(s.number(first))(&cfg)
	}
	if s.m, err = torrent.New(cfg); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) join(key torrent.PeerKey, o map[string]string) {
	ev := swarm.PeerJoined{Peer: key, Fast: true, Extended: true}
	if a := o["out"]; a != "" {
		ev.Outgoing, ev.Addr = true, netip.MustParseAddrPort(a)
	} else if a := o["in"]; a != "" {
		ev.Addr = netip.MustParseAddrPort(a)
	}
	if o["id"] == "" {
		o["id"] = "-XX0001-" + strconv.Itoa(int(key))
	}
	copy(ev.ID[:], o["id"])
	for name := range o {
		switch name {
		case "no_fast":
			ev.Fast = false
		case "no_ext":
			ev.Extended = false
		case "v2":
			ev.V2 = true
		case "dht":
			ev.DHT = true
		case "web_seed":
			ev.WebSeed, ev.URL = true, o[name]
		}
	}
	s.step(ev)
}

// message reads one message; "x N" before it repeats it.
func (s *script) message(w []string) []wire.Message {
	if w[0] == "x" {
		return times(s.number(w[1]), s.message(w[2:])[0])
	}
	n := func(k int) uint32 {
		if k >= len(w) {
			return 0
		}
		return uint32(s.number(w[k]))
	}
	var m wire.Message
	switch w[0] {
	case "keepalive":
		m.KeepAlive = true
	case "bitfield":
		b, err := hex.DecodeString(w[1])
		if err != nil {
			s.t.Fatal(err)
		}
		m = wire.Message{ID: wire.Bitfield, Payload: b}
	case "port":
		m = wire.Message{ID: wire.Port, Port: uint16(n(1))}
	case "request", "piece", "cancel", "reject":
		m = block(ids[w[0]], n(1), n(2), torrent.BlockSize)
	case "pex":
		var p wire.PEX
		for _, a := range w[2:] {
			p.Added = append(p.Added, wire.PEXPeer{Addr: netip.MustParseAddrPort(a), Flags: byte(n(1))})
		}
		m = enginetest.Extended(pexID, p.Append(nil))
	case "donthave":
		m = enginetest.Extended(dontHaveID, wire.AppendDontHave(nil, n(1)))
	default:
		id, ok := ids[w[0]]
		if !ok {
			s.t.Fatalf("unknown message %q", w)
		}
		m = wire.Message{ID: id, Index: n(1)}
	}
	return []wire.Message{m}
}

func (s *script) recv(key torrent.PeerKey, msgs []wire.Message) {
	ev := swarm.Received{Peer: key}
	for _, m := range msgs {
		it := torrent.Item{Message: m}
		if m.ID == wire.Piece && !m.KeepAlive {
			it.Buffer = s.buffers[int(m.Index)]
		}
		ev.Items = append(ev.Items, it)
	}
	s.step(ev)
}

func (s *script) wait(d time.Duration) {
	began, end := s.now, s.now.Add(d)
	for {
		at := s.m.Deadline()
		if at.IsZero() || at.After(end) {
			break
		}
		if at.After(s.now) {
			s.now = at
		}
		was := s.out.Len()
		s.step()
		if s.out.Len() > was {
			text := s.out.String()
			s.out.Reset()
			fmt.Fprintf(&s.out, "%s  after %v:\n%s", text[:was], s.now.Sub(began), text[was:])
		}
	}
	s.now = end
	s.step()
}
