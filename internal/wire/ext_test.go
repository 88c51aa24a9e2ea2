package wire

import (
	"bytes"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

var fullHandshake = ExtHandshake{
	M: []Extension{{"lt_donthave", 7}, {"ut_metadata", 1}, {"ut_pex", 0}},
	V: "Shoal 0.1", ReqQ: 500, MetadataSize: 31235, Port: 6881, UploadOnly: true,
	YourIP: netip.MustParseAddr("192.0.2.1"), IPv4: netip.MustParseAddr("198.51.100.2"), IPv6: netip.MustParseAddr("2001:db8::1"),
}

const fullHandshakeBytes = "d4:ipv44:\xc6\x33\x64\x024:ipv616:\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
	"1:md11:lt_donthavei7e11:ut_metadatai1e6:ut_pexi0ee13:metadata_sizei31235e1:pi6881e4:reqqi500e" +
	"11:upload_onlyi1e1:v9:Shoal 0.16:yourip4:\xc0\x00\x02\x01e"

func TestExtHandshakeBytes(t *testing.T) {
	if got := fullHandshake.Append(nil); string(got) != fullHandshakeBytes {
		t.Errorf("got  %q\nwant %q", got, fullHandshakeBytes)
	}
	if got := (&ExtHandshake{}).Append(nil); string(got) != "d1:mdee" {
		t.Errorf("an empty one is %q", got)
	}
	h := ExtHandshake{M: []Extension{{"z", 2}, {"a", 1}, {"a", 9}}, YourIP: netip.MustParseAddr("2001:db8::2")}
	want := "d1:md1:ai1e1:zi2ee6:yourip16:\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02e"
	if got := h.Append(nil); string(got) != want || h.M[0].Name != "z" {
		t.Errorf("unsorted names: %q, M now %v", got, h.M)
	}
}

func TestExtHandshakesOfOthers(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     ExtHandshake
	}{
		{"ours", fullHandshakeBytes, fullHandshake},
		// The example of BEP 10, with the length of its second name corrected.
		{"BEP 10", "d1:md11:LT_metadatai1e7:\xc2\xb5T_PEXi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e",
			ExtHandshake{M: []Extension{{"LT_metadata", 1}, {"\xc2\xb5T_PEX", 2}}, Port: 6881, V: "\u00b5Torrent 1.2"}},
		{"webtorrent.js", "d1:md11:ut_metadatai1e11:lt_donthavei2ee13:metadata_sizei1234ee",
			ExtHandshake{M: []Extension{{"lt_donthave", 2}, {"ut_metadata", 1}}, MetadataSize: 1234}},
		{"libtorrent without metadata", "d12:complete_agoi-1e1:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e12:ut_holepunchi4e11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei0e4:reqqi2000e1:v16:libtorrent/2.1.06:yourip4:\x7f\x00\x00\x01e",
			ExtHandshake{M: []Extension{{"lt_donthave", 7}, {"share_mode", 8}, {"upload_only", 3}, {"ut_holepunch", 4}, {"ut_metadata", 2}, {"ut_pex", 1}},
				ReqQ: 2000, V: "libtorrent/2.1.0", YourIP: netip.MustParseAddr("127.0.0.1")}},
		{"only a change", "d1:md11:ut_metadatai0eee", ExtHandshake{M: []Extension{{"ut_metadata", 0}}}},
		{"nothing", "de", ExtHandshake{}},
		{"mapped yourip", "d6:yourip16:\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01e",
			ExtHandshake{YourIP: netip.MustParseAddr("192.0.2.1")}},
		{"fields of other types", "d4:ipv4i1e4:ipv64:abcd1:mi1e13:metadata_size1:x1:ple4:reqqde11:upload_only1:11:vi1e6:yourip5:abcdee", ExtHandshake{}},
		{"numbers out of range", "d1:md1:ai256e1:bi-1e1:ci255ee13:metadata_sizei-1e1:pi65536e4:reqqi-5ee", ExtHandshake{M: []Extension{{"c", 255}}}},
		{"a reqq beyond all reason", "d4:reqqi9223372036854775807ee", ExtHandshake{ReqQ: maxReqQ}},
		{"names of no length and of great length", "d1:md0:i1e65:" + strings.Repeat("n", 65) + "i1eee", ExtHandshake{M: []Extension{}}},
		{"a name for terminals", "d1:v13:a\x1b[2J\x7f\xff\xc2\x9bz\n\xe2\x82e", ExtHandshake{V: "a?[2J???z???"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := ParseExtHandshake([]byte(c.in))
			if err != nil || !reflect.DeepEqual(*h, c.want) {
				t.Errorf("got  %+v, %v\nwant %+v", h, err, c.want)
			}
		})
	}
}

func TestALongVersionIsCutBetweenCharacters(t *testing.T) {
	in := ExtHandshake{V: strings.Repeat("x", 99) + "\u00e9\u00e9"}
	h, err := ParseExtHandshake(in.Append(nil))
	if err != nil || h.V != strings.Repeat("x", 99) {
		t.Errorf("got %q, %v", h.V, err)
	}
}

func TestExtensionID(t *testing.T) {
	for name, want := range map[string]struct {
		id uint8
		ok bool
	}{ExtMetadata: {1, true}, ExtPEX: {0, true}, ExtUploadOnly: {0, false}} {
		if id, ok := fullHandshake.ID(name); id != want.id || ok != want.ok {
			t.Errorf("%s: %d, %v", name, id, ok)
		}
	}
}

func TestExtHandshakesThatAreRefused(t *testing.T) {
	var many bytes.Buffer
	many.WriteString("d1:md")
	for i := range MaxExtensions + 1 {
		many.WriteString("4:" + strconv.Itoa(1000+i) + "i1e")
	}
	many.WriteString("ee")
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"empty", "", ErrExtHandshake},
		{"a list", "le", ErrExtHandshake},
		{"cut off", fullHandshakeBytes[:50], ErrExtHandshake},
		{"bytes behind", "dee", ErrExtHandshake},
		{"one key twice", "d1:pi1e1:pi2ee", ErrExtHandshake},
		{"one extension twice", "d1:md1:ai1e1:ai2eee", ErrExtHandshake},
		{"nesting bomb", "d1:x" + strings.Repeat("l", 1000) + strings.Repeat("e", 1000) + "e", ErrExtHandshake},
		{"item bomb", "d1:xl" + strings.Repeat("le", 5000) + "ee", ErrExtHandshake},
		{"string longer than the message", "d1:v4294967295:ab", ErrExtHandshake},
		{"too long", "d1:v70000:" + strings.Repeat("v", 70000) + "e", ErrExtHandshake},
		{"too many extensions", many.String(), ErrExtTooMany},
		{"metadata over the limit", "d13:metadata_sizei33554433ee", ErrMetadataSize},
		{"metadata size that would truncate to 5", "d13:metadata_sizei4294967301ee", ErrMetadataSize},
	} {
		if h, err := ParseExtHandshake([]byte(c.in)); err != c.want || h != nil {
			t.Errorf("%s: %+v, %v, want %v", c.name, h, err, c.want)
		}
	}
}

func FuzzExtHandshake(f *testing.F) {
	f.Add([]byte(fullHandshakeBytes))
	f.Add([]byte("d1:md11:LT_metadatai1e7:\xc2\xb5T_PEXi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e"))
	f.Add([]byte("d1:vi1e1:mlee"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseExtHandshake(b)
		if err != nil {
			if _, ok := err.(*ProtocolError); !ok {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if len(h.V) > maxVersion || len(h.M) > MaxExtensions || h.MetadataSize > MaxMetadataSize {
			t.Fatalf("out of bounds: %+v", h)
		}
		if len(h.M) == 0 {
			h.M = nil
		}
		again, err := ParseExtHandshake(h.Append(nil))
		if err != nil || !reflect.DeepEqual(again, h) {
			t.Fatalf("%+v came back as %+v, %v", h, again, err)
		}
	})
}

func TestMetadataMessages(t *testing.T) {
	last := bytes.Repeat([]byte{'x'}, 20000-MetadataPieceSize)
	for _, c := range []struct {
		name string
		m    MetadataMessage
		want string
	}{
		{"request", MetadataMessage{Type: MetadataRequest, Piece: 0}, "d8:msg_typei0e5:piecei0ee"},
		{"reject", MetadataMessage{Type: MetadataReject, Piece: 3}, "d8:msg_typei2e5:piecei3ee"},
		{"data", MetadataMessage{Type: MetadataData, Piece: 0, TotalSize: 3, Data: []byte("xxx")},
			"d8:msg_typei1e5:piecei0e10:total_sizei3eexxx"},
		{"last piece", MetadataMessage{Type: MetadataData, Piece: 1, TotalSize: 20000, Data: last},
			"d8:msg_typei1e5:piecei1e10:total_sizei20000ee" + string(last)},
	} {
		b := c.m.Append(nil)
		if string(b) != c.want {
			t.Errorf("%s: Append gave %.60q", c.name, b)
		}
		if got, err := ParseMetadata(b); err != nil || !reflect.DeepEqual(got, c.m) {
			t.Errorf("%s: came back as %+v, %v", c.name, got, err)
		}
	}
}

func TestMetadataMessagesOfOthers(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     MetadataMessage
	}{
		// BEP 9: "an unrecognized message ID MUST be ignored".
		{"unknown kind", "d8:msg_typei7e5:piecei0ee", MetadataMessage{Type: MetadataUnknown}},
		{"unknown kind without piece", "d8:msg_typei-1ee", MetadataMessage{Type: MetadataUnknown}},
		{"more keys", "d8:msg_typei0e5:piecei2e10:total_sizei99e5:usersi1ee", MetadataMessage{Piece: 2}},
		{"keys out of order", "d5:piecei2e8:msg_typei0ee", MetadataMessage{Piece: 2}},
		{"bytes behind a reject", "d8:msg_typei2e5:piecei0eexyz", MetadataMessage{Type: MetadataReject}},
	} {
		if got, err := ParseMetadata([]byte(c.in)); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestMetadataMessagesThatAreRefused(t *testing.T) {
	piece := strings.Repeat("x", MetadataPieceSize)
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"empty", "", ErrMetadata},
		{"no dictionary", "i0e", ErrMetadata},
		{"no kind", "d5:piecei0ee", ErrMetadata},
		{"no piece", "d8:msg_typei0ee", ErrMetadata},
		{"kind of another type", "d8:msg_type1:05:piecei0ee", ErrMetadata},
		{"data without total size", "d8:msg_typei1e5:piecei0eexxx", ErrMetadata},
		{"negative piece", "d8:msg_typei0e5:piecei-1ee", ErrMetadataPiece},
		{"piece out of range", "d8:msg_typei0e5:piecei2048ee", ErrMetadataPiece},
		{"piece that would truncate to 0", "d8:msg_typei0e5:piecei4294967296ee", ErrMetadataPiece},
		{"piece behind the end", "d8:msg_typei1e5:piecei1e10:total_sizei16384ee" + piece, ErrMetadataPiece},
		{"total size 0", "d8:msg_typei1e5:piecei0e10:total_sizei0ee", ErrMetadataSize},
		{"total size negative", "d8:msg_typei1e5:piecei0e10:total_sizei-1eex", ErrMetadataSize},
		{"total size that would truncate to 3", "d8:msg_typei1e5:piecei0e10:total_sizei4294967299eexxx", ErrMetadataSize},
		{"too short", "d8:msg_typei1e5:piecei0e10:total_sizei4eexxx", ErrMetadataData},
		{"too long", "d8:msg_typei1e5:piecei0e10:total_sizei2eexxx", ErrMetadataData},
		{"short middle piece", "d8:msg_typei1e5:piecei0e10:total_sizei40000ee" + piece[1:], ErrMetadataData},
		{"long middle piece", "d8:msg_typei1e5:piecei0e10:total_sizei40000ee" + piece + "x", ErrMetadataData},
		{"a megabyte", "d8:msg_typei1e5:piecei0e10:total_sizei1000000ee" + strings.Repeat("x", 1000000), ErrMetadata},
		{"a long dictionary", "d8:msg_typei0e5:piecei0e1:z2000:" + strings.Repeat("z", 2000) + "e", ErrMetadata},
		{"nesting bomb", "d1:x" + strings.Repeat("l", 500) + strings.Repeat("e", 501), ErrMetadata},
	} {
		if m, err := ParseMetadata([]byte(c.in)); err != c.want || m.Data != nil {
			t.Errorf("%s: %.60v, %v, want %v", c.name, m, err, c.want)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte("d8:msg_typei0e5:piecei0ee"))
	f.Add([]byte("d8:msg_typei1e5:piecei0e10:total_sizei3eexxx"))
	f.Add([]byte("d8:msg_typei2e5:piecei3ee"))
	f.Add([]byte("d8:msg_typei9ee"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMetadata(b)
		if err != nil {
			if _, ok := err.(*ProtocolError); !ok {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if again, err := ParseMetadata(m.Append(nil)); err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v came back as %+v, %v", m, again, err)
		}
	})
}

func peer(addr string, flags byte) PEXPeer { return PEXPeer{netip.MustParseAddrPort(addr), flags} }

func TestPEXBytes(t *testing.T) {
	p := PEX{
		Added:   []PEXPeer{peer("192.0.2.1:6881", PEXUTP|PEXOutgoing), peer("[2001:db8::1]:80", PEXUploadOnly)},
		Dropped: []PEXPeer{peer("192.0.2.2:1", 0), peer("[2001:db8::2]:65535", 0)},
	}
	v6 := "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	want := "d5:added6:\xc0\x00\x02\x01\x1a\xe17:added.f1:\x146:added618:" + v6 + "\x01\x00\x508:added6.f1:\x02" +
		"7:dropped6:\xc0\x00\x02\x02\x00\x018:dropped618:" + v6 + "\x02\xff\xffe"
	b := p.Append(nil)
	if string(b) != want {
		t.Errorf("got  %q\nwant %q", b, want)
	}
	if got, err := ParsePEX(b); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("came back as %+v, %v", got, err)
	}
	// BEP 11: "Messages must contain at least one of the following fields".
	if b := (&PEX{}).Append(nil); string(b) != "d5:added0:7:added.f0:e" {
		t.Errorf("an empty one is %q", b)
	}
}

func TestPEXOfOthers(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     PEX
	}{
		{"no flags", "d5:added6:\xc0\x00\x02\x01\x00\x01e", PEX{Added: []PEXPeer{peer("192.0.2.1:1", 0)}}},
		{"empty flags", "d5:added6:\xc0\x00\x02\x01\x00\x017:added.f0:e", PEX{Added: []PEXPeer{peer("192.0.2.1:1", 0)}}},
		{"nothing", "de", PEX{}},
		{"peers nobody can reach", "d5:added30:" + "\xc0\x00\x02\x01\x00\x00" + "\x00\x00\x00\x00\x00\x01" +
			"\xe0\x00\x00\x01\x00\x01" + "\xff\xff\xff\xff\x00\x01" + "\xc0\x00\x02\x09\x00\x01" + "7:added.f5:abcdee",
			PEX{Added: []PEXPeer{peer("192.0.2.9:1", 'e')}}},
		{"unknown keys", "d5:added0:5:other3:abce", PEX{}},
	} {
		if got, err := ParsePEX([]byte(c.in)); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestPEXThatIsRefused(t *testing.T) {
	flood := func(key string, n, size int) string {
		return strconv.Itoa(len(key)) + ":" + key + strconv.Itoa(n*size) + ":" + strings.Repeat("\x01", n*size)
	}
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"empty", "", ErrPEX},
		{"a list", "le", ErrPEX},
		{"half a peer", "d5:added7:1234567e", ErrPEX},
		{"half an IPv6 peer", "d6:added617:12345678901234567e", ErrPEX},
		{"half a dropped peer", "d7:dropped1:1e", ErrPEX},
		{"peers as a number", "d5:addedi6ee", ErrPEX},
		{"flags as a number", "d5:added6:\xc0\x00\x02\x01\x00\x017:added.fi1ee", ErrPEX},
		{"flags for another number of peers", "d5:added6:\xc0\x00\x02\x01\x00\x017:added.f2:\x00\x00e", ErrPEX},
		{"flood", "d" + flood("added", MaxPEXPeers+1, 6) + "e", ErrPEXTooMany},
		{"flood of both families", "d" + flood("added", MaxPEXPeers/2+1, 6) + flood("added6", MaxPEXPeers/2, 18) + "e", ErrPEXTooMany},
		{"flood of dropped", "d" + flood("dropped6", MaxPEXPeers+1, 18) + "e", ErrPEXTooMany},
		{"bytes behind", "dede", ErrPEX},
	} {
		if p, err := ParsePEX([]byte(c.in)); err != c.want || p.Added != nil || p.Dropped != nil {
			t.Errorf("%s: %+v, %v, want %v", c.name, p, err, c.want)
		}
	}
}

func FuzzPEX(f *testing.F) {
	p := PEX{Added: []PEXPeer{peer("192.0.2.1:6881", 4), peer("[2001:db8::1]:80", 2)}, Dropped: []PEXPeer{peer("192.0.2.2:1", 0)}}
	f.Add(p.Append(nil))
	f.Add([]byte("d5:added6:\xc0\x00\x02\x01\x00\x01e"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePEX(b)
		if err != nil {
			if _, ok := err.(*ProtocolError); !ok {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if len(p.Added) > MaxPEXPeers || len(p.Dropped) > MaxPEXPeers {
			t.Fatal("too many peers")
		}
		again, err := ParsePEX(p.Append(nil))
		if err != nil || !samePeers(again.Added, p.Added) || !samePeers(again.Dropped, p.Dropped) {
			t.Fatalf("%+v came back as %+v, %v", p, again, err)
		}
	})
}

func samePeers(a, b []PEXPeer) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

func TestSmallExtensions(t *testing.T) {
	if b := AppendDontHave(nil, 0x01020304); string(b) != "\x01\x02\x03\x04" {
		t.Errorf("lt_donthave is %q", b)
	}
	if i, err := ParseDontHave([]byte{1, 2, 3, 4}); i != 0x01020304 || err != nil {
		t.Errorf("lt_donthave gave %#x, %v", i, err)
	}
	for _, b := range []string{"", "123", "12345"} {
		if _, err := ParseDontHave([]byte(b)); err != ErrDontHave {
			t.Errorf("lt_donthave %q: %v", b, err)
		}
	}
	for _, on := range []bool{false, true} {
		if got, err := ParseUploadOnly(AppendUploadOnly(nil, on)); got != on || err != nil {
			t.Errorf("upload_only %v came back as %v, %v", on, got, err)
		}
	}
	for _, b := range []string{"", "\x01\x01"} {
		if _, err := ParseUploadOnly([]byte(b)); err != ErrUploadOnly {
			t.Errorf("upload_only %q: %v", b, err)
		}
	}
}

func BenchmarkParsePEX(b *testing.B) {
	var p PEX
	for i := range 50 {
		p.Added = append(p.Added, PEXPeer{netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 6881), PEXUTP})
	}
	in := p.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParsePEX(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseMetadata(b *testing.B) {
	m := MetadataMessage{Type: MetadataData, TotalSize: 1 << 20, Data: make([]byte, MetadataPieceSize)}
	in := m.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseMetadata(in); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzSmallExtensions(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4}, 27)
	f.Add([]byte{1}, 3)
	f.Fuzz(func(t *testing.T, b []byte, pieces int) {
		if i, err := ParseDontHave(b); err == nil && !bytes.Equal(AppendDontHave(nil, i), b) {
			t.Fatalf("lt_donthave %x came back as %x", b, AppendDontHave(nil, i))
		}
		if on, err := ParseUploadOnly(b); err == nil && on != (b[0] != 0) {
			t.Fatalf("upload_only %x is %v", b, on)
		}
		if CheckBitfield(b, pieces) == nil && (pieces+7)/8 != len(b) {
			t.Fatalf("%d bytes for %d pieces", len(b), pieces)
		}
	})
}
