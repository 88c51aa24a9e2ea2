package torrent

import (
	"bytes"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

// infoPiece is what a peer sends of an info dictionary.
func infoPiece(b []byte, k int) *wire.MetadataMessage {
	from := k * wire.MetadataPieceSize
	return &wire.MetadataMessage{Type: wire.MetadataData, Piece: k, TotalSize: len(b), Data: b[from:min(len(b), from+wire.MetadataPieceSize)]}
}

func TestInfoIsFetchedFromAllThatHaveIt(t *testing.T) {
	var d metadata
	now := time.Unix(1_000_000, 0)
	if len(d.next(now)) != 0 || !d.deadline().IsZero() {
		t.Fatal("asks nobody for nothing")
	}
	info := bytes.Repeat([]byte("0123456789abcde"), 10*wire.MetadataPieceSize/15)
	pieces := (len(info) + wire.MetadataPieceSize - 1) / wire.MetadataPieceSize
	d.offer(1, len(info))
	d.offer(2, len(info))
	asked := map[int]PeerKey{}
	var whole []byte
	for range 10 {
		for _, a := range d.next(now) {
			if asked[a.piece] != 0 {
				t.Fatalf("piece %d is asked for again", a.piece)
			}
			asked[a.piece] = a.from
			if got, use, err := d.data(3, infoPiece(info, a.piece)); got != nil || use || err != nil {
				t.Fatal("taken from a peer that was not asked")
			}
			got, use, err := d.data(a.from, infoPiece(info, a.piece))
			if !use || err != nil {
				t.Fatalf("piece %d: %v, %v", a.piece, use, err)
			}
			whole = got
		}
	}
	if len(asked) != pieces || !bytes.Equal(whole, info) {
		t.Fatalf("asked for %d of %d pieces, got %d bytes", len(asked), pieces, len(whole))
	}
}

// Whoever does not answer is asked again after a pause, and others in the meantime.
func TestSilentPeerIsPassedOver(t *testing.T) {
	var d metadata
	now := time.Unix(1_000_000, 0)
	d.offer(1, 100)
	if a := d.next(now); len(a) != 1 || a[0] != (metaAsk{1, 0}) {
		t.Fatalf("asks %v", a)
	}
	due := d.deadline()
	if due.Sub(now) != metadataTimeout {
		t.Fatalf("looks again after %v", due.Sub(now))
	}
	if a := d.next(due.Add(-1)); len(a) != 0 {
		t.Fatalf("asks %v before that", a)
	}
	d.offer(2, 100)
	if a := d.next(due); len(a) != 1 || a[0].from != 2 {
		t.Fatalf("asks %v", a)
	}
	d.peerLeft(2)
	if a := d.next(due); len(a) != 0 {
		t.Fatalf("asks %v, who was silent just now", a)
	}
	again := d.deadline()
	if a := d.next(again); len(a) != 1 || a[0].from != 1 || again.Sub(due) != metadataPause {
		t.Fatalf("asks %v after %v", a, again.Sub(due))
	}
	d.done = true
	if !d.deadline().IsZero() {
		t.Fatal("looks again when it is known")
	}
}

// After a forgery each tries alone, so that the forger is found.
func TestForgeryIsFetchedAgainFromOneAlone(t *testing.T) {
	var d metadata
	now := time.Unix(1_000_000, 0)
	big := 3 * wire.MetadataPieceSize
	d.offer(1, big)
	d.offer(2, big)
	d.next(now)
	if d.forged() {
		t.Fatal("blames one of two")
	}
	for _, a := range d.next(now) {
		if a.from != 1 {
			t.Fatalf("asks %d too", a.from)
		}
	}
	if !d.forged() {
		t.Fatal("blames nobody")
	}
}
