//go:build unix

package main

// keptRest are the changes to what is asked for and when, to web seeds, transports and the HTTP server.
var keptRest = []keptChange{
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

	// Transports: what comes from strangers before they are peers.
	{
		name:  "a certificate is believed that the description does not name",
		below: "internal/transport/webrtc",
		old:   "ok && bytes.Equal(sum, f.sum)",
		new:   "ok || bytes.Equal(sum, f.sum)",
	},
	{
		name:  "a description may have any size",
		below: "internal/transport/webrtc",
		old:   "if len(s) > MaxSDP {",
		new:   "if false {",
	},
	{
		name:  "any number of connections are set up at a time",
		below: "internal/transport/webrtc",
		old:   "p.offerer && r.offers >= r.maxOffers,",
		new:   "false,",
	},
	{
		name:  "a packet with another's tag is taken",
		below: "internal/transport/sctp",
		old:   "if tag != a.cfg.Tag && !(",
		new:   "if false && !(",
	},
	{
		name:  "data that comes twice is handed out twice",
		below: "internal/transport/sctp",
		old:   "if !before(in.cum, tsn) {",
		new:   "if false {",
	},
	{
		name:  "more is taken than the window told",
		below: "internal/transport/sctp",
		old:   "\tif full {\n",
		new:   "\tif false && full {\n",
	},
	{
		name:  "a lost chunk is sent once",
		below: "internal/transport/sctp",
		old:   "\tc.lost = true\n\to.lost++\n",
		new:   "\to.lost++\n",
	},
	{
		name:  "a public key that makes the secret known is taken",
		below: "internal/transport/mse",
		old:   "if y.Cmp(generator) < 0 || y.Cmp(largest) > 0 {",
		new:   "if false {",
	},
	{
		name:  "a handshake may be padded without end",
		below: "internal/transport/mse",
		old:   "\tif h.padding > maxPad {",
		new:   "\tif false {",
	},
	{
		name:  "a method is selected that was not offered",
		below: "internal/transport/mse",
		old:   "both := r.offer & r.take;",
		new:   "both := r.take;",
	},
	{
		name:  "half-open connections gather without end",
		below: "internal/transport/tcp",
		old:   "if l.halfOpen.Len() > l.max {",
		new:   "if false {",
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
	{
		name:  "a page of another name reads what this node tells loopback",
		below: "internal/node",
		old:   "if n.rebound(r) {",
		new:   "if false {",
	},
	{
		name:  "who comes through a proxy is taken for local",
		below: "internal/node",
		old:   "if r.Header.Get(name) != \"\" {\n\t\t\treturn false",
		new:   "if r.Header.Get(name) != \"\" {\n\t\t\tcontinue",
	},
	{
		name:  "a torrent that was not added is served",
		below: "internal/node",
		old:   "if t == nil || !n.shown[t] {",
		new:   "if t == nil {",
	},
	{
		name:  "a part of a file is sent as all of it",
		below: "internal/httpfile",
		old:   "if start < end {",
		new:   "if start <= end {",
	},
	{
		name:  "a file that cannot be read is sent as an empty one",
		below: "internal/httpfile",
		old:   "\tcase content.err != nil:\n\t\tunreadable(w)\n",
		new:   "",
	},
}
