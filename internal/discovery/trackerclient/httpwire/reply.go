package httpwire

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"

	"github.com/shoal-p2p/shoal/internal/bencode"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/compact"
)

// A Peer is an address in a reply, with the peer's id where it is known.
type Peer struct {
	Addr netip.AddrPort
	ID   [20]byte
}

// A Reply is what a tracker says to an announce.
type Reply struct {
	Failure  string // not "" for a refusal; then nothing else counts but RetryIn
	RetryIn  int64  // minutes until a refused client should ask again (BEP 31); 0 = not said, -1 = never
	Warning  string
	Interval int64 // seconds; 0 = not said
	// MinInterval is the least time between two announces in seconds; 0 = not said.
	MinInterval int64
	TrackerID   string
	Complete    int64 // seeders; -1 = not said
	Incomplete  int64 // leechers; -1 = not said
	ExternalIP  netip.Addr
	Peers       []Peer
}

// The bounds of ParseReply.
const (
	// MaxReply is the longest reply, in bytes, that a client should read.
	MaxReply = 2 << 20
	// MaxPeers is how many peers of a reply are taken.
	MaxPeers = 2000
)

// Errors of ParseReply besides *bencode.SyntaxError.
var (
	ErrNoDict = errors.New("http tracker: reply is not a dictionary")
	ErrPeers  = errors.New("http tracker: peers are neither a string nor a list")
)

// AppendFailure appends the reply that refuses a request. retryIn is in minutes;
// 0 says nothing about it, a negative number means never.
func AppendFailure(dst []byte, reason string, retryIn int64) []byte {
	d := bencode.NewDict(dst)
	d.String("failure reason", reason)
	switch {
	case retryIn > 0:
		d.Int("retry in", retryIn)
	case retryIn < 0:
		d.String("retry in", "never")
	}
	return d.End()
}

// AppendReply appends the reply to an announce. If compactly, peers are packed,
// otherwise they are a list of dictionaries, without ids if noPeerID.
func AppendReply(dst []byte, r *Reply, compactly, noPeerID bool) []byte {
	if r.Failure != "" {
		return AppendFailure(dst, r.Failure, r.RetryIn)
	}
	d := bencode.NewDict(dst)
	if r.Complete >= 0 {
		d.Int("complete", r.Complete)
	}
	if r.ExternalIP.IsValid() {
		d.Bytes("external ip", r.ExternalIP.AsSlice())
	}
	if r.Incomplete >= 0 {
		d.Int("incomplete", r.Incomplete)
	}
	d.Int("interval", r.Interval)
	if r.MinInterval > 0 {
		d.Int("min interval", r.MinInterval)
	}
	if compactly {
		d.Value("peers", func(dst []byte) []byte { return appendCompact(dst, r.Peers, false) })
		if slices.ContainsFunc(r.Peers, func(p Peer) bool { return p.Addr.Addr().Is6() }) {
			d.Value("peers6", func(dst []byte) []byte { return appendCompact(dst, r.Peers, true) })
		}
	} else {
		d.Value("peers", func(dst []byte) []byte { return appendDicts(dst, r.Peers, noPeerID) })
	}
	if r.TrackerID != "" {
		d.String("tracker id", r.TrackerID)
	}
	if r.Warning != "" {
		d.String("warning message", r.Warning)
	}
	return d.End()
}

func appendCompact(dst []byte, peers []Peer, v6 bool) []byte {
	b := make([]byte, 0, len(peers)*compact.Len6)
	for _, p := range peers {
		if p.Addr.Addr().Is6() == v6 {
			b = compact.Append(b, p.Addr)
		}
	}
	return bencode.AppendBytes(dst, b)
}

func appendDicts(dst []byte, peers []Peer, noPeerID bool) []byte {
	dst = append(dst, 'l')
	for _, p := range peers {
		dst = append(dst, 'd')
		dst = bencode.AppendString(bencode.AppendString(dst, "ip"), p.Addr.Addr().String())
		if !noPeerID {
			dst = bencode.AppendBytes(bencode.AppendString(dst, "peer id"), p.ID[:])
		}
		dst = bencode.AppendInt(bencode.AppendString(dst, "port"), int64(p.Addr.Port()))
		dst = append(dst, 'e')
	}
	return append(dst, 'e')
}

// ParseReply reads the reply to an announce. Where peers are dictionaries those
// that are named by a host name instead of an address are left out.
func ParseReply(b []byte) (r Reply, err error) {
	v, err := parse(b)
	if err != nil {
		return r, err
	}
	str := func(key string) string {
		v, _ := v.Get(key)
		s, _ := v.Bytes()
		return string(s[:min(len(s), 500)])
	}
	num := func(key string, missing int64) int64 {
		v, _ := v.Get(key)
		if n, ok := v.Int(); ok && n >= 0 {
			return n
		}
		return missing
	}
	if f, ok := v.Get("failure reason"); ok {
		if r.Failure = str("failure reason"); r.Failure == "" {
			r.Failure = "no reason given"
		}
		if r.RetryIn = num("retry in", 0); f.Kind() != 0 && str("retry in") == "never" {
			r.RetryIn = -1
		}
		r.Complete, r.Incomplete = -1, -1
		return r, nil
	}
	r.Warning = str("warning message")
	r.Interval = num("interval", 0)
	r.MinInterval = num("min interval", 0)
	r.TrackerID = str("tracker id")
	r.Complete = num("complete", -1)
	r.Incomplete = num("incomplete", -1)
	if v, ok := v.Get("external ip"); ok {
		ip, _ := v.Bytes()
		if a, ok := netip.AddrFromSlice(ip); ok {
			r.ExternalIP = a.Unmap()
		}
	}
	return r, r.parsePeers(v)
}

// parse reads the reply itself. Some trackers send a line's end, or whatever their
// language prints at the end of a script, behind it: that is no reason to lose the peers.
func parse(b []byte) (bencode.Value, error) {
	v, _, err := bencode.ParsePrefix(b, bencode.Options{MaxDepth: 8, MaxSize: MaxReply, MaxItems: 200_000, AllowUnsorted: true})
	if err == nil && v.Kind() != bencode.Dict {
		err = ErrNoDict
	}
	return v, err
}

func (r *Reply) parsePeers(v bencode.Value) error {
	var addrs []netip.AddrPort
	if p, ok := v.Get("peers"); ok {
		switch p.Kind() {
		case bencode.String:
			b, _ := p.Bytes()
			addrs = compact.Parse4(addrs, b, MaxPeers)
		case bencode.List:
			for p := range p.List() {
				if len(r.Peers) == MaxPeers {
					break
				}
				if q, ok := parseDict(p); ok {
					r.Peers = append(r.Peers, q)
				}
			}
		default:
			return ErrPeers
		}
	}
	if p, ok := v.Get("peers6"); ok {
		b, _ := p.Bytes()
		addrs = compact.Parse6(addrs, b, MaxPeers-len(r.Peers)-len(addrs))
	}
	for _, a := range addrs {
		r.Peers = append(r.Peers, Peer{Addr: a})
	}
	return nil
}

func parseDict(v bencode.Value) (p Peer, ok bool) {
	ip, _ := v.Get("ip")
	port, _ := v.Get("port")
	text, _ := ip.Bytes()
	n, _ := port.Int()
	if len(text) > 64 || n < 1 || n > 65535 {
		return p, false
	}
	a, err := netip.ParseAddr(string(text))
	if err != nil {
		return p, false
	}
	p.Addr = netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(n))
	if id, ok := v.Get("peer id"); ok {
		b, _ := id.Bytes()
		copy(p.ID[:], b)
	}
	return p, compact.Usable(p.Addr)
}

// A ScrapeFile is what a scrape tells about one swarm.
type ScrapeFile struct {
	InfoHash                         [20]byte
	Complete, Incomplete, Downloaded int64
}

// AppendScrape appends the reply to a scrape. It sorts files and drops
// duplicates. minInterval, in seconds, is left out when it is 0.
func AppendScrape(dst []byte, files []ScrapeFile, minInterval int64) []byte {
	slices.SortFunc(files, func(a, b ScrapeFile) int { return bytes.Compare(a.InfoHash[:], b.InfoHash[:]) })
	files = slices.CompactFunc(files, func(a, b ScrapeFile) bool { return a.InfoHash == b.InfoHash })
	dst = append(dst, "d5:filesd"...)
	for i := range files {
		f := &files[i]
		dst = bencode.AppendBytes(dst, f.InfoHash[:])
		dst = bencode.AppendInt(append(dst, "d8:complete"...), f.Complete)
		dst = bencode.AppendInt(append(dst, "10:downloaded"...), f.Downloaded)
		dst = bencode.AppendInt(append(dst, "10:incomplete"...), f.Incomplete)
		dst = append(dst, 'e')
	}
	dst = append(dst, 'e')
	if minInterval > 0 {
		dst = bencode.AppendInt(append(dst, "5:flagsd20:min_request_interval"...), minInterval)
		dst = append(dst, 'e')
	}
	return append(dst, 'e')
}

// ParseScrapeReply reads the reply to a scrape, or the reason of a failure.
func ParseScrapeReply(b []byte) (files []ScrapeFile, failure string, err error) {
	v, err := parse(b)
	if err != nil {
		return nil, "", err
	}
	if f, ok := v.Get("failure reason"); ok {
		s, _ := f.Bytes()
		return nil, string(s[:min(len(s), 500)]), nil
	}
	list, _ := v.Get("files")
	for key, f := range list.Dict() {
		if len(key) != 20 {
			continue
		}
		file := ScrapeFile{InfoHash: [20]byte(key)}
		for name, p := range map[string]*int64{"complete": &file.Complete, "incomplete": &file.Incomplete, "downloaded": &file.Downloaded} {
			v, _ := f.Get(name)
			if n, ok := v.Int(); ok && n > 0 {
				*p = n
			}
		}
		files = append(files, file)
	}
	return files, "", nil
}
