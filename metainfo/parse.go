package metainfo

func parseInfo(b []byte) (*Info, error)       { panic("todo") }
func parseTorrent(b []byte) (*Torrent, error) { panic("todo") }
func marshal(t *Torrent) []byte               { panic("todo") }
