package tracker_test

import (
	"net/netip"
	"testing"

	"github.com/shoal-p2p/shoal/tracker"
)

// Whoever embeds a tracker can name all that its Config wants.
func TestLocateByNamesOfThisPackage(t *testing.T) {
	var places map[netip.Addr]tracker.Place = map[netip.Addr]tracker.Place{netip.MustParseAddr("192.0.2.1"): {ASN: 1}}
	cfg := tracker.Config{
		Locality: tracker.LocalityFull,
		Locate: func(a netip.Addr) tracker.Place {
			if p, known := places[a]; known {
				return p
			}
			return tracker.PlaceOf(a)
		},
	}
	tr, err := tracker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tr.Close()
	if a, b := tracker.PlaceOf(netip.MustParseAddr("192.0.2.1")), tracker.PlaceOf(netip.MustParseAddr("192.0.2.9")); a.Prefix != b.Prefix || a.Addr == b.Addr {
		t.Errorf("%v, %v", a, b)
	}
	if _, err := tracker.OpenPlaces("/nonexistent.mmdb"); err == nil {
		t.Error("a database that is not there: no error")
	}
}
