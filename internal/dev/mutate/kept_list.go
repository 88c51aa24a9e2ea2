//go:build unix

package main

// kept are the changes that must be noticed.
var kept = []keptChange{
	// Bytes: what is believed, and what becomes of it.
	{
		name:  "a piece is believed whose SHA-1 differs",
		below: "internal/engine/verify",
		old:   "sha.Sum1(data) != *w.V1",
		new:   "false && sha.Sum1(data) != *w.V1",
	},
	{
		name:  "a piece is believed whose root of SHA-256 differs, a hybrid's for example",
		below: "internal/engine/verify",
		old:   "w.Info.TreeRoot(w.Index, data) != *w.V2",
		new:   "false && w.Info.TreeRoot(w.Index, data) != *w.V2",
	},
	{
		name:  "the platform's SHA-1 is not compared",
		below: "internal/engine/verify",
		old:   "sum != *w.V1",
		new:   "false && sum != *w.V1",
	},
	{
		name:  "the platform's SHA-256 is not compared",
		below: "internal/engine/verify",
		old:   "w.Info.TreeRootOf(w.Index, leaves) != *w.V2",
		new:   "false && w.Info.TreeRootOf(w.Index, leaves) != *w.V2",
	},
	{
		name:  "a hybrid's pieces are verified without SHA-1",
		below: "internal/engine",
		old:   "\t\tv1 = &h\n",
		new:   "\t\t_ = h\n",
	},
	{
		name:  "pieces are verified without SHA-256",
		below: "internal/engine",
		old:   "\t\t\tv2 = &h\n",
		new:   "\t\t\t_ = h\n",
	},
	{
		name:  "a piece that could not be written counts as had",
		below: "internal/driver",
		old:   "_, err := store.WriteAt(p.Bytes(), int64(p.Index())*t.info.Load().PieceLength)\n\treturn err",
		new:   "store.WriteAt(p.Bytes(), int64(p.Index())*t.info.Load().PieceLength)\n\treturn nil",
	},
	{
		name:  "what was read of a file is not looked at",
		below: "storage",
		old:   "if s.marks.sum(p[:n]) != sums[k] {\n\t\t\treturn false, nil",
		new:   "if s.marks.sum(p[:n]) != sums[k] {\n\t\t\treturn true, nil",
	},
	{
		name:  "a share that was changed is fetched from peers",
		below: "internal/driver",
		old:   "ev.Gone = t.content.Original ||",
		new:   "ev.Gone = false &&",
	},
	{
		name:  "a share that is as it was is not taken back",
		below: "internal/driver",
		old:   "\t\tt.post(torrent.Restored{Pieces: back})\n",
		new:   "",
	},
	{
		name:  "a late copy of a block overwrites the first",
		below: "internal/driver",
		old:   "case blockMissing:\n\t\tcopy(place, block)",
		new:   "case blockMissing, blockThere:\n\t\tcopy(place, block)",
	},
	{
		name:  "two copies of a block are received into one place",
		below: "internal/driver",
		old:   "place == nil || b.blocks[k] != blockMissing",
		new:   "place == nil || b.blocks[k] == blockThere",
	},
	{
		name:  "a piece's memory is used again while it is hashed",
		below: "internal/driver",
		old:   "b.users > 0 || !b.dropped",
		new:   "!b.dropped",
	},
	{
		name:  "a late block is received into a piece that is hashed",
		below: "internal/driver",
		old:   "if len(b.coming) > 0 {",
		new:   "if false {",
	},
	{
		name:  "a checkpoint vouches for pieces recorded while it synced",
		below: "storage",
		old:   "r.stamps(files, upto, false)",
		new:   "r.stamps(files, max(upto, r.end), false)",
	},

	// Peers: who is let in, and who is not.
	{
		name:  "the session forgets whom it banned",
		below: "internal/driver",
		old:   "s.bans.Add(time.Now(), mark(c, id))",
		new:   "_ = mark",
	},
	{
		name:  "a banned peer is let in again",
		below: "internal/engine/swarm",
		old:   "if m.bans.Has(m.now, p.mark()) {",
		new:   "if false {",
	},
	{
		name:  "a banned address is dialled again",
		below: "internal/engine/swarm",
		old:   "if m.bans.Has(m.now, Mark{Addr: c.addr}) {",
		new:   "if false {",
	},
	{
		name:  "a ban never ends",
		below: "internal/engine/swarm",
		old:   "len(b.queue) > 0 && !now.Before(b.queue[0].until)",
		new:   "false",
	},
	{
		name:  "all behind a relay are banned with one",
		below: "internal/engine/swarm",
		old:   "if counted(k.Addr, k.Shared) {\n\t\tkeys[",
		new:   "if counted(k.Addr, false) {\n\t\tkeys[",
	},
	{
		name:  "a dialled stream of another torrent is accepted",
		below: "internal/driver",
		old:   "h.InfoHash != key && !t.hasKey(h.InfoHash)",
		new:   "false",
	},
	{
		name:  "a torrent's private flag is not passed on to its machine",
		below: "internal/engine/torrent",
		old:   "c.Private || c.Info != nil && c.Info.Private",
		new:   "c.Private",
	},
	{
		name:  "a torrent's private flag is not passed on",
		below: "internal/driver",
		old:   "t.private.Store(opt.Info.Private)",
		new:   "t.private.Store(opt.Private)",
	},
	{
		name:  "a magnet's torrent that turns out private stays public",
		below: "internal/engine/torrent",
		old:   "\t\tm.swarm.SetPrivate()\n",
		new:   "\n",
	},
	{
		name:  "a private torrent dials whom the DHT named",
		below: "internal/engine/swarm",
		old:   "if m.cfg.Private && src&vouched == 0 {",
		new:   "if false {",
	},
	{
		name:  "what was found before a torrent turned out private is kept",
		below: "internal/engine/swarm",
		old:   "m.dials.forget(vouched)",
		new:   "_ = vouched",
	},
	{
		name:  "a seed dials nobody",
		below: "internal/engine/swarm",
		old:   "want := m.content.Wants()\n",
		new:   "want := m.content.Wants()\n\tif want == Leechers {\n\t\twant = Nobody\n\t}\n",
	},
	{
		name:  "a hybrid is found under one of its hashes alone",
		below: "internal/driver",
		old:   "t.key, keys = opt.Info.Key(), opt.Info.SwarmHashes()",
		new:   "t.key, keys = opt.Info.Key(), opt.Info.SwarmHashes()[:1]",
	},
	{
		name:  "a hybrid that was joined by a magnet is found under one of its hashes alone",
		below: "internal/driver",
		old:   "for _, k := range info.SwarmHashes() {\n\t\t\tif t.s.torrents[k] == nil",
		new:   "for _, k := range info.SwarmHashes()[:0] {\n\t\t\tif t.s.torrents[k] == nil",
	},
	{
		name:  "no keep-alives are sent",
		below: "internal/engine/swarm",
		old:   "m.Send(p, wire.Message{KeepAlive: true})",
		new:   "_ = wire.Message{KeepAlive: true}",
	},

	// Choices: what is asked for, and when.
	{
		name:  "readers' pieces are not in the order of their deadlines",
		below: "internal/engine",
		old:   "next < 0 || r.at(s.cursor[k]).Before(s.list[next].at(s.cursor[next]))",
		new:   "next < 0",
	},
	{
		name:  "the commonest piece comes first",
		below: "internal/engine",
		old:   "m.pick.Rarest(&p.has, ok)",
		new:   "m.pick.Commonest(&p.has, ok)",
	},
	{
		name:  "a block is asked for without limit, in the end-game or for a reader",
		below: "internal/engine",
		old:   "maxDuplicates = 2",
		new:   "maxDuplicates = 200",
	},

	// Web seeds: servers that are asked as peers are.
	{
		name:  "a web seed's answer of another range is taken",
		below: "internal/engine/webseed",
		old:   "case !ok || first != p.From:",
		new:   "case !ok || false && first != p.From:",
	},
	{
		name:  "a web seed's Retry-After is not heeded",
		below: "internal/engine/webseed",
		old:   "m.rest(ev.Problem.Wait, rest)",
		new:   "m.rest(0, rest)",
	},
	{
		name:  "a web seed that lies is asked again",
		below: "internal/engine/webseed",
		old:   "case Wrong:\n\t\tm.giveUp(ev.Problem)",
		new:   "case Wrong:\n\t\tm.rest(0, rest)",
	},

	// The HTTP server: a stranger's page must not run with this origin's rights.
	{
		name:  "a stranger's page is not sandboxed",
		below: "internal/httpfile",
		old:   `h.Set("Content-Security-Policy", policy)`,
		new:   "_ = policy",
	},
	{
		name:  "a stranger's bytes are sniffed",
		below: "internal/httpfile",
		old:   `h.Set("X-Content-Type-Options", "nosniff")`,
		new:   "",
	},
}
