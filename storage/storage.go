// Package storage keeps the verified bytes of a torrent.
package storage

// Store is random access to the bytes of one torrent, addressed in its piece
// space: byte off is byte off%PieceLength of piece off/PieceLength. Padding
// reads as zeros and is never written anywhere. Calls may run concurrently as
// long as their ranges do not overlap.
type Store interface {
	// ReadAt fills p or fails; a short file is an error that names the file.
	ReadAt(p []byte, off int64) (int, error)
	// WriteAt writes all of p or fails. It never writes outside the target.
	WriteAt(p []byte, off int64) (int, error)
	// Close releases what the store holds open.
	Close() error
}
