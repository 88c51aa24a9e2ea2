package wire

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/shoal-p2p/shoal/internal/bencode"
)

// The flags of a PEX peer (BEP 11).
const (
	PEXEncryption = 0x01 // prefers encryption
	PEXUploadOnly = 0x02 // seed or partial seed
	PEXUTP        = 0x04 // speaks uTP
	PEXHolepunch  = 0x08 // speaks ut_holepunch
	PEXOutgoing   = 0x10 // can be reached
)

// MaxPEXPeers is the largest number of added peers, likewise of dropped ones,
// that is accepted in one message. BEP 11 asks for 50 after the first message;
// libtorrent sends 100.
const MaxPEXPeers = 500

// PEXPeer is a peer in a PEX message.
type PEXPeer struct {
	Addr  netip.AddrPort
	Flags byte // 0 for dropped peers
}

// PEX is a ut_pex message (BEP 11): who the sender is connected to now and was
// not at its last message, and the other way round.
type PEX struct {
	Added, Dropped []PEXPeer
}

// Append appends the bencoded message to dst. "added" is always there, since
// BEP 11 wants at least one list and some clients want that one.
func (p *PEX) Append(dst []byte) []byte {
	dst = append(dst, 'd')
	dst = appendPeers(dst, "added", p.Added, false, true)
	if count(p.Added, true) > 0 {
		dst = appendPeers(dst, "added6", p.Added, true, true)
	}
	if count(p.Dropped, false) > 0 {
		dst = appendPeers(dst, "dropped", p.Dropped, false, false)
	}
	if count(p.Dropped, true) > 0 {
		dst = appendPeers(dst, "dropped6", p.Dropped, true, false)
	}
	return append(dst, 'e')
}

func isFamily(a netip.Addr, v6 bool) bool {
	a = a.Unmap()
	return v6 && a.Is6() || !v6 && a.Is4()
}

func count(peers []PEXPeer, v6 bool) (n int) {
	for _, p := range peers {
		if isFamily(p.Addr.Addr(), v6) {
			n++
		}
	}
	return n
}

// appendPeers appends one list of the dictionary, and the flags beside it.
func appendPeers(dst []byte, key string, peers []PEXPeer, v6, flags bool) []byte {
	n, size := count(peers, v6), 6
	if v6 {
		size = 18
	}
	dst = appendLen(bencode.AppendString(dst, key), n*size)
	for _, p := range peers {
		a := p.Addr.Addr().Unmap()
		if !isFamily(a, v6) {
			continue
		}
		if v6 {
			ip := a.As16()
			dst = append(dst, ip[:]...)
		} else {
			ip := a.As4()
			dst = append(dst, ip[:]...)
		}
		dst = binary.BigEndian.AppendUint16(dst, p.Addr.Port())
	}
	if !flags {
		return dst
	}
	dst = appendLen(bencode.AppendString(dst, key+".f"), n)
	for _, p := range peers {
		if isFamily(p.Addr.Addr(), v6) {
			dst = append(dst, p.Flags)
		}
	}
	return dst
}

// appendLen appends the start of a string of n bytes.
func appendLen(dst []byte, n int) []byte {
	return append(strconv.AppendInt(dst, int64(n), 10), ':')
}

// ParsePEX reads the payload of a ut_pex message. Peers that nobody can
// connect to (port 0, unspecified and multicast addresses) are left out;
// duplicates are the caller's to find. Errors are of type *ProtocolError.
func ParsePEX(b []byte) (PEX, error) {
	root, err := bencode.Parse(b, bencode.Options{
		MaxDepth: 4, MaxItems: 64, MaxSize: DefaultMaxPayload, AllowUnsorted: true,
	})
	if err != nil || root.Kind() != bencode.Dict {
		return PEX{}, ErrPEX
	}
	var p PEX
	if p.Added, err = parsePeers(root, "added", "added6", true); err != nil {
		return PEX{}, err
	}
	if p.Dropped, err = parsePeers(root, "dropped", "dropped6", false); err != nil {
		return PEX{}, err
	}
	return p, nil
}

func parsePeers(root bencode.Value, key4, key6 string, flags bool) ([]PEXPeer, error) {
	v4, err := pexString(root, key4)
	if err != nil {
		return nil, err
	}
	v6, err := pexString(root, key6)
	if err != nil {
		return nil, err
	}
	if len(v4)%6 != 0 || len(v6)%18 != 0 {
		return nil, ErrPEX
	}
	n := len(v4)/6 + len(v6)/18
	if n == 0 {
		return nil, nil
	}
	if n > MaxPEXPeers {
		return nil, ErrPEXTooMany
	}
	peers, err := appendCompact(make([]PEXPeer, 0, n), root, key4, v4, 4, flags)
	if err != nil {
		return nil, err
	}
	return appendCompact(peers, root, key6, v6, 16, flags)
}

// appendCompact reads addresses of size bytes, each followed by its port.
func appendCompact(peers []PEXPeer, root bencode.Value, key string, b []byte, size int, flags bool) ([]PEXPeer, error) {
	var f []byte
	if flags {
		var err error
		if f, err = pexString(root, key+".f"); err != nil {
			return nil, err
		}
		// The flags are optional, but they are for all or for none.
		if len(f) != 0 && len(f) != len(b)/(size+2) {
			return nil, ErrPEX
		}
	}
	for i := 0; len(b) > 0; i++ {
		ip, _ := netip.AddrFromSlice(b[:size])
		port := binary.BigEndian.Uint16(b[size:])
		b = b[size+2:]
		if port == 0 || ip.Is4In6() || ip.IsUnspecified() || ip.IsMulticast() || ip == broadcast {
			continue
		}
		p := PEXPeer{Addr: netip.AddrPortFrom(ip, port)}
		if len(f) != 0 {
			p.Flags = f[i]
		}
		peers = append(peers, p)
	}
	return peers, nil
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func pexString(root bencode.Value, key string) ([]byte, error) {
	v, ok := root.Get(key)
	if !ok {
		return nil, nil
	}
	b, ok := v.Bytes()
	if !ok {
		return nil, ErrPEX
	}
	return b, nil
}
