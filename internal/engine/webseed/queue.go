package webseed

import "github.com/shoal-p2p/shoal/metainfo"

// queue holds the blocks that are requested and not in flight, in the order they
// were requested. What is taken or cancelled is left in the order and skipped.
type queue struct {
	order []Block
	in    map[Block]bool
}

func (q *queue) add(b Block) {
	if !q.in[b] {
		q.in[b] = true
		q.order = append(q.order, b)
	}
}

func (q *queue) remove(b Block) bool {
	was := q.in[b]
	delete(q.in, b)
	return was
}

// clear empties the queue and returns what was in it.
func (q *queue) clear() (all []Block) {
	for _, b := range q.order {
		if q.remove(b) {
			all = append(all, b)
		}
	}
	q.order = q.order[:0]
	return all
}

// run returns the longest run of blocks that begins with the oldest, of at most
// limit bytes and not in the middle of a piece if it has whole ones. It does not
// take them. ends reports whether the run ends where a piece does.
func (q *queue) run(i *metainfo.Info, limit int64) (blocks []Block, size int64, ends bool) {
	for len(q.order) > 0 && !q.in[q.order[0]] {
		q.order = q.order[1:]
	}
	if len(q.order) == 0 {
		return nil, 0, false
	}
	whole, wholeSize := 0, int64(0) // up to the end of the last piece in the run
	for b := q.order[0]; q.in[b] && (size == 0 || size+int64(b.Length) <= limit); {
		blocks = append(blocks, b)
		size += int64(b.Length)
		end := int64(b.Begin) + int64(b.Length)
		ends = end >= i.PieceData(int(b.Index))
		next := Block{b.Index, uint32(end), 0}
		if ends {
			whole, wholeSize = len(blocks), size
			if end != i.PieceLength {
				break // the piece is cut short: behind it lies nothing, or padding that is not asked for
			}
			next = Block{b.Index + 1, 0, 0}
		}
		next.Length = uint32(min(metainfo.BlockSize, i.PieceData(int(next.Index))-int64(next.Begin)))
		b = next
	}
	if whole > 0 {
		return blocks[:whole], wholeSize, true
	}
	return blocks, size, false
}
