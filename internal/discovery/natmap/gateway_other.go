//go:build !linux

package natmap

import "net/netip"

// defaultGateways guesses: reading the routing table is another matter on
// every system, and UPnP needs no gateway address.
func defaultGateways() []netip.Addr { return guessGateways(privatePrefixes()) }
