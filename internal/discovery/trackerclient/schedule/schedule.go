// Package schedule decides when a torrent is announced to which tracker.
//
// A Machine stands for one torrent at one set of trackers that are tried in turn,
// as BEP 12 says: tier by tier, within a tier in random order with the one that
// last answered in front, until one answers. A WebSocket tracker is a set of
// one. The Machine reads no clock: every call takes the current time, and
// Deadline says when to call again.
package schedule

import (
	"math/rand/v2"
	"time"
)

// Event is what an announce reports.
type Event uint8

// The events. None is a plain update.
const (
	None Event = iota
	Started
	Completed
	Stopped
)

// String returns the name that HTTP and WebSocket trackers read; "" for None.
func (e Event) String() string { return [...]string{"", "started", "completed", "stopped"}[e&3] }

// Config bounds a Machine. All fields except ReplyTimeout must be positive.
type Config struct {
	DefaultInterval time.Duration // when the tracker asks for none, or for nonsense
	MinInterval     time.Duration // least time between two announces that are no events
	MaxInterval     time.Duration // the longest interval that a tracker can ask for
	RetryMin        time.Duration // wait after the first failure of all trackers
	RetryMax        time.Duration // longest wait after a failure
	// ReplyTimeout fails an announce that is not answered in time. 0 means that
	// the caller does that.
	ReplyTimeout time.Duration
}

// An Announce is to be sent.
type Announce struct {
	URL   string
	Event Event
}

// A Machine is one torrent's schedule. It is not safe for concurrent use.
type Machine struct {
	cfg     Config
	rng     *rand.Rand
	tiers   [][]*tracker
	backoff Backoff

	offline       bool
	stopped       bool
	completed     bool
	completedSent bool // a tracker has taken it; no other one needs it

	// The round that is running: trackers are tried from (tier, index) on.
	running     bool
	tier, index int
	flying      *tracker // its announce is not answered yet
	sent        time.Time
	event       Event // of the flying announce

	next     time.Time // when the next round starts
	last     time.Time // when the last successful announce was answered
	interval time.Duration
	min      time.Duration // least interval, as the tracker says
}

type tracker struct {
	url       string
	started   bool // it knows of us
	dead      bool // it does not want to be asked again
	notBefore time.Time
}

// New returns a Machine that is due at once. Empty URLs and duplicates are dropped.
func New(cfg Config, tiers [][]string, rng *rand.Rand) *Machine {
	m := &Machine{cfg: cfg, rng: rng, backoff: Backoff{Min: cfg.RetryMin, Max: cfg.RetryMax}, min: cfg.MinInterval}
	seen := map[string]bool{"": true}
	for _, urls := range tiers {
		var tier []*tracker
		for _, u := range urls {
			if !seen[u] {
				seen[u] = true
				tier = append(tier, &tracker{url: u})
			}
		}
		rng.Shuffle(len(tier), func(i, j int) { tier[i], tier[j] = tier[j], tier[i] })
		if len(tier) > 0 {
			m.tiers = append(m.tiers, tier)
		}
	}
	return m
}

// Next returns the announce to send now, if there is one. The caller reports its
// outcome by Succeeded or Failed before anything else is sent.
func (m *Machine) Next(now time.Time) (Announce, bool) {
	if m.flying != nil && m.cfg.ReplyTimeout > 0 && now.Sub(m.sent) >= m.cfg.ReplyTimeout {
		m.Failed(now, 0)
	}
	if m.stopped || m.offline || m.flying != nil || !m.running && now.Before(m.next) {
		return Announce{}, false
	}
	if !m.running {
		m.running, m.tier, m.index = true, 0, 0
	}
	t := m.candidate(now)
	if t == nil {
		m.endRound(now)
		return Announce{}, false
	}
	m.flying, m.sent = t, now
	switch {
	case !t.started:
		m.event = Started
	case m.completed && !m.completedSent:
		m.event = Completed
	default:
		m.event = None
	}
	return Announce{URL: t.url, Event: m.event}, true
}

// candidate moves the round on to the next tracker that may be asked.
func (m *Machine) candidate(now time.Time) *tracker {
	for ; m.tier < len(m.tiers); m.tier, m.index = m.tier+1, 0 {
		for ; m.index < len(m.tiers[m.tier]); m.index++ {
			if t := m.tiers[m.tier][m.index]; !t.dead && !now.Before(t.notBefore) {
				return t
			}
		}
	}
	return nil
}

// endRound plans the next round after one in which no tracker answered.
func (m *Machine) endRound(now time.Time) {
	m.running = false
	m.next = now.Add(m.backoff.Next(m.rng))
	// When all have said when they want to be asked again, before that is no use.
	var earliest time.Time
	for _, tier := range m.tiers {
		for _, t := range tier {
			if !t.dead && (earliest.IsZero() || t.notBefore.Before(earliest)) {
				earliest = t.notBefore
			}
		}
	}
	if earliest.After(m.next) {
		m.next = earliest
	}
}

// Succeeded reports the answer to the announce that Next returned, with the
// interval and the least interval that the tracker asks for; 0 or a negative
// duration means that it does not.
func (m *Machine) Succeeded(now time.Time, interval, least time.Duration) {
	t := m.flying
	if t == nil {
		return
	}
	m.flying, m.running = nil, false
	m.backoff.Reset()
	switch m.event {
	case Started:
		t.started = true
	case Completed:
		m.completedSent = true
	}
	tier := m.tiers[m.tier]
	copy(tier[1:m.index+1], tier[:m.index])
	tier[0] = t

	if interval <= 0 {
		interval = m.cfg.DefaultInterval
	}
	m.min = min(max(least, m.cfg.MinInterval), m.cfg.MaxInterval)
	m.interval = min(max(interval, m.min), m.cfg.MaxInterval)
	m.last = now
	// A little later than asked, by chance: crowds that came together spread out.
	m.next = now.Add(m.interval + time.Duration(m.rng.Int64N(int64(m.interval/20)+1)))
	if m.completed && !m.completedSent {
		m.next = now
	}
}

// Failed reports that the announce that Next returned was refused or not answered.
// retryIn is when the tracker wants to be asked again; 0 = it did not say,
// negative = never. Next then tries the next tracker, or waits.
func (m *Machine) Failed(now time.Time, retryIn time.Duration) {
	t := m.flying
	if t == nil {
		return
	}
	m.flying = nil
	switch {
	case retryIn < 0:
		t.dead = true
	case retryIn > 0:
		t.notBefore = now.Add(min(retryIn, 24*time.Hour))
	}
	m.index++
	if m.candidate(now) == nil {
		m.endRound(now)
	}
}

// Complete reports that the download is complete; only once, and not for a torrent
// that was complete from the start.
func (m *Machine) Complete(now time.Time) {
	if m.completed {
		return
	}
	m.completed = true
	if t := m.current(); t != nil && t.started && m.backoff.failures == 0 {
		m.next = now
	}
}

// current is the tracker that answers, the one that the next round tries first.
func (m *Machine) current() *tracker {
	for _, tier := range m.tiers {
		for _, t := range tier {
			if t.started && !t.dead {
				return t
			}
		}
	}
	return nil
}

// Update makes the next announce due at now, or as soon after as the trackers
// allow it.
func (m *Machine) Update(now time.Time) { m.pull(now, m.min) }

// Hurry is Update with a least interval of the caller's choice.
func (m *Machine) Hurry(now time.Time, least time.Duration) { m.pull(now, least) }

// Wake forgets earlier failures and makes the next announce due at now, or as soon
// after as the trackers allow it.
func (m *Machine) Wake(now time.Time) {
	if m.backoff.failures > 0 {
		m.backoff.Reset()
		if m.flying == nil && now.Before(m.next) {
			m.next = now
		}
		return
	}
	m.pull(now, m.min)
}

func (m *Machine) pull(now time.Time, least time.Duration) {
	if m.last.IsZero() || m.backoff.failures > 0 {
		return // It is due already, or failing.
	}
	at := m.last.Add(least)
	if at.Before(now) {
		at = now
	}
	if at.Before(m.next) {
		m.next = at
	}
}

// Online reports that a connection to the tracker has come up. A tracker forgets a
// peer with its connection, so that a start is due at once.
func (m *Machine) Online(now time.Time) {
	m.Offline()
	m.offline = false
	m.next = now
	m.backoff.Reset()
}

// Offline reports that there is no connection to the tracker: nothing is due
// until Online.
func (m *Machine) Offline() {
	m.offline, m.running, m.flying = true, false, nil
	for _, tier := range m.tiers {
		for _, t := range tier {
			t.started = false
		}
	}
}

// Stop ends the schedule and returns the trackers that should be told so: those that
// know of us, or may know.
func (m *Machine) Stop() []string {
	if m.stopped {
		return nil
	}
	m.stopped = true
	var urls []string
	for _, tier := range m.tiers {
		for _, t := range tier {
			if t.started || t == m.flying {
				urls = append(urls, t.url)
			}
		}
	}
	m.flying, m.running = nil, false
	return urls
}

// Deadline returns when Next has to be called again, or false for a Machine that
// waits for something else than time.
func (m *Machine) Deadline() (time.Time, bool) {
	switch {
	case m.stopped || m.offline || m.exhausted():
		return time.Time{}, false
	case m.flying != nil:
		return m.sent.Add(m.cfg.ReplyTimeout), m.cfg.ReplyTimeout > 0
	case m.running:
		return time.Time{}, true // at once
	}
	return m.next, true
}

// exhausted reports that no tracker is left to ask.
func (m *Machine) exhausted() bool {
	for _, tier := range m.tiers {
		for _, t := range tier {
			if !t.dead {
				return false
			}
		}
	}
	return true
}

// Interval is what the tracker asked for, after clamping; 0 before the first answer.
func (m *Machine) Interval() time.Duration { return m.interval }
