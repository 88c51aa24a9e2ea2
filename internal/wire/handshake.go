package wire

// HandshakeLen is the length of a handshake in bytes.
const HandshakeLen = 68

const protocolHeader = "\x13BitTorrent protocol"

// Handshake is what both sides send first (BEP 3).
type Handshake struct {
	Reserved [8]byte
	InfoHash [20]byte
	PeerID   [20]byte
}

// SetExtensions says that we speak the extension protocol (BEP 10).
func (h *Handshake) SetExtensions() { h.Reserved[5] |= 0x10 }

// SetDHT says that we run a DHT node (BEP 5).
func (h *Handshake) SetDHT() { h.Reserved[7] |= 0x01 }

// SetFast says that we speak the fast extension (BEP 6).
func (h *Handshake) SetFast() { h.Reserved[7] |= 0x04 }

// SetV2 says that we know the v2 half of a hybrid torrent (BEP 52).
func (h *Handshake) SetV2() { h.Reserved[7] |= 0x10 }

// HasExtensions reports whether the sender speaks the extension protocol.
func (h *Handshake) HasExtensions() bool { return h.Reserved[5]&0x10 != 0 }

// HasDHT reports whether the sender runs a DHT node.
func (h *Handshake) HasDHT() bool { return h.Reserved[7]&0x01 != 0 }

// HasFast reports whether the sender speaks the fast extension.
func (h *Handshake) HasFast() bool { return h.Reserved[7]&0x04 != 0 }

// HasV2 reports whether the sender can go on with the v2 info hash.
func (h *Handshake) HasV2() bool { return h.Reserved[7]&0x10 != 0 }

// Append appends the 68 bytes of h to dst.
func (h Handshake) Append(dst []byte) []byte {
	dst = append(dst, protocolHeader...)
	dst = append(dst, h.Reserved[:]...)
	dst = append(dst, h.InfoHash[:]...)
	return append(dst, h.PeerID[:]...)
}

// ParseHandshake reads a handshake of exactly HandshakeLen bytes.
func ParseHandshake(b []byte) (Handshake, error) {
	var h Handshake
	if len(b) != HandshakeLen || !IsHandshakePrefix(b) {
		return h, ErrHandshake
	}
	copy(h.Reserved[:], b[20:28])
	copy(h.InfoHash[:], b[28:48])
	copy(h.PeerID[:], b[48:68])
	return h, nil
}

// IsHandshakePrefix reports whether a stream that starts with b can still be
// a handshake, so that a stranger is refused at its first wrong byte.
func IsHandshakePrefix(b []byte) bool {
	n := min(len(b), len(protocolHeader))
	return string(b[:n]) == protocolHeader[:n]
}
