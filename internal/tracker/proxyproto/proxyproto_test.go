package proxyproto

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

const (
	v2TCP4 = prefixV2 + "\x21\x11\x00\x0c" + "\x01\x02\x03\x04\x05\x06\x07\x08\x10\x00\x01\xbb"
	v2TLV  = prefixV2 + "\x21\x11\x00\x13" + "\x01\x02\x03\x04\x05\x06\x07\x08\x10\x00\x01\xbb" + "\x04\x00\x04abcd"
)

var (
	addr6  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	v2TCP6 = prefixV2 + "\x21\x21\x00\x24" + addr6 + "\x01" + addr6 + "\x02" + "\x10\x00\x01\xbb"
	mapped = prefixV2 + "\x21\x21\x00\x24" + strings.Repeat("\x00", 10) + "\xff\xff\x01\x02\x03\x04" + addr6 + "\x02" + "\x10\x00\x01\xbb"
	v2Unix = prefixV2 + "\x21\x31\x00\xd8" + "/run/a.sock" + strings.Repeat("\x00", 205)
	v2Long = prefixV2 + "\x20\x00\x0f\xf0" + strings.Repeat("x", Max-fixedV2)
)

var good = []struct {
	name, text string
	version    int
	from, to   string // empty: the connection's own
}{
	{name: "TCP4", text: "PROXY TCP4 1.2.3.4 5.6.7.8 4096 443\r\n", version: 1, from: "1.2.3.4:4096", to: "5.6.7.8:443"},
	{name: "TCP6", text: "PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", version: 1, from: "[2001:db8::1]:65535", to: "[::1]:0"},
	{name: "TCP6 with IPv4 in it", text: "PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n", version: 1, from: "1.2.3.4:1", to: "[::1]:2"},
	{name: "the longest", text: "PROXY TCP6 " + strings.Repeat("ffff:", 7) + "ffff " + strings.Repeat("ffff:", 7) + "ffff 65535 65535\r\n",
		version: 1, from: "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", to: "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
	{name: "UNKNOWN", text: "PROXY UNKNOWN\r\n", version: 1},
	{name: "UNKNOWN with more", text: "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", version: 1},
	{name: "binary, IPv4", text: v2TCP4, version: 2, from: "1.2.3.4:4096", to: "5.6.7.8:443"},
	{name: "binary, a datagram", text: prefixV2 + "\x21\x12" + v2TCP4[14:], version: 2, from: "1.2.3.4:4096", to: "5.6.7.8:443"},
	{name: "binary, TLVs", text: v2TLV, version: 2, from: "1.2.3.4:4096", to: "5.6.7.8:443"},
	{name: "binary, IPv6", text: v2TCP6, version: 2, from: "[2001:db8::1]:4096", to: "[2001:db8::2]:443"},
	{name: "binary, IPv4 in IPv6", text: mapped, version: 2, from: "1.2.3.4:4096", to: "[2001:db8::2]:443"},
	{name: "binary, a Unix socket", text: v2Unix, version: 2},
	{name: "binary, LOCAL", text: prefixV2 + "\x20\x00\x00\x00", version: 2},
	{name: "binary, LOCAL with addresses", text: prefixV2 + "\x20" + v2TCP4[13:], version: 2},
	{name: "binary, LOCAL with a few bytes", text: prefixV2 + "\x20\x21\x00\x01x", version: 2},
	{name: "binary, unspecified", text: prefixV2 + "\x21\x00\x00\x02xx", version: 2},
	{name: "binary, as long as may be", text: v2Long, version: 2},
}

func addrPort(text string) netip.AddrPort {
	if text == "" {
		return netip.AddrPort{}
	}
	return netip.MustParseAddrPort(text)
}

func TestParse(t *testing.T) {
	for _, c := range good {
		for _, after := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01"} {
			h, n, err := Parse([]byte(c.text + after))
			if err != nil || n != len(c.text) || h != (Header{c.version, addrPort(c.from), addrPort(c.to)}) {
				t.Errorf("%s: %+v, %d of %d bytes, %v", c.name, h, n, len(c.text), err)
			}
		}
	}
}

func TestParseOfEveryBeginningWantsMore(t *testing.T) {
	for _, c := range good {
		for i := range len(c.text) {
			_, n, err := Parse([]byte(c.text[:i]))
			if err != ErrShort || n <= i || n > len(c.text) {
				t.Fatalf("%s, %d of %d bytes: %d, %v", c.name, i, len(c.text), n, err)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"GET ", "PROXY\t", "PROXZ", "\r\n\r\n\x00\r\nQUIX", "\x16\x03\x01",
		"PROXY \r\n", "PROXY TCP4\r\n", "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", "PROXY UNKNOWNS\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 4096 443\n", "PROXY UNKNOWN \n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 4096\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 4096 443 1\r\n", "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 04096 443\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
		"PROXY TCP4 ::1 ::2 1 2\r\n", "PROXY TCP6 1.2.3.4 ::2 1 2\r\n", "PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n", "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY UNKNOWN " + strings.Repeat("x", 200),
		prefixV2 + "\x11", prefixV2 + "\x22", prefixV2 + "\x21\x41", prefixV2 + "\x21\x13",
		prefixV2 + "\x21\x11\x00\x0b", prefixV2 + "\x21\x21\x00\x23", prefixV2 + "\x21\x31\x00\xd7",
		prefixV2 + "\x20\x00\x0f\xf1", prefixV2 + "\x21\x11\xff\xff",
	} {
		if h, n, err := Parse([]byte(text)); err != ErrMalformed || n != 0 || h != (Header{}) {
			t.Errorf("%.60q: %+v, %d, %v", text, h, n, err)
		}
	}
}

func TestReadLeavesWhatTheClientSent(t *testing.T) {
	for _, c := range good {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "bytewise": iotest.OneByteReader, "with the end": iotest.DataErrReader,
		} {
			r := strings.NewReader(c.text + "hello")
			h, err := Read(wrap(r))
			if name == "with the end" {
				// It reads ahead by itself.
			} else if rest, _ := io.ReadAll(r); string(rest) != "hello" {
				t.Errorf("%s, %s: left %q", c.name, name, rest)
			}
			if err != nil || h != (Header{c.version, addrPort(c.from), addrPort(c.to)}) {
				t.Errorf("%s, %s: %+v, %v", c.name, name, h, err)
			}
			if name != "at once" {
				continue
			}
			for i := range len(c.text) {
				want := io.ErrUnexpectedEOF
				if i == 0 {
					want = io.EOF
				}
				if _, err := Read(strings.NewReader(c.text[:i])); err != want {
					t.Fatalf("%s cut at %d: %v", c.name, i, err)
				}
			}
		}
	}
	if _, err := Read(strings.NewReader("GET /announce HTTP/1.1\r\n")); err != ErrMalformed {
		t.Errorf("no header: %v", err)
	}
	timeout := errors.New("timeout")
	if _, err := Read(io.MultiReader(strings.NewReader("PROXY TC"), iotest.ErrReader(timeout))); err != timeout {
		t.Errorf("an error of the connection: %v", err)
	}
}

func TestReadTakesFewReads(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
	}{{v2TCP4, 3}, {v2TLV, 3}, {"PROXY TCP4 203.0.113.250 198.51.100.2 49152 443\r\n", 30}} {
		n := 0
		r := strings.NewReader(c.text)
		if _, err := Read(readerFunc(func(b []byte) (int, error) { n++; return r.Read(b) })); err != nil || n > c.most {
			t.Errorf("%q: %d reads, want %d or fewer (%v)", c.text, n, c.most, err)
		}
	}
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func FuzzParse(f *testing.F) {
	for _, c := range good {
		f.Add([]byte(c.text))
	}
	f.Add([]byte("PROXY TCP4 1.2.3.4 5.6.7.8 04096 443\r\n"))
	f.Add([]byte(prefixV2 + "\x21\x11\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := Parse(b)
		switch err {
		case nil:
			if n > len(b) || n > Max || n < minV1 || h.Source.IsValid() != h.Destination.IsValid() {
				t.Fatalf("%+v, %d", h, n)
			}
			if h2, err := Read(bytes.NewReader(b)); err != nil || h2 != h {
				t.Fatalf("Read says %+v, %v; Parse %+v", h2, err, h)
			}
			for i := range n {
				if _, _, err := Parse(b[:i]); err != ErrShort {
					t.Fatalf("%d of %d bytes: %v", i, n, err)
				}
			}
		case ErrShort:
			if n <= len(b) || n > Max {
				t.Fatalf("short with %d of %d", len(b), n)
			}
		case ErrMalformed:
			if _, _, err := Parse(append(b[:len(b):len(b)], "\r\n"...)); err == nil {
				t.Fatal("was no header, and is one now")
			}
		default:
			t.Fatal(err)
		}
	})
}
