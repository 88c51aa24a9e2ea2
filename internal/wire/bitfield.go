package wire

// CheckBitfield reports whether bits can be the bitfield of a torrent with
// that many pieces: exactly the right length, spare bits at the end zero
// (BEP 3: "Clients should drop the connection").
func CheckBitfield(bits []byte, pieces int) error {
	if pieces < 0 || len(bits) != pieces/8+min(pieces%8, 1) {
		return ErrBitfieldSize
	}
	if spare := pieces % 8; spare != 0 && bits[len(bits)-1]<<spare != 0 {
		return ErrBitfieldSpare
	}
	return nil
}
