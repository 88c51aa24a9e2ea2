package dht

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func idOf(s string) ID { return ID([]byte(s)) }

// The example packets of BEP 5, byte for byte.
var examples = []struct {
	packet string
	msg    Message
}{
	{"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
		Message{Kind: Failure, Code: 201, Text: "A Generic Error Ocurred"}},
	{"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: "ping", ID: idOf("abcdefghij0123456789")}},
	{"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
		Message{Kind: Response, ID: idOf("mnopqrstuvwxyz123456")}},
	{"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: "find_node", ID: idOf("abcdefghij0123456789"),
			HasTarget: true, Target: idOf("mnopqrstuvwxyz123456")}},
	{"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: "get_peers", ID: idOf("abcdefghij0123456789"),
			HasTarget: true, Target: idOf("mnopqrstuvwxyz123456")}},
	{"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
		Message{Kind: Response, ID: idOf("abcdefghij0123456789"), Token: []byte("aoeusnth"),
			Values: []netip.AddrPort{netip.MustParseAddrPort("97.120.106.101:11893"), netip.MustParseAddrPort("105.100.104.116:28269")}}},
	{"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: "announce_peer", ID: idOf("abcdefghij0123456789"), HasTarget: true,
			Target: idOf("mnopqrstuvwxyz123456"), Implied: true, Port: 6881, Token: []byte("aoeusnth")}},
	// A node list, with the entry of 26 bytes written out.
	{"d1:rd2:id20:0123456789abcdefghij5:nodes26:ABCDEFGHIJKLMNOPQRST\x01\x02\x03\x04\x1a\xe1e1:t2:aa1:y1:re",
		Message{Kind: Response, ID: idOf("0123456789abcdefghij"), Want: Want4, Nodes: []NodeInfo{
			{ID: idOf("ABCDEFGHIJKLMNOPQRST"), Addr: netip.MustParseAddrPort("1.2.3.4:6881")}}}},
	// BEP 32: want, nodes6, a hybrid list of values.
	{"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:wantl2:n42:n6ee1:q9:find_node1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: "find_node", ID: idOf("abcdefghij0123456789"),
			HasTarget: true, Target: idOf("mnopqrstuvwxyz123456"), HasWant: true, Want: Want4 | Want6}},
	{"d1:rd2:id20:0123456789abcdefghij6:nodes638:ABCDEFGHIJKLMNOPQRST\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x1a\xe16:valuesl6:\x01\x02\x03\x04\x1a\xe118:\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x1a\xe1ee1:t2:aa1:y1:re",
		Message{Kind: Response, ID: idOf("0123456789abcdefghij"), Want: Want6,
			Nodes:  []NodeInfo{{ID: idOf("ABCDEFGHIJKLMNOPQRST"), Addr: netip.MustParseAddrPort("[2001:db8::1]:6881")}},
			Values: []netip.AddrPort{netip.MustParseAddrPort("1.2.3.4:6881"), netip.MustParseAddrPort("[2001:db8::2]:6881")}}},
	// BEP 42: the requester's address. BEP 43: '2:roi1e'.
	{"d2:ip6:\x01\x02\x03\x04\x1a\xe11:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
		Message{Kind: Response, ID: idOf("mnopqrstuvwxyz123456"), Requester: netip.MustParseAddrPort("1.2.3.4:6881")}},
	{"d1:ad2:id20:abcdefghij0123456789e1:q4:ping2:roi1e1:t2:aa1:v4:SH\x00\x011:y1:qe",
		Message{Kind: Query, Method: "ping", ID: idOf("abcdefghij0123456789"), ReadOnly: true, Version: []byte("SH\x00\x01")}},
}

func TestExamplePackets(t *testing.T) {
	for _, e := range examples {
		want := e.msg
		want.TID = []byte("aa")
		got, err := ParseMessage([]byte(e.packet))
		if err != nil {
			t.Errorf("%q: %v", e.packet, err)
			continue
		}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%q:\n got %+v\nwant %+v", e.packet, *got, want)
		}
		if b := want.Append(nil); string(b) != e.packet {
			t.Errorf("Append:\n got %q\nwant %q", b, e.packet)
		}
	}
}

func TestMalformedPackets(t *testing.T) {
	long := strings.Repeat("x", 33)
	for packet, want := range map[string]string{
		"":                                  "unexpected end",
		"x":                                 "not a value",
		"i1e":                               "not a dictionary",
		"le":                                "not a dictionary",
		"de":                                "transaction ID",
		"d1:ti1e1:y1:qe":                    "transaction ID",
		"d1:t0:1:y1:qe":                     "transaction ID",
		"d1:t33:" + long + "1:y1:qe":        "transaction ID",
		"d1:t2:aae":                         "message type is missing",
		"d1:t2:aa1:y2:qqe":                  "message type is missing",
		"d1:t2:aa1:y1:xe":                   "unknown message type",
		"d1:t2:aa1:y1:qe":                   "method is missing",
		"d1:q33:" + long + "1:t2:aa1:y1:qe": "too long",
		"d1:q4:ping1:t2:aa1:y1:qe":          "id is not 20 bytes",
		"d1:ade1:q4:ping1:t2:aa1:y1:qe":     "id is not 20 bytes",
		"d1:ali1ee1:q4:ping1:t2:aa1:y1:qe":  "id is not 20 bytes",
		"d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe":                         "id is not 20 bytes",
		"d1:ad2:id21:abcdefghij0123456789xe1:q4:ping1:t2:aa1:y1:qe":                       "id is not 20 bytes",
		"d1:ad2:id20:abcdefghij01234567896:target3:abce1:q9:find_node1:t2:aa1:y1:qe":      "target is not 20 bytes",
		"d1:ad2:id20:abcdefghij01234567899:info_hashi1ee1:q9:get_peers1:t2:aa1:y1:qe":     "info_hash is not 20 bytes",
		"d1:ad2:id20:abcdefghij01234567894:porti65536ee1:q13:announce_peer1:t2:aa1:y1:qe": "port is out of range",
		"d1:ad2:id20:abcdefghij01234567894:porti0ee1:q13:announce_peer1:t2:aa1:y1:qe":     "port is out of range",
		"d1:ad2:id20:abcdefghij01234567894:porti-1ee1:q13:announce_peer1:t2:aa1:y1:qe":    "port is out of range",
		"d1:t2:aa1:y1:re": "id is not 20 bytes",
		"d1:rd2:id20:mnopqrstuvwxyz1234565:nodes25:ABCDEFGHIJKLMNOPQRST\x01\x02\x03\x04\x1ae1:t2:aa1:y1:re":      "26-byte entries",
		"d1:rd2:id20:mnopqrstuvwxyz1234566:nodes626:ABCDEFGHIJKLMNOPQRST\x01\x02\x03\x04\x1a\xe1e1:t2:aa1:y1:re": "38-byte entries",
		"d1:t2:aa1:y1:ee":                                 "list of code and text",
		"d1:elei1e1:t2:aa1:y1:ee":                         "",
		"d1:eli201ee1:t2:aa1:y1:ee":                       "list of code and text",
		"d1:el3:abc3:abce1:t2:aa1:y1:ee":                  "code is not a number",
		"d1:eli-1e3:abce1:t2:aa1:y1:ee":                   "code is not a number",
		"d1:t2:aa1:y1:qejunk":                             "trailing",
		"d1:t2:aa1:t2:aa1:y1:qe":                          "",
		strings.Repeat("l", 40) + strings.Repeat("e", 40): "nested too deeply",
		"d1:t2000000000:aa":                               "",
		"d1:x2100:" + strings.Repeat("x", 2100) + "e":     "size limit",
	} {
		m, err := ParseMessage([]byte(packet))
		if err == nil {
			t.Errorf("%.60q is accepted: %+v", packet, m)
			continue
		}
		if _, ok := err.(*ProtocolError); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", packet, err, want)
		}
	}
}

// What real nodes send and must pass.
func TestTolerance(t *testing.T) {
	for name, packet := range map[string]string{
		"unknown keys":       "d1:ad2:id20:abcdefghij01234567895:otheri1ee1:q4:ping1:t2:aa1:y1:q1:zlee",
		"unsorted keys":      "d1:y1:q1:t2:aa1:q4:ping1:ad2:id20:abcdefghij0123456789ee",
		"unknown want":       "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:wantl2:n92:n4i1eee1:q9:find_node1:t2:aa1:y1:qe",
		"unknown value size": "d1:rd2:id20:abcdefghij01234567896:valuesl3:abcleee1:t2:aa1:y1:re",
		"ignored port":       "d1:ad2:id20:abcdefghij012345678912:implied_porti1e4:porti0ee1:q13:announce_peer1:t2:aa1:y1:qe",
		"odd ip":             "d2:ip3:abc1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
	} {
		if _, err := ParseMessage([]byte(packet)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNodesOfOneReplyAreBounded(t *testing.T) {
	m := Message{Kind: Response, TID: []byte("aa"), Want: Want4}
	for i := range 60 {
		m.Nodes = append(m.Nodes, NodeInfo{ID: ID{byte(i)}, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, 9, byte(i)}), 1)})
	}
	got, err := ParseMessage(m.Append(nil))
	if err != nil || len(got.Nodes) != maxNodes {
		t.Errorf("%d nodes, %v; want %d", len(got.Nodes), err, maxNodes)
	}
}

func FuzzParseMessage(f *testing.F) {
	for _, e := range examples {
		f.Add([]byte(e.packet))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		kept := bytes.Clone(b)
		m, err := ParseMessage(b)
		if !bytes.Equal(b, kept) {
			t.Fatal("the packet was changed")
		}
		if err != nil {
			return
		}
		// What was understood survives a round trip, and the result is canonical.
		once := m.Append(nil)
		again, err := ParseMessage(once)
		if err != nil {
			if len(once) > MaxPacket {
				return
			}
			t.Fatalf("%q -> %q: %v", b, once, err)
		}
		if !reflect.DeepEqual(normal(*m), normal(*again)) {
			t.Fatalf("%q:\n first %+v\nsecond %+v", b, m, again)
		}
		if twice := again.Append(nil); !bytes.Equal(once, twice) {
			t.Fatalf("not canonical: %q, %q", once, twice)
		}
	})
}

// normal makes empty and missing equal: both are left out of a packet.
func normal(m Message) Message {
	for _, b := range []*[]byte{&m.Token, &m.Version} {
		if len(*b) == 0 {
			*b = nil
		}
	}
	return m
}
