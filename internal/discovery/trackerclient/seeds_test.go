//go:build !js

package trackerclient

import (
	"testing"
	"time"
)

// Two that are complete have nothing to give each other: a seed makes offers for those only
// who lack something, as far as its tracker tells.
func TestSeedsOfferNothingToSeeds(t *testing.T) {
	for left, replies := range map[int64]map[string]int{
		0: {`"complete":4,"incomplete":0`: 0, `"complete":4,"incomplete":2`: 2, `"complete":1,"incomplete":1`: 1},
		5: {`"complete":4,"incomplete":1`: 4, `"complete":0,"incomplete":3`: 2, `"complete":0,"incomplete":1`: 0},
	} {
		for reply, want := range replies {
			e := newEvilTracker(t)
			n := newNode(t, newNet(), func(c *Config) { c.MaxInterval = 20 * time.Millisecond })
			n.start(1, left, 5, e.url)
			c, _ := e.accept(t)
			c.send(`{"action":"announce","info_hash":` + key() + `,"interval":1,` + reply + `}`)
			if a := c.recv(); len(a.Offers) != want {
				t.Errorf("%d bytes left, %s: %d offers", left, reply, len(a.Offers))
			}
		}
	}
}
