package torrent_test

// The sentences of BEP 21 that a peer can hold us to. Those about scrapes and announces are the
// trackers' matter.

import (
	"testing"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// onlyFirst wants the first piece alone.
func (r *rig) onlyFirst() {
	levels := make([]torrent.Priority, numPieces)
	levels[0] = torrent.Normal
	r.Step(torrent.Priorities{Levels: levels})
}

// uploadOnly is what our last extension handshake to a peer says.
func (r *rig) uploadOnly(key torrent.PeerKey) bool {
	r.T.Helper()
	list := r.ext(key, wire.ExtHandshakeID)
	if len(list) == 0 {
		r.T.Fatal("no extension handshake")
	}
	h, err := wire.ParseExtHandshake(list[len(list)-1])
	if err != nil {
		r.T.Fatal(err)
	}
	return h.UploadOnly
}

// "A peer that is a partial seed SHOULD include an extra header in the extension handshake, 'upload_only'."
func TestBEP21PartialSeedSaysSo(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*torrent.Config)
		partial bool
		want    bool
	}{
		"downloader": {has(0), false, false}, "partial seed": {has(0), true, true}, "partial, not done": {has(1), true, false}, "seed": {seeded, false, true},
		"magnet": {magnet, false, false},
	} {
		r := start(t, testTorrent(t, true, false), tt.change)
		if tt.partial {
			r.onlyFirst()
		}
		if got := r.uploadOnly(r.join(joined{silent: true})); got != tt.want {
			t.Errorf("%s: upload_only %v", name, got)
		}
	}
}

// "Setting the value of this key to 1 indicates that this peer is not interested in downloading anything."
// Two such peers have nothing to say to each other.
func TestBEP21UploadOnlyPeers(t *testing.T) {
	says := func(payload string) wire.Message { return enginetest.Extended(wire.ExtHandshakeID, []byte(payload)) }
	for name, tt := range map[string]struct {
		change func(*torrent.Config)
		says   string
		stays  bool
	}{
		"to a seed":             {seeded, "d11:upload_onlyi1ee", false},
		"to a seed, 0":          {seeded, "d11:upload_onlyi0ee", true},
		"to a seed, nothing":    {seeded, "de", true},
		"to a downloader":       {has(0), "d11:upload_onlyi1ee", true},
		"to who knows no piece": {magnet, "d11:upload_onlyi1ee", true},
	} {
		r := start(t, testTorrent(t, true, false), tt.change)
		key := r.join(joined{silent: true})
		r.recv(key, says(tt.says))
		c, gone := r.Closed[key]
		if gone == tt.stays || gone && c.Err != swarm.ErrUseless {
			t.Errorf("%s: closed with %v", name, c.Err)
		}
	}
}

// A partial seed still uploads, and still serves what it has: "This happens for multi file torrents where
// users only download some of the files."
func TestBEP21PartialSeedsAreSources(t *testing.T) {
	r := start(t, testTorrent(t, true, false), has(0))
	r.onlyFirst()
	key := r.reader(joined{})
	if r.recv(key, block(wire.Request, 0, 0, torrent.BlockSize)); len(did[*torrent.Upload](r)) != 1 {
		t.Error("as one we do not serve")
	}
	r = start(t, testTorrent(t, true, false), nil)
	key = r.join(joined{silent: true})
	r.recv(key, enginetest.Extended(wire.ExtHandshakeID, []byte("d11:upload_onlyi1ee")),
		wire.Message{ID: wire.Bitfield, Payload: []byte{0x80, 0}}, wire.Message{ID: wire.Unchoke})
	if got := r.take(key, wire.Request); len(got) != 2 || got[0].Index != 0 {
		t.Errorf("of one we ask for %v", got)
	}
}

// Who becomes a partial seed, or ceases to be one, tells the peers it has, by libtorrent's message of the
// same name.
func TestBEP21ChangeIsTold(t *testing.T) {
	r := start(t, testTorrent(t, true, false), has(0))
	key := r.join(joined{})
	r.Sent[key] = nil
	r.onlyFirst()
	if got := r.ext(key, 14); len(got) != 1 || string(got[0]) != "\x01" {
		t.Fatalf("told %q", got)
	}
	r.Step(torrent.Priorities{})
	if got := r.ext(key, 14); len(got) != 1 || string(got[0]) != "\x00" {
		t.Fatalf("told %q, other pieces are wanted", got)
	}
	r.onlyFirst()
	r.Sent[key] = nil
	r.Step(torrent.ReadFailed{Peer: key, Index: 0, Length: torrent.BlockSize})
	if got := r.ext(key, 14); len(got) != 1 || string(got[0]) != "\x00" {
		t.Fatalf("told %q, the piece is lost", got)
	}
}
