package transport

// Encryption says where Message Stream Encryption is used, see package mse. It is for
// streams over TCP and such: WebRTC is encrypted in any case, and web seeds are not peers.
type Encryption uint8

// The levels, as other clients have them.
const (
	// EncryptionAllowed answers in kind. It connects in the open, and encrypted where a
	// peer does not take that or is known to prefer it. What others leave open stays plain
	// behind the handshake, which costs nothing.
	EncryptionAllowed Encryption = iota
	// EncryptionOff neither offers nor takes any.
	EncryptionOff
	// EncryptionPreferred connects encrypted, and in the open where that fails. What
	// others leave open is encrypted by RC4.
	EncryptionPreferred
	// EncryptionRequired talks to nobody but by RC4.
	EncryptionRequired
)

var encryptionNames = [...]string{"allowed", "off", "preferred", "required"}

// String returns the name that flags, JSON and the docs use.
func (e Encryption) String() string {
	if int(e) < len(encryptionNames) {
		return encryptionNames[e]
	}
	return "unknown"
}

// ParseEncryption reads the name of a level.
func ParseEncryption(name string) (Encryption, bool) {
	for e, n := range encryptionNames {
		if n == name {
			return Encryption(e), true
		}
	}
	return 0, false
}
