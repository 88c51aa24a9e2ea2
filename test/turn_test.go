//go:build unix

package test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

var adminLine = regexp.MustCompile(`operator's pages.*address=(\S+)`)

// startRelay runs `shoal tracker` with TURN for peers on loopback. relayed says how many
// sessions it has opened so far, and what it has relayed: two tabs that are done part at once.
func startRelay(t *testing.T) (ws string, relayed func() (opened, bytes int)) {
	p, addr := startTracker(t, "--turn", "127.0.0.1:0", "--turn-allow-peer", "127.0.0.0/8", "--turn-session-rate", "off", "--turn-addr-rate", "off",
		"--turn-total-rate", "off", "--admin", "127.0.0.1:0")
	rig.Poll(t, "the operator's pages", 10*time.Second, func() bool { return adminLine.MatchString(p.Stderr()) })
	stats := "http://" + adminLine.FindStringSubmatch(p.Stderr())[1] + "/stats.json"
	return "ws://" + addr + "/announce", func() (int, int) {
		var s struct{ Relay struct{ Opened, Bytes int } }
		if err := json.Unmarshal(rig.Fetch(t, stats), &s); err != nil {
			t.Fatal(err)
		}
		return s.Relay.Opened, s.Relay.Bytes
	}
}

// relayTab opens a tab of node's page that knows one tracker, has no STUN server, and offers
// none but relayed addresses: what it knows of relays, the tracker has told it.
func relayTab(b *rig.Browser, n *rig.Node, ws string) rig.Tab {
	return rig.OpenTabWith(b, n, `{ relayOnly: true, iceServers: [], trackers: ['`+ws+`'] }`)
}

func TestTabsMeetThroughTheTrackersRelay(t *testing.T) {
	ws, relayed := startRelay(t)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 3_000_000, 70)
	n := rig.Share(t, file, "--v1") // serves the page, and the bytes
	seed := relayTab(b, n, ws)
	_, hash := seed.Seed(n.StreamURL("one.bin"), "one.bin")
	leech := relayTab(b, n, ws)
	leech.Add("magnet:?xt=urn:btih:" + hash + "&tr=" + ws)
	leech.WaitDone(120 * time.Second)
	leech.Same(file)
	// Up one session and down the other.
	if opened, bytes := relayed(); opened < 2 || bytes < 2*3_000_000 {
		t.Errorf("the relay has opened %d sessions and has seen %d bytes", opened, bytes)
	}
	if bad := b.Broken(); len(bad) > 0 {
		t.Errorf("the pages broke:\n%s", strings.Join(bad, "\n"))
	}
}

func TestATabBehindARelayReachesAShare(t *testing.T) {
	ws, relayed := startRelay(t)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 3_000_000, 71)
	n := rig.Share(t, file, "--tracker", ws)
	tab := relayTab(b, n, ws)
	tab.Add("magnet:?xt=urn:btih:" + n.InfoHash + "&tr=" + ws)
	tab.WaitDone(120 * time.Second)
	tab.Same(file)
	if _, bytes := relayed(); bytes < 3_000_000 {
		t.Errorf("the relay has seen %d bytes", bytes)
	}
}
