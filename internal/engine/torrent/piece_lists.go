package torrent

// owner is a peer as the pieces know it: those that it fetches for itself.
type owner struct {
	key   PeerKey
	all   pieceList
	ready pieceList // of which have free blocks
}

func newOwner(key PeerKey) owner {
	return owner{key: key, all: pieceList{kind: inOwned}, ready: pieceList{kind: inReady}}
}

// The kinds of list that a piece can be in, each once.
const (
	inOpen  = iota // all open pieces
	inOwned        // all of one owner
	inReady        // those of one owner that have free blocks
	inPool         // shared or lent, with free blocks
	inAlone        // may be fetched by their owner alone
	numLists
)

// pieceList is a list from which a piece is taken without a search. Its order
// changes when one is.
type pieceList struct {
	kind int
	list []*piece
}

func (l *pieceList) add(pc *piece) {
	if pc.in[l.kind] == 0 {
		l.list = append(l.list, pc)
		pc.in[l.kind] = int32(len(l.list))
	}
}

func (l *pieceList) remove(pc *piece) {
	at := pc.in[l.kind]
	if at == 0 {
		return
	}
	last := l.list[len(l.list)-1]
	l.list[at-1] = last
	last.in[l.kind] = at
	l.list[len(l.list)-1] = nil
	l.list = l.list[:len(l.list)-1]
	pc.in[l.kind] = 0
}
