//go:build !js

package shoal

import (
	"fmt"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// Encryption says where Message Stream Encryption is used, which others call protocol
// encryption, for connections over TCP or a [Transport]. It hides from a network that
// BitTorrent is spoken; it keeps nothing secret from whoever knows the info hash.
// WebRTC is encrypted in any case. The zero value is EncryptionAllowed.
type Encryption uint8

// The levels, as other clients have them.
const (
	// EncryptionAllowed answers in kind. It connects in the open, and encrypted where a
	// peer does not take that or is known to prefer it. Where the other side leaves it
	// open, only the handshake is encrypted.
	EncryptionAllowed = Encryption(transport.EncryptionAllowed)
	// EncryptionOff neither offers nor takes any.
	EncryptionOff = Encryption(transport.EncryptionOff)
	// EncryptionPreferred connects encrypted, and in the open where that fails. Where the
	// other side leaves it open, everything is encrypted.
	EncryptionPreferred = Encryption(transport.EncryptionPreferred)
	// EncryptionRequired talks to nobody who does not encrypt everything.
	EncryptionRequired = Encryption(transport.EncryptionRequired)
)

// String returns "allowed", "off", "preferred" or "required".
func (e Encryption) String() string { return transport.Encryption(e).String() }

// MarshalText implements encoding.TextMarshaler: it is String.
func (e Encryption) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: it reads what String returns.
func (e *Encryption) UnmarshalText(text []byte) error {
	level, ok := transport.ParseEncryption(string(text))
	if !ok {
		return fmt.Errorf("%q is none of off, allowed, preferred and required", text)
	}
	*e = Encryption(level)
	return nil
}
