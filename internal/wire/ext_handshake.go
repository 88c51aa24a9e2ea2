package wire

import (
	"net/netip"
	"slices"
	"sort"
	"unicode/utf8"

	"github.com/shoal-p2p/shoal/internal/bencode"
)

// ExtHandshakeID is the extension id of the extension handshake.
const ExtHandshakeID = 0

// The names of the extensions that this package has codecs for.
const (
	ExtMetadata   = "ut_metadata" // BEP 9
	ExtPEX        = "ut_pex"      // BEP 11
	ExtDontHave   = "lt_donthave" // BEP 54
	ExtUploadOnly = "upload_only" // libtorrent's message for BEP 21
)

// The bounds of an extension handshake.
const (
	MaxExtHandshakeSize = 64 << 10 // bytes
	MaxExtensions       = 128      // names in m
	maxExtName          = 64       // bytes; longer names are passed over
	maxVersion          = 100      // bytes; the rest is cut off
	maxReqQ             = 1 << 16  // a larger reqq is taken as this
)

// Extension is a name of the handshake's m dictionary with the id under which
// the sender wants to receive it; 0 switches it off.
type Extension struct {
	Name string
	ID   uint8
}

// ExtHandshake is the message in which a peer names its extensions (BEP 10,
// "handshake message"). Fields that are absent or make no sense are zero. It
// may come more than once; M then holds only what changes.
type ExtHandshake struct {
	M            []Extension // sorted by name, each once
	V            string      // client name and version: printable UTF-8, at most 100 bytes
	ReqQ         int         // requests the sender keeps queued
	MetadataSize int         // bytes of the info dictionary (BEP 9)
	Port         int         // TCP port the sender listens on
	YourIP       netip.Addr  // the receiver's address as the sender sees it
	IPv4, IPv6   netip.Addr  // the sender's own addresses
	UploadOnly   bool        // the sender wants no pieces (BEP 21)
}

// ID returns the id that M gives to an extension. ok tells an extension that
// is switched off (id 0) from one that is not mentioned.
func (h *ExtHandshake) ID(name string) (id uint8, ok bool) {
	for _, e := range h.M {
		if e.Name == name {
			return e.ID, true
		}
	}
	return 0, false
}

// Append appends the bencoded handshake to dst. M may be in any order.
func (h *ExtHandshake) Append(dst []byte) []byte {
	m := h.M
	if !sort.IsSorted(byName(m)) {
		m = slices.Clone(m)
		sort.Stable(byName(m))
	}
	dst = append(dst, 'd')
	if h.IPv4.Is4() {
		a := h.IPv4.As4()
		dst = bencode.AppendBytes(append(dst, "4:ipv4"...), a[:])
	}
	if h.IPv6.Is6() {
		a := h.IPv6.As16()
		dst = bencode.AppendBytes(append(dst, "4:ipv6"...), a[:])
	}
	dst = append(dst, "1:md"...)
	for i, e := range m {
		if i > 0 && m[i-1].Name == e.Name {
			continue
		}
		dst = bencode.AppendInt(bencode.AppendString(dst, e.Name), int64(e.ID))
	}
	dst = append(dst, 'e')
	if h.MetadataSize > 0 {
		dst = bencode.AppendInt(append(dst, "13:metadata_size"...), int64(h.MetadataSize))
	}
	if h.Port > 0 {
		dst = bencode.AppendInt(append(dst, "1:p"...), int64(h.Port))
	}
	if h.ReqQ > 0 {
		dst = bencode.AppendInt(append(dst, "4:reqq"...), int64(h.ReqQ))
	}
	if h.UploadOnly {
		dst = append(dst, "11:upload_onlyi1e"...)
	}
	if h.V != "" {
		dst = bencode.AppendString(append(dst, "1:v"...), h.V)
	}
	switch ip := h.YourIP.Unmap(); {
	case ip.Is4():
		a := ip.As4()
		dst = bencode.AppendBytes(append(dst, "6:yourip"...), a[:])
	case ip.Is6():
		a := ip.As16()
		dst = bencode.AppendBytes(append(dst, "6:yourip"...), a[:])
	}
	return append(dst, 'e')
}

// byName sorts through sort.Interface: a generic sort is compiled once per
// type, which a tab's engine has to carry.
type byName []Extension

func (m byName) Len() int           { return len(m) }
func (m byName) Less(i, j int) bool { return m[i].Name < m[j].Name }
func (m byName) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }

// ParseExtHandshake reads the payload of an Extended message with ExtID 0.
// Unknown keys are ignored, as BEP 10 asks. Errors are of type *ProtocolError.
func ParseExtHandshake(b []byte) (*ExtHandshake, error) {
	root, err := bencode.Parse(b, bencode.Options{
		MaxDepth: 16, MaxItems: 4096, MaxSize: MaxExtHandshakeSize, AllowUnsorted: true,
	})
	if err != nil || root.Kind() != bencode.Dict {
		return nil, ErrExtHandshake
	}
	h := new(ExtHandshake)
	for key, v := range root.Dict() {
		n, _ := v.Int()
		s, _ := v.Bytes()
		switch string(key) {
		case "m":
			if h.M, err = parseExtensions(v); err != nil {
				return nil, err
			}
		case "v":
			h.V = printable(s)
		case "p":
			if n > 0 && n <= 65535 {
				h.Port = int(n)
			}
		case "reqq":
			if n > 0 {
				h.ReqQ = int(min(n, maxReqQ))
			}
		case "metadata_size":
			// libtorrent's rule: not positive means that the sender has none.
			if n > MaxMetadataSize {
				return nil, ErrMetadataSize
			}
			h.MetadataSize = int(max(n, 0))
		case "upload_only":
			h.UploadOnly = n != 0
		case "yourip":
			if ip, ok := netip.AddrFromSlice(s); ok {
				h.YourIP = ip.Unmap()
			}
		case "ipv4":
			if len(s) == 4 {
				h.IPv4 = netip.AddrFrom4([4]byte(s))
			}
		case "ipv6":
			if len(s) == 16 {
				h.IPv6 = netip.AddrFrom16([16]byte(s))
			}
		}
	}
	return h, nil
}

func parseExtensions(v bencode.Value) ([]Extension, error) {
	n := v.Len()
	if v.Kind() != bencode.Dict || n == 0 {
		return nil, nil
	}
	if n > MaxExtensions {
		return nil, ErrExtTooMany
	}
	m := make([]Extension, 0, n)
	for key, v := range v.Dict() {
		id, ok := v.Int()
		if !ok || id < 0 || id > 255 || len(key) == 0 || len(key) > maxExtName {
			continue
		}
		m = append(m, Extension{Name: string(key), ID: uint8(id)})
	}
	sort.Stable(byName(m))
	return m, nil
}

// printable makes what a peer calls itself safe to show: control characters
// could steer a terminal.
func printable(b []byte) string {
	out := make([]byte, 0, min(len(b), maxVersion))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			r, n = '?', 1
		}
		if len(out)+n > maxVersion {
			break
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}
