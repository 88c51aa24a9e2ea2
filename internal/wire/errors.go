package wire

// ProtocolError says that the peer sent something the protocol does not allow.
// The connection it came from is of no further use.
type ProtocolError struct {
	Msg string
}

// Error returns the message, prefixed with its origin.
func (e *ProtocolError) Error() string { return "peer protocol: " + e.Msg }

// The errors of this package are made once, so that a hostile peer cannot make
// us allocate by sending nonsense. Compare with errors.Is.
var (
	ErrHandshake     = &ProtocolError{"this is no BitTorrent handshake"}
	ErrFrameTooLarge = &ProtocolError{"frame is larger than its message may be"}
	ErrFrameLength   = &ProtocolError{"frame length does not fit its message"}
	ErrBlockTooLarge = &ProtocolError{"block is larger than 128 KiB or the limit set"}
	ErrBlockEmpty    = &ProtocolError{"block is empty"}
	ErrBlockOverflow = &ProtocolError{"block ends beyond 4 GiB of its piece"}
	ErrHashRange     = &ProtocolError{"hash range is not valid"}
	ErrHashCount     = &ProtocolError{"number of hashes does not fit the hash range"}
	ErrBitfieldSize  = &ProtocolError{"bitfield has the wrong length"}
	ErrBitfieldSpare = &ProtocolError{"bitfield has spare bits set"}

	ErrExtHandshake  = &ProtocolError{"extension handshake is not valid"}
	ErrExtTooMany    = &ProtocolError{"extension handshake names too many extensions"}
	ErrMetadataSize  = &ProtocolError{"metadata size is negative or too large"}
	ErrMetadata      = &ProtocolError{"ut_metadata message is not valid"}
	ErrMetadataPiece = &ProtocolError{"ut_metadata piece is out of range"}
	ErrMetadataData  = &ProtocolError{"ut_metadata piece has the wrong length"}
	ErrPEX           = &ProtocolError{"ut_pex message is not valid"}
	ErrPEXTooMany    = &ProtocolError{"ut_pex message has too many peers"}
	ErrDontHave      = &ProtocolError{"lt_donthave message is not valid"}
	ErrSwarms        = &ProtocolError{"shoal_swarms message is not valid"}
	ErrUploadOnly    = &ProtocolError{"upload_only message is not valid"}
)
