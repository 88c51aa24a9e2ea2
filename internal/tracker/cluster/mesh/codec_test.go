package mesh

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

func id(s string) (id [20]byte) {
	copy(id[:], s)
	return id
}

func examples() []record {
	h := id("hash")
	return []record{
		{kind: kindBeat, flags: beatHello},
		{kind: kindReport, hash: h, flags: reportAsk | reportKnows, n: tally{1, 2, 3, 300, 0, 0}},
		{kind: kindReport, hash: h, n: tally{100, 2, 3, 4, 99, 1}},
		{kind: kindReport, hash: h},
		{kind: kindOthers, hash: h, n: tally{9, 9, 9, 9, 0, 0}, holdings: []holding{{1, tally{1, 2, 3, 4, 0, 0}}, {1 << 63, tally{8, 7, 6, 5, 0, 0}}}},
		{kind: kindOthers, hash: h, n: tally{9, 9, 9, 9, 1, 2}, holdings: []holding{{1, tally{1, 2, 3, 4, 1, 0}}, {1 << 63, tally{8, 7, 6, 5, 0, 2}}}},
		{kind: kindOffers, hash: h, from: id("a"), flags: roleSeeder, sdps: []SDP{{id("1"), []byte("v=0")}, {id("2"), []byte("v=1 longer")}}},
		{kind: kindAnswer, hash: h, from: id("b"), to: id("a"), sdps: []SDP{{id("1"), []byte("v=0")}}},
		{kind: kindAsk, hash: h, max: 50},
		{kind: kindPeers, hash: h, peers: []tcpPeer{
			{swarm.TCPPeer{Addr: netip.MustParseAddrPort("1.2.3.4:5"), ID: id("x")}, swarm.Role{Seeder: true, Trust: swarm.Limited}},
			{swarm.TCPPeer{Addr: netip.MustParseAddrPort("[2001::1]:65535"), ID: id("y")}, swarm.Role{Trust: swarm.Trusted}},
		}},
	}
}

func appendRecord(b []byte, r *record) []byte {
	body := r.append(nil)
	b = append(b, r.kind)
	return append(appendUvarint(b, len(body)), body...)
}

func appendUvarint(b []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func TestRecordsReadAsTheyWereWritten(t *testing.T) {
	b := appendHeader(nil, 7, 9)
	for _, r := range examples() {
		b = appendRecord(b, &r)
	}
	sender, generation, rest, err := parseHeader(b)
	if sender != 7 || generation != 9 || err != nil {
		t.Fatal(sender, generation, err)
	}
	for _, want := range examples() {
		var r record
		kind, body, after, err := next(rest)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.parse(kind, body); err != nil {
			t.Fatal(err)
		}
		if !equal(&r, &want) {
			t.Errorf("kind %d: %+v, want %+v", kind, r, want)
		}
		// Every record that ends early is refused, except an answer, whose SDP is the rest, and one without
		// a word on who is trusted.
		plain := want
		plain.n.trustedSeeders, plain.n.trustedLeechers, plain.holdings = 0, 0, slices.Clone(want.holdings)
		for i := range plain.holdings {
			plain.holdings[i].n.trustedSeeders, plain.holdings[i].n.trustedLeechers = 0, 0
		}
		for n := range body {
			if err := new(record).parse(kind, body[:n]); err == nil && (kind != kindAnswer || n < 80) && n != len(plain.append(nil)) {
				t.Errorf("kind %d was read from %d of %d bytes", kind, n, len(body))
			}
		}
		rest = after
	}
	if len(rest) > 0 {
		t.Errorf("%d bytes left", len(rest))
	}
}

func equal(a, b *record) bool {
	clone := func(r record) record {
		r.holdings, r.sdps, r.peers = slices.Clone(r.holdings), slices.Clone(r.sdps), slices.Clone(r.peers)
		for i := range r.sdps {
			r.sdps[i].SDP = append([]byte{}, r.sdps[i].SDP...)
		}
		if len(r.holdings) == 0 {
			r.holdings = nil
		}
		if len(r.sdps) == 0 {
			r.sdps = nil
		}
		if len(r.peers) == 0 {
			r.peers = nil
		}
		return r
	}
	return reflect.DeepEqual(clone(*a), clone(*b))
}

func TestFramesOfOthersAreRefused(t *testing.T) {
	good := appendHeader(nil, 7, 9)
	for _, tc := range []struct {
		name  string
		frame []byte
		want  error
	}{
		{"empty", nil, errShort},
		{"half a header", good[:5], errShort},
		{"another version", append([]byte{2}, good[1:]...), errVersion},
		{"no sender", appendHeader(nil, 0, 1), errSender},
	} {
		if _, _, _, err := parseHeader(tc.frame); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	if _, _, _, err := next([]byte{kindReport, 200}); !errors.Is(err, errOversize) {
		t.Errorf("length without an end: %v", err)
	}
	if _, _, _, err := next([]byte{kindReport, 3, 1, 2}); !errors.Is(err, errOversize) {
		t.Errorf("length beyond the frame: %v", err)
	}
	// A later version of this one may have more to say.
	if err := new(record).parse(99, []byte("anything")); err != nil {
		t.Errorf("unknown kind: %v", err)
	}
	longer := examples()[1]
	if err := new(record).parse(kindReport, append(longer.append(nil), 1, 2, 3)); err != nil {
		t.Errorf("longer body: %v", err)
	}
	// A count that the bytes cannot hold is no reason to allocate.
	huge := append(examples()[9].append(nil)[:20], 0xff, 0xff, 0xff, 0xff, 0x0f)
	if err := new(record).parse(kindPeers, huge); !errors.Is(err, errRecord) {
		t.Errorf("huge count: %v", err)
	}
}

// FuzzFrame gives any bytes to a node that knows a swarm, and writes again what it could
// read: reading that must give the same.
func FuzzFrame(f *testing.F) {
	all := appendHeader(nil, 7, 9)
	for _, r := range examples() {
		f.Add(appendRecord(appendHeader(nil, 7, 9), &r))
		all = appendRecord(all, &r)
	}
	f.Add(all)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		m := New(Config{ID: 1}, rng(1), t0)
		m.Connected(t0, 1<<20)
		m.Changed(t0, id("hash"), Counts{RTCSeeders: 1, RTCLeechers: 1, TCPSeeders: 1, TCPLeechers: 1})
		ds, _ := m.Receive(t0, frame, nil)
		for _, d := range ds {
			if d.Kind == CollectPeers && d.Max > maxPeers || len(d.Offers) > maxOffers {
				t.Fatalf("%+v", d)
			}
		}
		check(t, m)

		_, _, b, err := parseHeader(frame)
		for err == nil && len(b) > 0 {
			var kind byte
			var body []byte
			if kind, body, b, err = next(b); err != nil {
				break
			}
			var r, again record
			if err := r.parse(kind, body); err != nil || kind > kindPeers || kind == 0 {
				continue
			}
			text := r.append(nil)
			if err := again.parse(kind, text); err != nil || !equal(&r, &again) || !bytes.Equal(text, again.append(nil)) {
				t.Fatalf("kind %d: %+v was read again as %+v, %v", kind, r, again, err)
			}
		}
	})
}
