package metainfo

// TreeRoot returns the root of the merkle tree over the file bytes of a piece,
// the v2 half of HashPiece. Padding in data does not count.
func (i *Info) TreeRoot(index int, data []byte) Hash256 {
	return i.treeOf(index, data[:min(i.fileBytes(index), int64(len(data)))])
}
