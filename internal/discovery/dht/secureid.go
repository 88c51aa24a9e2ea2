package dht

import (
	"hash/crc32"
	"math/rand/v2"
	"net/netip"
)

// BEP 42 ties a node ID to the address it is used from: the first 21 bits are
// those of a CRC32-C over the masked address, the last byte chooses one of
// eight prefixes.
//
//	v4: crc32c((ip & 0x030f3fff) | (r << 29))                first 4 octets
//	v6: crc32c((ip & 0x0103070f1f3f7fff) | (r << 61))        first 8 octets

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	mask4      = [4]byte{0x03, 0x0f, 0x3f, 0xff}
	mask6      = [8]byte{0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff}
)

func secureCRC(addr netip.Addr, r byte) uint32 {
	if addr.Is4() {
		ip := addr.As4()
		for i := range mask4 {
			ip[i] &= mask4[i]
		}
		ip[0] |= (r & 7) << 5
		return crc32.Checksum(ip[:], castagnoli)
	}
	full := addr.As16()
	ip := [8]byte(full[:8])
	for i := range mask6 {
		ip[i] &= mask6[i]
	}
	ip[0] |= (r & 7) << 5
	return crc32.Checksum(ip[:], castagnoli)
}

// SecureID draws a node ID that BEP 42 allows for the external address addr.
func SecureID(addr netip.Addr, r *rand.Rand) ID {
	id := randomID(r)
	crc := secureCRC(addr.Unmap(), id[19])
	id[0] = byte(crc >> 24)
	id[1] = byte(crc >> 16)
	id[2] = byte(crc>>8)&0xf8 | id[2]&7
	return id
}

// Secure reports whether id may be used from addr according to BEP 42. Local
// addresses are exempt: the address others see is not known for them.
func Secure(id ID, addr netip.Addr) bool {
	addr = addr.Unmap()
	if isLocal(addr) {
		return true
	}
	crc := secureCRC(addr, id[19])
	return id[0] == byte(crc>>24) && id[1] == byte(crc>>16) && id[2]&0xf8 == byte(crc>>8)&0xf8
}
