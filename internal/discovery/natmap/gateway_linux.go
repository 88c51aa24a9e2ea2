package natmap

import (
	"encoding/binary"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// defaultGateways reads the kernel's routing table.
func defaultGateways() []netip.Addr {
	b, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return guessGateways(privatePrefixes())
	}
	return parseRoutes(string(b))
}

// parseRoutes finds the gateways of default routes in /proc/net/route: columns
// of interface, destination, gateway, flags and more, where addresses are
// hexadecimal numbers in the order of this computer's memory.
func parseRoutes(table string) []netip.Addr {
	const up, gateway = 1, 2
	var out []netip.Addr
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		via, err := strconv.ParseUint(f[2], 16, 32)
		flags, err2 := strconv.ParseUint(f[3], 16, 32)
		if err != nil || err2 != nil || via == 0 || flags&(up|gateway) != up|gateway {
			continue
		}
		var a [4]byte
		binary.NativeEndian.PutUint32(a[:], uint32(via))
		if g := netip.AddrFrom4(a); g.IsPrivate() {
			out = append(out, g)
		}
	}
	return out
}
