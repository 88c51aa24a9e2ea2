package admin

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/history"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/tracker"
)

func hash(n byte) (h [20]byte) { h[0] = n; return h }

// An operator sees the torrents that matter, by their names where the lists say them.
func TestSwarms(t *testing.T) {
	dir := t.TempDir()
	allow, deny := filepath.Join(dir, "allow"), filepath.Join(dir, "deny")
	v2 := strings.Repeat("ab", 32)
	write := func(path string, lines ...string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	hexed := func(n byte) string { h := hash(n); return hex.EncodeToString(h[:]) }
	write(allow, "# a list", hexed(1)+" #  Big Buck\tBunny \x00 ", hexed(2), "  "+strings.ToUpper(hexed(3))+"# "+strings.Repeat("ä", 200), v2+" # new", hexed(4)+" # first",
		strings.Repeat("x", 10000)+"# long", hexed(5)+" # "+strings.Repeat("y", 10000))
	write(deny, hexed(4)+" # second", hexed(6)+" # not wanted")
	asked := 0
	all := []tracker.Swarm{{InfoHash: hash(1), Seeders: 2, WebRTCPeers: 30, TCPPeers: 4, Downloads: 5}, {InfoHash: hash(2)}, {InfoHash: hash(3)}, {InfoHash: hash(4)}, {InfoHash: hash(6)}, {InfoHash: hash(5)}}
	h := open(t, Config{Tracker: busy(), Names: []string{allow, filepath.Join(dir, "gone"), deny}, Largest: func(n int) []tracker.Swarm {
		asked++
		return all[:min(n, len(all))]
	}})
	got := decode[swarmsJSON](t, ask(h, "GET", "/swarms.json")).Swarms
	want := []string{"Big Buck Bunny", "", strings.Repeat("ä", maxName-1) + "…", "first", "not wanted", ""}
	for i := range want {
		if got[i].Name != want[i] || got[i].InfoHash != hex.EncodeToString(all[i].InfoHash[:]) {
			t.Errorf("%d: %+v, want %q", i, got[i], want[i])
		}
	}
	if g := got[0]; g.Seeders != 2 || g.WebRTCPeers != 30 || g.TCPPeers != 4 || g.Downloads != 5 {
		t.Errorf("%+v", g)
	}
	ask(h, "GET", "/swarms.json")
	if asked != 1 {
		t.Errorf("the tracker was asked %d times", asked)
	}
	// A list that has changed is read again.
	write(allow, hexed(2)+" # another")
	if err := os.Chtimes(allow, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if named := h.names.of([][20]byte{hash(1), hash(2), [20]byte([]byte(strings.Repeat("\xab", 20)))}); len(named) != 1 || named[hash(2)] != "another" {
		t.Errorf("%v", named)
	}
}

func TestPast(t *testing.T) {
	dir := t.TempDir()
	s, err := history.Open(filepath.Join(dir, "history.db"), history.Config{})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "list")
	h9 := hash(9)
	if err := os.WriteFile(list, []byte(hex.EncodeToString(h9[:])+" # Sintel"), 0o644); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	t.Cleanup(func() { s.Close(now) })
	s.Completed(hash(9), now)
	s.Seen(hash(9), 40, now)
	s.Add(history.Sample{WebRTCPeers: 7, Announces: 11}, now)
	h := open(t, Config{Tracker: busy(), Past: s, Names: []string{list}})
	p := decode[pastJSON](t, ask(h, "GET", "/past.json"))
	if len(p.Top) != 1 || p.Top[0].Name != "Sintel" || p.Top[0].Downloads != 1 || p.Top[0].Peak != 40 {
		t.Errorf("%+v", p.Top)
	}
	if len(p.Hours) != 1 || len(p.Days) != 1 || p.Hours[0].WebRTCPeers != 7 || p.Days[0].Announces != 11 {
		t.Errorf("%+v", p)
	}
	for path, want := range map[string]int{"/swarms.json": 404, "/past.json": 200} {
		if r := ask(h, "GET", path); r.StatusCode != want {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
}

// Limits that are in force, how much of them is in use, and whether they were reached.
func TestLimitsInForce(t *testing.T) {
	f := busy()
	f.set(func(s *tracker.Stats) { s.Reasons[limit.AnnouncesPerAddr] = 21; s.Reasons[limit.RelaySessions] = 3 })
	h := open(t, Config{Tracker: f, Limits: &tracker.Limits{
		Conns: 100, Peers: 26, PeersPerAddr: -1, Buffers: 8192, AnnouncesPerAddr: tracker.Rate{PerSecond: 5, Burst: 50},
	}, Relay: func() Relay { return Relay{Sessions: 2, MaxSessions: 4} }})
	got := make(map[string]limitJSON)
	for _, l := range decode[statsJSON](t, ask(h, "GET", "/stats.json")).Limits {
		got[l.Setting] = l
	}
	for setting, want := range map[string]struct {
		limit, used float64
		unit        string
		hits        uint64
	}{
		"max-conns": {100, 10, "", 0}, "max-peers": {26, 13, "", 0}, "max-buffers": {8192, 4096, "bytes", 13},
		"announce-rate-per-addr": {5, -1, "per_second", 21}, "turn-max-sessions": {4, 2, "", 3},
	} {
		l, ok := got[setting]
		used := -1.0
		if l.Used != nil {
			used = *l.Used
		}
		if !ok || l.Limit != want.limit || used != want.used || l.Unit != want.unit || l.Hits != want.hits {
			t.Errorf("%s: %+v", setting, l)
		}
		delete(got, setting)
	}
	if len(got) > 0 {
		t.Errorf("limits that are none: %v", got)
	}
	if l := decode[statsJSON](t, ask(open(t, Config{Tracker: busy()}), "GET", "/stats.json")).Limits; l == nil || len(l) > 0 {
		t.Errorf("%v", l)
	}
}

func TestKeptForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k kept[int]
		n := 0
		get := func() int { return k.get(func() int { n++; return n }) }
		if a, b := get(), get(); a != 1 || b != 1 {
			t.Error(a, b)
		}
		time.Sleep(swarmsFor)
		if get() != 2 {
			t.Error("an old value")
		}
	})
}

// The page says each reason in words.
func TestThePageKnowsReasons(t *testing.T) {
	script := file("sections.js")
	_, table, _ := strings.Cut(script, "const REASONS = {")
	table, _, _ = strings.Cut(table, "};")
	for r := range limit.NumReasons {
		if name := limit.Reason(r).String(); limit.Reason(r) != limit.None && !regexp.MustCompile(`\b`+name+`: '`).MatchString(table) {
			t.Errorf("sections.js does not say what %s is", name)
		}
	}
}
