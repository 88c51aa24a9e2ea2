package trackerclient

import (
	"slices"
	"strconv"
	"testing"
)

// started takes everything out of a line that may start now.
func started(l *line) (hosts []string) {
	for j := l.next(); j != nil; j = l.next() {
		hosts = append(hosts, j.host)
	}
	return hosts
}

func tally[T comparable](list []T, v T) (n int) {
	for _, x := range list {
		if x == v {
			n++
		}
	}
	return n
}

func TestTrackersTakeTurns(t *testing.T) {
	var l line
	for range 100 {
		l.add(&job{host: "busy"}, false)
	}
	l.add(&job{host: "small"}, false)
	if got := started(&l); tally(got, "busy") != maxFlyingAt || tally(got, "small") != 1 {
		t.Fatalf("started %v", got)
	}
	farewell := &job{host: "busy"}
	l.add(farewell, true)
	l.done("busy", false)
	if j := l.next(); j != farewell {
		t.Error("a farewell does not go first")
	}
	if got := started(&l); len(got) != 0 {
		t.Errorf("one place became free, %d more started", len(got))
	}
	for range 10 {
		for i := range 10 {
			l.add(&job{host: strconv.Itoa(i)}, false)
		}
	}
	l.done("small", false)
	started(&l)
	if l.flying != maxFlying {
		t.Errorf("%d are under way, want %d", l.flying, maxFlying)
	}
}

func TestSilentTrackersDoNotKeepOthersWaiting(t *testing.T) {
	var l line
	var dead []string
	for i := range 2 * maxFlying {
		dead = append(dead, "dead"+strconv.Itoa(i))
		for range 3 {
			l.add(&job{host: dead[i]}, false)
		}
	}
	// All of them fail once.
	failed := map[string]int{}
	var flying []string
	for len(failed) < len(dead) {
		flying = append(flying, started(&l)...)
		h := flying[0]
		flying = flying[1:]
		l.done(h, true)
		failed[h]++
	}
	flying = append(flying, started(&l)...)
	for len(flying) > 0 && l.silent < l.flying {
		i := slices.IndexFunc(flying, func(h string) bool { return l.hosts[h].asSilent == 0 })
		h := flying[i]
		flying = slices.Delete(flying, i, i+1)
		l.done(h, true)
		flying = append(flying, started(&l)...)
	}
	if l.flying != maxSilent {
		t.Errorf("%d announces to silent trackers at a time, want %d", l.flying, maxSilent)
	}
	for h := range l.hosts {
		if l.hosts[h].flying > 1 {
			t.Errorf("%s does not answer, and is asked %d times at once", h, l.hosts[h].flying)
		}
	}
	l.add(&job{host: "alive"}, false)
	if got := started(&l); !slices.Equal(got, []string{"alive"}) {
		t.Errorf("started %v", got)
	}
	for len(flying) > 0 { // they come back
		l.done(flying[0], false)
		flying = append(flying[1:], started(&l)...)
	}
	l.done("alive", false)
	if l.flying != 0 || l.silent != 0 || len(l.hosts) != 0 || len(l.turns) != 0 {
		t.Errorf("left behind: %+v", l)
	}
}
