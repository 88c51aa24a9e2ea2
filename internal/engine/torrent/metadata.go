package torrent

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	metadataTimeout  = 8 * time.Second
	metadataPause    = 30 * time.Second // before a peer that had nothing is asked again
	maxMetadataQueue = 4                // requests outstanding per peer
)

// metadata fetches the info dictionary (BEP 9). Peers that claim the same size
// share one buffer; when the result does not match the info hash, it is fetched
// from one peer at a time, so that a forger is found out.
type metadata struct {
	offers   []metaOffer // in order of arrival
	size     int
	buf      []byte
	pieces   []metaPiece
	got      int
	single   PeerKey // fetching from this peer alone
	distrust bool    // a forged result was seen
	done     bool    // it is known, the store is being opened
}

type metaOffer struct {
	peer     PeerKey
	size     int
	rejected time.Time // not to be asked again for a while
}

type metaPiece struct {
	from PeerKey // asked or answered
	at   time.Time
	got  bool
}

func (d *metadata) offer(key PeerKey, size int) {
	for i := range d.offers {
		if d.offers[i].peer == key {
			d.offers[i].size = size
			return
		}
	}
	d.offers = append(d.offers, metaOffer{peer: key, size: size})
}

func (d *metadata) peerLeft(key PeerKey) {
	for i := range d.offers {
		if d.offers[i].peer == key {
			d.offers = append(d.offers[:i], d.offers[i+1:]...)
			break
		}
	}
	for i := range d.pieces {
		if d.pieces[i].from == key && !d.pieces[i].got {
			d.pieces[i] = metaPiece{}
		}
	}
	if d.single == key {
		d.restart()
	}
}

// restart throws away what was collected.
func (d *metadata) restart() {
	d.size, d.buf, d.pieces, d.got, d.single = 0, nil, nil, 0, 0
}

// reject stops asking a peer for half a minute.
func (d *metadata) reject(now time.Time, key PeerKey) {
	for i := range d.offers {
		if d.offers[i].peer == key {
			d.offers[i].rejected = now
		}
	}
	for i := range d.pieces {
		if d.pieces[i].from == key && !d.pieces[i].got {
			d.pieces[i] = metaPiece{}
		}
	}
	if d.single == key {
		d.restart()
	}
}

// deadline is when next has something new to say if nothing happens: an answer is
// overdue, or a peer may be asked again. The zero time means never.
func (d *metadata) deadline() (at time.Time) {
	if d.done {
		return at
	}
	earliest := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	for i := range d.pieces {
		if pc := &d.pieces[i]; pc.from != 0 && !pc.got {
			earliest(pc.at.Add(metadataTimeout))
		}
	}
	for i := range d.offers {
		if o := &d.offers[i]; !o.rejected.IsZero() {
			earliest(o.rejected.Add(metadataPause))
		}
	}
	return at
}

// metaAsk is a piece to be asked for.
type metaAsk struct {
	from  PeerKey
	piece int
}

func (o *metaOffer) usable(now time.Time) bool {
	return o.rejected.IsZero() || now.Sub(o.rejected) >= metadataPause
}

// deserted reports whether nobody who can be asked claims the size that is being
// fetched, while others claim another: a liar's size must not hold us up.
func (d *metadata) deserted(now time.Time) bool {
	others := false
	for i := range d.offers {
		o := &d.offers[i]
		if o.usable(now) && o.size == d.size {
			return false
		}
		others = others || o.usable(now)
	}
	return others
}

// next says whom to ask for what.
func (d *metadata) next(now time.Time) (asks []metaAsk) {
	for k := 0; k < len(d.pieces); k++ { // there are none once it begins anew
		if pc := &d.pieces[k]; !pc.got && pc.from != 0 && now.Sub(pc.at) >= metadataTimeout {
			d.reject(now, pc.from)
		}
	}
	for i := range d.offers {
		if o := &d.offers[i]; o.usable(now) {
			o.rejected = time.Time{}
		}
	}
	if d.size != 0 && d.deserted(now) {
		d.restart()
	}
	if d.size == 0 {
		d.begin(now)
	}
	for i := range d.offers {
		o := &d.offers[i]
		if o.size != d.size || !o.usable(now) || d.single != 0 && d.single != o.peer {
			continue
		}
		asked := 0
		for k := range d.pieces {
			if d.pieces[k].from == o.peer && !d.pieces[k].got {
				asked++
			}
		}
		for k := 0; k < len(d.pieces) && asked < maxMetadataQueue; k++ {
			if d.pieces[k].from == 0 {
				d.pieces[k] = metaPiece{from: o.peer, at: now}
				asked++
				asks = append(asks, metaAsk{o.peer, k})
			}
		}
	}
	return asks
}

// begin chooses the size to believe in: that of the first peer that can be asked.
func (d *metadata) begin(now time.Time) {
	for i := range d.offers {
		o := &d.offers[i]
		if !o.usable(now) {
			continue
		}
		d.size = o.size
		d.buf = make([]byte, 0, min(o.size, 1<<20)) // grows with what really arrives
		d.pieces = make([]metaPiece, (o.size+wire.MetadataPieceSize-1)/wire.MetadataPieceSize)
		if d.distrust {
			d.single = o.peer
		}
		return
	}
}

// data takes a piece. It reports whether it was asked for, and returns the whole
// dictionary once it is there.
func (d *metadata) data(from PeerKey, msg *wire.MetadataMessage) (whole []byte, asked bool, err error) {
	if msg.Piece < 0 || msg.Piece >= len(d.pieces) {
		return nil, false, nil // late, or not asked for
	}
	pc := &d.pieces[msg.Piece]
	if pc.from != from || pc.got {
		return nil, false, nil
	}
	if msg.TotalSize != d.size {
		return nil, true, breach("metadata size differs from the one it announced")
	}
	at := msg.Piece * wire.MetadataPieceSize
	end := min(d.size, at+wire.MetadataPieceSize)
	if len(msg.Data) != end-at {
		return nil, true, breach("metadata piece of the wrong length")
	}
	if len(d.buf) < end {
		d.buf = slices.Grow(d.buf, end-len(d.buf))[:end]
	}
	copy(d.buf[at:], msg.Data)
	pc.got = true
	if d.got++; d.got < len(d.pieces) {
		return nil, true, nil
	}
	return d.buf, true, nil
}

// forged begins anew after the whole did not match its hash. It reports whether
// that is the fault of one peer alone.
func (d *metadata) forged() (guilty bool) {
	guilty = d.single != 0 || len(d.offers) == 1
	d.distrust = true
	d.restart()
	return guilty
}
