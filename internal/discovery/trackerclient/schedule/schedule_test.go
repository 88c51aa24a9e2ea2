package schedule

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

var cfg = Config{
	DefaultInterval: 30 * time.Minute, MinInterval: time.Minute, MaxInterval: time.Hour,
	RetryMin: 5 * time.Second, RetryMax: time.Hour,
}

// A rig runs a Machine on a clock of its own.
type rig struct {
	t   *testing.T
	m   *Machine
	now time.Time
}

func newRig(t *testing.T, cfg Config, tiers ...[]string) *rig {
	return &rig{t, New(cfg, tiers, rand.New(rand.NewPCG(1, 2))), t0}
}

// due expects an announce to be due now.
func (r *rig) due(url string, ev Event) {
	r.t.Helper()
	a, ok := r.m.Next(r.now)
	if !ok || a.URL != url || a.Event != ev {
		r.t.Fatalf("at %v: %v %+v, want %q to %s", r.now.Sub(t0), ok, a, ev, url)
	}
	if again, ok := r.m.Next(r.now); ok {
		r.t.Fatalf("a second announce in flight: %+v", again)
	}
}

func (r *rig) idle() {
	r.t.Helper()
	if a, ok := r.m.Next(r.now); ok {
		r.t.Fatalf("at %v: %+v, want nothing", r.now.Sub(t0), a)
	}
}

// wait moves the clock to the deadline, which has to be in [least, most] from now.
func (r *rig) wait(least, most time.Duration) {
	r.t.Helper()
	at, ok := r.m.Deadline()
	if d := at.Sub(r.now); !ok || d < least || d > most {
		r.t.Fatalf("deadline in %v (%v), want %v to %v", d, ok, least, most)
	}
	if at.After(r.now) {
		r.now = at.Add(-1)
		r.idle()
		r.now = at
	}
}

func (r *rig) ok(interval time.Duration) { r.m.Succeeded(r.now, interval, 0) }

func TestEventsInOrder(t *testing.T) {
	r := newRig(t, cfg, []string{"a"})
	r.due("a", Started)
	r.ok(10 * time.Minute)
	r.wait(10*time.Minute, 10*time.Minute+30*time.Second)
	r.due("a", None)
	r.ok(10 * time.Minute)
	r.now = r.now.Add(time.Second)
	r.m.Complete(r.now) // at once, whatever the interval
	r.due("a", Completed)
	r.ok(10 * time.Minute)
	r.m.Complete(r.now) // once
	r.wait(10*time.Minute, 11*time.Minute)
	r.due("a", None)
	r.ok(10 * time.Minute)
	if got := r.m.Stop(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("stop to %v", got)
	}
	r.now = r.now.Add(time.Hour)
	r.idle()
	if got := r.m.Stop(); got != nil {
		t.Errorf("second stop to %v", got)
	}
	if _, ok := r.m.Deadline(); ok {
		t.Error("a stopped machine waits")
	}
}

func TestCompletedWhileTheStartIsInFlight(t *testing.T) {
	r := newRig(t, cfg, []string{"a"})
	r.due("a", Started)
	r.m.Complete(r.now)
	r.idle()
	r.ok(time.Minute)
	r.due("a", Completed)
}

func TestCompletedIsRepeatedUntilTaken(t *testing.T) {
	r := newRig(t, cfg, []string{"a"})
	r.due("a", Started)
	r.ok(time.Minute)
	r.m.Complete(r.now)
	r.due("a", Completed)
	r.m.Failed(r.now, 0)
	r.wait(3*time.Second, 7*time.Second)
	r.due("a", Completed)
}

func TestIntervalClamping(t *testing.T) {
	for _, tc := range []struct {
		name            string
		interval, least time.Duration
		want            time.Duration
	}{
		{"none", 0, 0, 30 * time.Minute},
		{"negative", -5 * time.Minute, -1, 30 * time.Minute},
		{"one second", time.Second, 0, time.Minute},
		{"as asked", 7 * time.Minute, 0, 7 * time.Minute},
		{"a week", 7 * 24 * time.Hour, 0, time.Hour},
		{"all there is", 1<<63 - 1, 1<<63 - 1, time.Hour},
		{"least above the interval", 5 * time.Minute, 20 * time.Minute, 20 * time.Minute},
	} {
		r := newRig(t, cfg, []string{"a"})
		r.due("a", Started)
		r.m.Succeeded(r.now, tc.interval, tc.least)
		if got := r.m.Interval(); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
		r.wait(tc.want, tc.want+tc.want/20)
	}
}

func TestBackoff(t *testing.T) {
	r := newRig(t, cfg, []string{"a"})
	want := 5 * time.Second
	for range 14 {
		r.due("a", Started)
		r.m.Failed(r.now, 0)
		r.wait(want*3/4, want*5/4)
		want = min(2*want, time.Hour)
	}
	r.due("a", Started)
	r.ok(time.Minute)
	r.wait(time.Minute, 2*time.Minute)
	r.due("a", None)
	r.m.Failed(r.now, 0)
	r.wait(3*time.Second, 7*time.Second) // a success has reset it
}

func TestBackoffNeverOverflows(t *testing.T) {
	b := Backoff{Min: 5 * time.Second, Max: time.Hour}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		if d := b.Next(rng); d <= 0 || d > 75*time.Minute {
			t.Fatal(d)
		}
	}
}

// BEP 12: tiers in order, within a tier the one that answered in front.
func TestTiers(t *testing.T) {
	r := newRig(t, cfg, []string{"a", "b", "c"}, []string{"d"})
	var tried []string
	for range 4 {
		a, ok := r.m.Next(r.now)
		if !ok || a.Event != Started {
			t.Fatalf("%v %+v", ok, a)
		}
		tried = append(tried, a.URL)
		if len(tried) < 4 {
			r.m.Failed(r.now, 0)
		}
	}
	first := slices.Clone(tried[:3])
	slices.Sort(first)
	if !slices.Equal(first, []string{"a", "b", "c"}) || tried[3] != "d" {
		t.Fatalf("tried in the order %v", tried)
	}
	r.ok(time.Minute) // d answered; but the first tier is tried first again
	r.wait(time.Minute, 2*time.Minute)
	r.due(tried[0], Started)
	r.m.Failed(r.now, 0)
	r.due(tried[1], Started)
	r.ok(time.Minute) // moves to the front of its tier
	r.wait(time.Minute, 2*time.Minute)
	r.due(tried[1], None)
	r.ok(time.Minute)
	// Completed goes to the one that knows us, and to no second one.
	r.m.Complete(r.now)
	r.due(tried[1], Completed)
	r.ok(time.Minute)
	r.wait(time.Minute, 2*time.Minute)
	r.due(tried[1], None)
	r.m.Failed(r.now, 0)
	r.due(tried[0], Started)
	r.ok(time.Minute)
	r.wait(time.Minute, 2*time.Minute)
	r.due(tried[0], None)
	r.ok(time.Minute)
	got := r.m.Stop()
	slices.Sort(got)
	want := []string{tried[0], tried[1], "d"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("stop to %v, want those that were told of a start: %v", got, want)
	}
}

func TestOrderWithinATierIsRandom(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(30) {
		m := New(cfg, [][]string{{"a", "b", "c"}}, rand.New(rand.NewPCG(seed, 0)))
		a, _ := m.Next(t0)
		seen[a.URL] = true
	}
	if len(seen) != 3 {
		t.Errorf("first are only %v", seen)
	}
}

func TestRetryIn(t *testing.T) {
	r := newRig(t, cfg, []string{"a"}, []string{"b"})
	r.due("a", Started)
	r.m.Failed(r.now, 10*time.Minute)
	r.due("b", Started)
	r.m.Failed(r.now, 20*time.Minute)
	r.wait(10*time.Minute, 10*time.Minute) // before that nobody wants to hear us
	r.due("a", Started)
	r.m.Failed(r.now, -1)
	r.wait(10*time.Minute, 11*time.Minute)
	r.due("b", Started)
	r.m.Failed(r.now, -1)
	if at, ok := r.m.Deadline(); ok {
		t.Errorf("all said never, still waiting for %v", at)
	}
	r.now = r.now.Add(24 * time.Hour)
	r.idle()
}

func TestUpdate(t *testing.T) {
	r := newRig(t, cfg, []string{"a"})
	r.m.Update(r.now)
	r.due("a", Started)
	r.m.Succeeded(r.now, 30*time.Minute, 3*time.Minute)
	r.now = r.now.Add(time.Minute)
	r.m.Update(r.now)
	r.wait(2*time.Minute, 2*time.Minute) // the tracker wants 3 minutes between two
	r.due("a", None)
	r.ok(30 * time.Minute)
	r.now = r.now.Add(10 * time.Minute)
	r.m.Update(r.now)
	r.due("a", None)
	r.ok(30 * time.Minute)
	r.m.Hurry(r.now, time.Second)
	r.wait(time.Second, time.Second)
	r.due("a", None)
	r.m.Failed(r.now, 0)
	r.m.Update(r.now) // does not override the backoff
	r.wait(3*time.Second, 7*time.Second)
}

func TestConnectionLostAndFound(t *testing.T) {
	r := newRig(t, cfg, []string{"ws"})
	r.m.Offline()
	r.idle()
	if _, ok := r.m.Deadline(); ok {
		t.Error("a machine without connection waits for time")
	}
	r.m.Online(r.now)
	r.due("ws", Started)
	r.ok(2 * time.Minute)
	r.m.Complete(r.now)
	r.due("ws", Completed)
	r.ok(2 * time.Minute)
	r.m.Offline()
	r.now = r.now.Add(time.Hour)
	r.m.Succeeded(r.now, time.Minute, 0) // comes too late, means nothing
	r.idle()
	if got := r.m.Stop(); got != nil {
		t.Errorf("stop without a connection to %v", got)
	}
	r = newRig(t, cfg, []string{"ws"})
	r.due("ws", Started)
	r.m.Offline()
	r.m.Online(r.now)
	r.due("ws", Started)
	if got := r.m.Stop(); len(got) != 1 {
		t.Errorf("the start may have arrived, stop to %v", got)
	}
}

func TestReplyTimeout(t *testing.T) {
	c := cfg
	c.ReplyTimeout = 30 * time.Second
	r := newRig(t, c, []string{"a"}, []string{"b"})
	r.due("a", Started)
	r.now = r.now.Add(29 * time.Second)
	r.idle()
	r.now = r.now.Add(time.Second)
	r.due("b", Started)
	at, ok := r.m.Deadline()
	if !ok || at.Sub(r.now) != 30*time.Second {
		t.Errorf("deadline in %v", at.Sub(r.now))
	}
}

func TestNoTrackers(t *testing.T) {
	r := newRig(t, cfg, []string{""}, nil)
	r.idle()
	if _, ok := r.m.Deadline(); ok {
		t.Error("waits for nothing")
	}
	if newRig(t, cfg, []string{"a", "a"}, []string{"a"}).m.tiers[0][0].url != "a" {
		t.Error("lost a tracker")
	}
}

// FuzzMachine throws calls at a Machine in any order; it must not panic, never have
// two announces in flight and always have either a deadline or a reason to wait.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 3, 0, 1, 4, 5, 0, 6, 7, 0, 8})
	f.Fuzz(func(t *testing.T, ops []byte) {
		c := cfg
		if len(ops)%2 == 0 {
			c.ReplyTimeout = 30 * time.Second
		}
		m := New(c, [][]string{{"a", "b"}, {"c"}}, rand.New(rand.NewPCG(3, 4)))
		now, started, completions := t0, map[string]bool{}, 0
		var flying *Announce
		for i, op := range ops {
			now = now.Add(time.Duration(i%7) * 13 * time.Second)
			switch op % 9 {
			case 0:
				a, ok := m.Next(now)
				if !ok {
					break
				}
				if flying != nil && c.ReplyTimeout == 0 {
					t.Fatal("two announces in flight")
				}
				if a.Event == Started == started[a.URL] {
					t.Fatalf("%+v, known there: %v", a, started[a.URL])
				}
				flying = &a
			case 1:
				m.Succeeded(now, time.Duration(int8(op))*time.Minute, 0)
				if flying != nil && m.flying == nil {
					started[flying.URL] = true
					if flying.Event == Completed {
						completions++
					}
				}
				flying = nil
			case 2:
				m.Failed(now, time.Duration(int8(op/9))*time.Minute)
				flying = nil
			case 3:
				m.Complete(now)
			case 4:
				m.Update(now)
			case 5, 6:
				if op%9 == 5 {
					m.Offline()
				} else {
					m.Online(now)
				}
				clear(started)
				flying = nil
			case 7:
				if at, ok := m.Deadline(); ok && at.After(now) {
					now = at
				} else if !ok && m.flying == nil && !m.offline && !m.stopped && !m.exhausted() {
					t.Fatal("waits for nothing")
				}
			case 8:
				if op > 200 {
					m.Stop()
				}
			}
			if m.flying == nil {
				flying = nil
			}
		}
		if completions > 1 {
			t.Fatal("completed twice")
		}
	})
}
