package cluster

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/tracker"
)

// Viewers on three trackers never meet each other; all of them meet the one whom the operator trusts.
func TestViewersOfThreeTrackersMeetTheTrusted(t *testing.T) {
	noLeaks(t)
	ns := startNATS(t, -1, nil)
	var sites []*site
	for range 3 {
		sites = append(sites, startSiteWith(t, ns.ClientURL(), tracker.Config{TrustedOnly: true, AllowClient: func(c *tracker.Client) error {
			if c.Query == "staff" {
				c.Trust = tracker.Trusted
			}
			return nil
		}}))
	}
	for _, s := range sites {
		until(t, "the trackers know each other", func() bool { return s.cluster.Stats().Nodes == 3 })
	}
	const hash = "stream--------------"
	var viewers []*tab
	for i := range 12 {
		viewers = append(viewers, openTab(t, sites[i%3], hash, fmt.Sprintf("%-20.20s", fmt.Sprintf("viewer %d", i))))
		viewers[i].announce("started", 0)
	}
	for _, v := range viewers {
		until(t, "viewers are counted", func() bool { return v.replied(1) })
	}
	staff := openTabAt(t, sites[1], "/announce?staff", hash, "staff---------------")
	staff.announce("started", 0)
	round := 0
	until(t, "every viewer meets the trusted peer", func() bool {
		round++
		met := 0
		for _, v := range viewers {
			if v.met() {
				met++
			} else if round%50 == 0 {
				v.announce("", round)
			}
		}
		return met == len(viewers)
	})
	for _, v := range viewers {
		v.mu.Lock()
		for _, sdp := range v.offers {
			if !strings.HasPrefix(sdp, "v=0 of staff") {
				t.Errorf("%s got %q", v.id, sdp)
			}
		}
		v.mu.Unlock()
	}
	staff.mu.Lock()
	defer staff.mu.Unlock()
	if len(staff.offers)+len(staff.answers) < len(viewers) {
		t.Errorf("the trusted peer got %d offers and %d answers", len(staff.offers), len(staff.answers))
	}
}
