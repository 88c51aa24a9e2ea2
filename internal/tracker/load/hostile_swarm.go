package load

import (
	"context"
	"encoding/binary"
	"strings"
	"sync/atomic"
)

// These attacks are messages that honest peers send, too, but not like this.

// attackHash is the info hash of the attackers' own swarm, in JSON: the honest peers' offers
// are to be counted.
func (a *attackers) attackHash() []byte { return infoHash(a.g.Seed, firstAttacker) }

// peerIDs puts ever new peer ids of each connection into one swarm.
func peerIDs(ctx context.Context, a *attackers) {
	var serial atomic.Int64
	tmpl := newTemplate(Options{}, leecher)
	a.each(ctx, func(n int) {
		a.flood(ctx, n, func(b []byte) []byte {
			return tmpl.appendAnnounce(b, a.attackHash(), peerID(a.g.Seed, firstAttacker+int(serial.Add(1))), 0, 0)
		})
	})
}

// victims is how many of the attackers' connections only take what comes.
const victims = 3

// inOneSwarm runs attack for all connections but the victims, which join the attackers' swarm, and read.
func (a *attackers) inOneSwarm(ctx context.Context, attack func(n int)) {
	join := newTemplate(Options{}, leecher)
	a.each(ctx, func(n int) {
		if n >= victims {
			attack(n)
			return
		}
		nc, f, err := a.dial(ctx, n, true)
		if err != nil {
			return
		}
		defer nc.Close()
		if a.write(nc, join.appendAnnounce(nil, a.attackHash(), peerID(a.g.Seed, firstAttacker+n), 0, 0), 1) == nil {
			a.listen(ctx, nc, f)
		}
	})
}

// offerFlood announces to three victims with ten offers each time.
func offerFlood(ctx context.Context, a *attackers) {
	tmpl := newTemplate(Options{Offers: 10, SDPSize: 1300}, leecher)
	a.inOneSwarm(ctx, func(n int) {
		peer := peerID(a.g.Seed, firstAttacker+n)
		a.flood(ctx, n, func(b []byte) []byte { return tmpl.appendAnnounce(b, a.attackHash(), peer, 0, 0) })
	})
}

// answers sends answers that nobody asked for to one victim.
func answers(ctx context.Context, a *attackers) {
	tmpl := newTemplate(Options{SDPSize: 1300}, leecher)
	victim := peerID(a.g.Seed, firstAttacker)
	a.inOneSwarm(ctx, func(n int) {
		peer, joined := peerID(a.g.Seed, firstAttacker+n), false
		a.flood(ctx, n, func(b []byte) []byte {
			if !joined {
				joined = true
				return tmpl.appendAnnounce(b, a.attackHash(), peer, 0, 0)
			}
			return tmpl.appendAnswer(b, a.attackHash(), peer, victim, []byte("oooooooooooooooooooo"))
		})
	})
}

// full announces ever new torrents from many addresses.
func full(ctx context.Context, a *attackers) {
	var serial atomic.Uint64
	a.each(ctx, func(n int) {
		peer := peerID(a.g.Seed, firstAttacker+n)
		raw := rawHash(a.g.Seed, firstAttacker)
		tmpl := newTemplate(Options{}, leecher)
		var hash []byte
		a.flood(ctx, n*connsPerSource, func(b []byte) []byte {
			binary.LittleEndian.PutUint64(raw, serial.Add(1)) // all shards
			hash = appendBinary(hash[:0], raw)
			return tmpl.appendAnnounce(b, hash, peer, 0, 0)
		})
	})
}

// candidates sends offers that make their receivers knock at one address 250 times.
func candidates(ctx context.Context, a *attackers) {
	text := `v=0\r\n` + strings.Repeat(`a=candidate:1 1 udp 1 203.0.113.5 9 typ host\r\n`, 250)
	tmpl := &template{tail: []byte(`","numwant":1,"uploaded":0,"downloaded":0,` + leecher +
		`,"offers":[{"offer":{"type":"offer","sdp":"` + text + `"},"offer_id":"oooooooooooooooooooo"}]}`)}
	a.inOneSwarm(ctx, func(n int) {
		peer := peerID(a.g.Seed, firstAttacker+n)
		a.flood(ctx, n, func(b []byte) []byte { return tmpl.appendAnnounce(b, a.attackHash(), peer, 0, 0) })
	})
}
