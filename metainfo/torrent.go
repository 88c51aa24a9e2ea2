package metainfo

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/shoal-p2p/shoal/internal/bencode"
)

// Bounds on what a .torrent file says besides its info dictionary; what goes
// beyond is left out.
const (
	maxURLs      = 1000
	maxURLLength = 4096
)

// Torrent is a parsed .torrent file.
type Torrent struct {
	Info         *Info
	Announce     [][]string // trackers in tiers, announce and announce-list merged
	WebSeeds     []string   // url-list: servers of the files (BEP 19)
	HTTPSeeds    []string   // httpseeds: servers of pieces (BEP 17)
	Nodes        []string   // DHT nodes as host:port
	Comment      string
	CreatedBy    string
	CreationDate int64 // seconds since 1970, 0 is unknown
	// PieceLayers holds, for each v2 file longer than one piece, the hashes
	// of its pieces, 32 bytes each, keyed by the file's pieces root. Parse has
	// checked them against it. Those that the .torrent file lacks are missing
	// here too; peers send them.
	PieceLayers map[Hash256][]byte
}

// Parse reads a whole .torrent file of at most MaxTorrentSize bytes. The
// Torrent refers to b. Errors are of type *Error.
func Parse(b []byte) (*Torrent, error) {
	if len(b) > MaxTorrentSize {
		return nil, &Error{Err: ErrTooLarge, Where: "torrent"}
	}
	v, _, err := bencode.ParsePrefix(b, parseOptions) // a newline follows many
	if err != nil {
		return nil, &Error{Err: err, Where: "torrent"}
	}
	if v.Kind() != bencode.Dict {
		return nil, field("torrent", "not a dictionary")
	}
	t := new(Torrent)
	var f torrentFields
	f.read(v)
	if f.info.Kind() == 0 {
		return nil, field("info", "missing")
	}
	if t.Info, err = readInfo(f.info); err != nil {
		return nil, err
	}
	t.Announce = readTiers(f.announce, f.announceList)
	t.Comment, t.CreatedBy = text(f.comment), text(f.createdBy)
	created, _ := f.created.Int()
	t.CreationDate = max(0, created)
	t.WebSeeds = readURLs(nil, f.urlList, maxURLs)
	t.HTTPSeeds = readURLs(nil, f.httpSeeds, maxURLs)
	t.Nodes = readNodes(f.nodes)
	if t.Info.HasV2 {
		if err := t.readLayers(f.layers); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// torrentFields are the values of the keys of a .torrent file.
type torrentFields struct {
	announce, announceList, info, layers bencode.Value
	comment, createdBy, created          bencode.Value
	httpSeeds, urlList, nodes            bencode.Value
}

func (f *torrentFields) read(v bencode.Value) {
	for key, val := range v.Dict() {
		switch string(key) {
		case "announce":
			take(&f.announce, val)
		case "announce-list":
			take(&f.announceList, val)
		case "comment":
			take(&f.comment, val)
		case "created by":
			take(&f.createdBy, val)
		case "creation date":
			take(&f.created, val)
		case "httpseeds":
			take(&f.httpSeeds, val)
		case "info":
			take(&f.info, val)
		case "nodes":
			take(&f.nodes, val)
		case "piece layers":
			take(&f.layers, val)
		case "url-list":
			take(&f.urlList, val)
		}
	}
}

// text reads a string that is meant for people.
func text(v bencode.Value) string {
	b, _ := v.Bytes()
	return decodeText(b)
}

// readURLs appends a string or a list of strings.
func readURLs(dst []string, v bencode.Value, room int) []string {
	one := func(v bencode.Value) {
		b, _ := v.Bytes()
		s := strings.TrimSpace(string(b[:min(len(b), maxURLLength+1)]))
		if s == "" || len(s) > maxURLLength || len(dst) >= room || slices.Contains(dst, s) {
			return
		}
		dst = append(dst, s)
	}
	one(v)
	for s := range v.List() {
		if len(dst) >= room {
			break
		}
		one(s)
	}
	return dst
}

// readTiers merges announce and announce-list (BEP 12). A tracker that stands
// in announce alone becomes the first tier.
func readTiers(announce, list bencode.Value) (tiers [][]string) {
	n := 0
	seen := make(map[string]bool)
	add := func(urls []string) {
		urls = slices.DeleteFunc(urls, func(s string) bool { return seen[s] })
		if len(urls) == 0 {
			return
		}
		for _, s := range urls {
			seen[s] = true
		}
		n += len(urls)
		tiers = append(tiers, urls)
	}
	for tier := range list.List() {
		add(readURLs(nil, tier, maxURLs-n))
	}
	if first := readURLs(nil, announce, 1); len(first) == 1 && !seen[first[0]] {
		tiers = slices.Insert(tiers, 0, first)
	}
	return tiers
}

// readNodes reads a list of [host, port] pairs (BEP 5).
func readNodes(v bencode.Value) (nodes []string) {
	for pair := range v.List() {
		var host string
		var port int64
		n := 0
		for x := range pair.List() {
			switch n {
			case 0:
				host, _ = x.Str()
			case 1:
				port, _ = x.Int()
			}
			n++
		}
		if n != 2 || host == "" || len(host) > 255 || port <= 0 || port > 65535 || len(nodes) >= maxURLs {
			continue
		}
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		nodes = append(nodes, host+":"+strconv.FormatInt(port, 10))
	}
	return nodes
}

// readLayers keeps the layers that lead to the root of a file of several
// pieces. One that does not, or that belongs to no root at all, is an error;
// what is missing comes from peers, and what belongs to no file of this torrent
// is left out.
func (t *Torrent) readLayers(v bencode.Value) error {
	i := t.Info
	want := make(map[Hash256]int) // pieces of the files with that root
	for k := range i.Files {
		if f := &i.Files[k]; !f.Pad && f.Length > i.PieceLength {
			want[f.PiecesRoot] = i.piecesOf(f)
		}
	}
	t.PieceLayers = make(map[Hash256][]byte, len(want))
	for key, val := range v.Dict() {
		if len(key) != 32 {
			return &Error{Err: ErrLayers, Where: "piece layers", Msg: "key is not a root"}
		}
		root := Hash256(key)
		n, known := want[root]
		if _, twice := t.PieceLayers[root]; !known || twice {
			continue
		}
		layer, ok := val.Bytes()
		switch {
		case !ok || len(layer) != 32*n:
			return &Error{Err: ErrLayers, Where: root.String(), Msg: "wrong number of hashes"}
		case LayerRoot(layer, i.PieceLength) != root:
			return &Error{Err: ErrLayers, Where: root.String()}
		}
		t.PieceLayers[root] = layer
	}
	return nil
}

// Marshal returns the .torrent file. The info dictionary goes out as it came.
func (t *Torrent) Marshal() []byte {
	size := 1024 + len(t.Info.Bytes)
	for _, layer := range t.PieceLayers {
		size += len(layer) + 48
	}
	d := bencode.NewDict(make([]byte, 0, size))
	urls := 0
	for _, tier := range t.Announce {
		urls += len(tier)
	}
	if urls > 0 {
		d.String("announce", firstURL(t.Announce))
	}
	if urls > 1 {
		d.Value("announce-list", func(b []byte) []byte {
			b = append(b, 'l')
			for _, tier := range t.Announce {
				b = appendStrings(b, tier)
			}
			return append(b, 'e')
		})
	}
	if t.Comment != "" {
		d.String("comment", t.Comment)
	}
	if t.CreatedBy != "" {
		d.String("created by", t.CreatedBy)
	}
	if t.CreationDate > 0 {
		d.Int("creation date", t.CreationDate)
	}
	if len(t.HTTPSeeds) > 0 {
		d.Value("httpseeds", func(b []byte) []byte { return appendStrings(b, t.HTTPSeeds) })
	}
	d.Raw("info", t.Info.Bytes)
	if len(t.Nodes) > 0 {
		d.Value("nodes", func(b []byte) []byte { return appendNodes(b, t.Nodes) })
	}
	if t.Info.HasV2 {
		d.Value("piece layers", t.appendLayers)
	}
	if len(t.WebSeeds) > 0 {
		d.Value("url-list", func(b []byte) []byte { return appendStrings(b, t.WebSeeds) })
	}
	return d.End()
}

func firstURL(tiers [][]string) string {
	for _, tier := range tiers {
		if len(tier) > 0 {
			return tier[0]
		}
	}
	return ""
}

func appendStrings(b []byte, list []string) []byte {
	b = append(b, 'l')
	for _, s := range list {
		b = bencode.AppendString(b, s)
	}
	return append(b, 'e')
}

func appendNodes(b []byte, nodes []string) []byte {
	b = append(b, 'l')
	for _, s := range nodes {
		k := strings.LastIndexByte(s, ':')
		if k < 0 {
			continue
		}
		port, err := strconv.ParseUint(s[k+1:], 10, 16)
		if err != nil {
			continue
		}
		host := strings.TrimSuffix(strings.TrimPrefix(s[:k], "["), "]")
		b = append(b, 'l')
		b = bencode.AppendString(b, host)
		b = bencode.AppendInt(b, int64(port))
		b = append(b, 'e')
	}
	return append(b, 'e')
}

func (t *Torrent) appendLayers(b []byte) []byte {
	roots := make([]Hash256, 0, len(t.PieceLayers))
	for root := range t.PieceLayers {
		roots = append(roots, root)
	}
	slices.SortFunc(roots, func(a, b Hash256) int { return bytes.Compare(a[:], b[:]) })
	b = append(b, 'd')
	for _, root := range roots {
		b = bencode.AppendBytes(b, root[:])
		b = bencode.AppendBytes(b, t.PieceLayers[root])
	}
	return append(b, 'e')
}

// Layers returns the piece layers of the torrent, as far as the .torrent file
// has them. A layer that was put in by hand and does not fit is left out.
func (t *Torrent) Layers() *Layers {
	l := NewLayers(t.Info)
	for root, layer := range t.PieceLayers {
		_ = l.AddLayer(root, layer)
	}
	return l
}
