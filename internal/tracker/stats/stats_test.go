package stats

import (
	"net/netip"
	"testing"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

func TestAllCountersAreSummed(t *testing.T) {
	type event struct {
		r  limit.Reason
		ip netip.Addr
	}
	var told []event
	s := NewSet(func(r limit.Reason, ip netip.Addr) { told = append(told, event{r, ip}) })
	a, b := s.New(), s.New()
	ip := netip.MustParseAddr("192.0.2.1")
	a.Announces[UDP].Add(2)
	b.Announces[UDP].Add(3)
	s.Shared().Offers.Add(1)
	a.Limit(limit.Conns, ip)
	b.Refuse(HTTP, limit.Malformed, ip)
	sum := s.Sum()
	if sum.Announces[UDP] != 5 || sum.Offers != 1 || sum.Refused[HTTP] != 1 || sum.Limits[limit.Conns] != 1 || sum.Limits[limit.Malformed] != 1 {
		t.Errorf("%+v", sum)
	}
	if len(told) != 2 || told[0] != (event{limit.Conns, ip}) || told[1] != (event{limit.Malformed, ip}) {
		t.Errorf("told %v", told)
	}
}
