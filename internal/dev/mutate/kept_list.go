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
		old:   "v.V1 = &h",
		new:   "_ = h",
	},
	{
		name:  "pieces are verified without SHA-256",
		below: "internal/engine",
		old:   "v.V2 = &h",
		new:   "_ = h",
	},
	{
		name:  "a piece that could not be written counts as had",
		below: "internal/driver",
		old:   "_, err := (*t.store.Load()).WriteAt(p.Bytes(), off)\n\treturn err",
		new:   "(*t.store.Load()).WriteAt(p.Bytes(), off)\n\treturn nil",
	},
	{
		name:  "a late copy of a block overwrites the first",
		below: "internal/driver",
		old:   " || b.written[k] {",
		new:   " {",
	},
	{
		name:  "a piece's memory is used again while it is hashed",
		below: "internal/driver",
		old:   "b.users == 0 && b.dropped",
		new:   "b.dropped",
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
		old:   "s.banned[a.Addr()] = true",
		new:   "s.banned[a.Addr()] = false",
	},
	{
		name:  "a banned address is dialled again",
		below: "internal/engine",
		old:   " || d.banned[a.Addr()] {",
		new:   " {",
	},
	{
		name:  "a dialled stream of another torrent is accepted",
		below: "internal/driver",
		old:   "h.InfoHash != key && !t.hasKey(h.InfoHash)",
		new:   "false",
	},
	{
		name:  "a torrent's private flag is not passed on to its machine",
		below: "internal/driver",
		old:   "cfg.Private = opt.Info.Private",
		new:   "cfg.Private = opt.Private",
	},
	{
		name:  "a hybrid is found under one of its hashes alone",
		below: "internal/driver",
		old:   "keys = opt.Info.SwarmHashes()",
		new:   "keys = opt.Info.SwarmHashes()[:1]",
	},
	{
		name:  "no keep-alives are sent",
		below: "internal/engine",
		old:   "m.send(p, wire.Message{KeepAlive: true})",
		new:   "_ = p",
	},

	// Choices: what is asked for, and when.
	{
		name:  "readers' pieces are not in the order of their deadlines",
		below: "internal/engine",
		old:   "sort.Stable(list)",
		new:   "_ = sort.Stable",
	},
	{
		name:  "the commonest piece comes first",
		below: "internal/engine",
		old:   "m.pick.Rarest(may)",
		new:   "m.pick.Commonest(may)",
	},
	{
		name:  "the end-game asks for a block without limit",
		below: "internal/engine",
		old:   "bl.asked < maxDuplicates",
		new:   "bl.asked < 255",
	},
	{
		name:  "a reader asks for a late block without limit",
		below: "internal/engine",
		old:   "pc.blocks[b].asked <= maxDuplicates",
		new:   "pc.blocks[b].asked < 255",
	},

	// The HTTP server: a stranger's page must not run with this origin's rights.
	{
		name:  "a stranger's page is not sandboxed",
		below: "internal/node",
		old:   `"Content-Security-Policy", "sandbox;`,
		new:   `"X-Nothing", "sandbox;`,
	},
	{
		name:  "a stranger's bytes are sniffed",
		below: "internal/node",
		old:   `h.Set("X-Content-Type-Options", "nosniff")`,
		new:   "",
	},
}
