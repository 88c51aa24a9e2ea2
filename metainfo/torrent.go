package metainfo

// Torrent is a parsed .torrent file.
type Torrent struct {
	Info         *Info
	Announce     [][]string // trackers in tiers, announce and announce-list merged
	WebSeeds     []string
	Nodes        []string // DHT nodes as host:port
	Comment      string
	CreatedBy    string
	CreationDate int64 // seconds since 1970, 0 is unknown
	// PieceLayers holds, for each v2 file longer than one piece, the hashes
	// of its pieces, 32 bytes each, keyed by the file's pieces root. Parse has
	// checked them against it.
	PieceLayers map[Hash256][]byte
}

// Parse reads a whole .torrent file of at most MaxTorrentSize bytes. The
// Torrent refers to b. Errors are of type *Error.
func Parse(b []byte) (*Torrent, error) { return parseTorrent(b) }

// Marshal returns the .torrent file. The info dictionary goes out as it came.
func (t *Torrent) Marshal() []byte { return marshal(t) }

// Layers returns the piece layers of the torrent, complete ones after Parse.
func (t *Torrent) Layers() *Layers {
	l := NewLayers(t.Info)
	for root, layer := range t.PieceLayers {
		// Parse has checked them; a layer that does not fit is left out.
		_ = l.AddLayer(root, layer)
	}
	return l
}
