// Package load drives trackers as many peers at once would.
//
// Run plays a profile against a tracker at any address: it opens the connections, announces at a
// set pace, answers every offer, then reports what the tracker delivered, how late, and what
// that cost its process. A profile is open-loop where a real peer is: an announce that is
// due is sent although others wait, unless that connection's last one has no reply yet; then it is
// counted as skipped.
package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/internal/openfiles"
)

// Options says what Run does. The zero value of a field takes the profile's default.
type Options struct {
	Profile string   // one of Profiles
	URLs    []string // the trackers': ws, wss, http, https or udp. Only the cluster profile takes several
	PIDs    []int    // the trackers' processes, of which CPU and memory are read; may be empty

	Conns     int           // connections; a default shrinks to what the limit of open files allows
	Interval  time.Duration // between two announces of a connection
	RateScale float64       // multiplies the announces per second
	Duration  time.Duration // of the measurement
	Warmup    time.Duration // at full load, before the measurement
	Offers    int           // in each announce; negative means none
	SDPSize   int           // of an offer's or answer's SDP, in bytes as JSON carries it
	SwarmSize int           // connections in one swarm
	SwarmMean float64       // peers in one swarm on average, in the cluster profile
	KeepAlive bool          // HTTP: one connection for many announces

	AttackConns int     // connections or sockets of the attackers, in hostile profiles
	AttackRate  float64 // their messages, or a storm's connections, per second

	TLSInsecure    bool   // take any certificate
	TLSResume      bool   // come back with a session ticket, as a browser does
	BeyondLoopback bool   // allow targets on other machines
	Seed           uint64 // of info hashes, peer ids and choices; 0 means 1

	// Log is told how it goes, one line at a time. nil means nobody.
	Log func(line string)
}

// An OptionError reports that Options make no sense, or ask for what this process may not do.
type OptionError struct{ err error }

// Error says which option, and what to do.
func (e *OptionError) Error() string { return e.err.Error() }

// Run plays a profile and returns what was seen, also when ctx ends it early. An error
// means that nothing could be measured; it is an *OptionError if nothing was tried.
func Run(ctx context.Context, o Options) (*Report, error) {
	g, p, err := prepare(ctx, o)
	if err != nil {
		return nil, &OptionError{fmt.Errorf("load: %w", err)}
	}
	if err := p.run(ctx, g); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return g.report(), nil
}

func prepare(ctx context.Context, o Options) (*generator, profile, error) {
	i := slices.IndexFunc(profiles, func(p profile) bool { return p.name == o.Profile })
	if i < 0 {
		return nil, profile{}, fmt.Errorf("there is no profile %q; there are %s", o.Profile, strings.Join(Profiles(), ", "))
	}
	p := profiles[i]
	switch {
	case len(o.URLs) == 0:
		return nil, p, errors.New("no tracker to load: name its URL")
	case len(o.URLs) > 1 && p.name != "cluster":
		return nil, p, fmt.Errorf("profile %s loads one tracker, not %d", p.name, len(o.URLs))
	}
	if err := o.complete(p.defaults); err != nil {
		return nil, p, err
	}
	g := newGenerator(o)
	for _, u := range o.URLs {
		t, err := parseTarget(ctx, u, o)
		if err != nil {
			return nil, p, err
		}
		if !slices.Contains(p.schemes, t.scheme) {
			return nil, p, fmt.Errorf("%s: profile %s needs one of %s", u, p.name, strings.Join(p.schemes, "://, ")+"://")
		}
		g.targets = append(g.targets, t)
	}
	for _, pid := range o.PIDs {
		if _, err := readUsage(pid); err != nil {
			return nil, p, fmt.Errorf("process %d: %w", pid, err)
		}
	}
	return g, p, nil
}

// complete fills in the defaults and checks the values.
func (o *Options) complete(d Options) error {
	for _, f := range []struct {
		name    string
		v       *int
		d, high int
	}{
		{"conns", &o.Conns, 0, 1 << 20},
		{"offers", &o.Offers, d.Offers, 100},
		{"SDP size", &o.SDPSize, d.SDPSize, 60 << 10},
		{"swarm size", &o.SwarmSize, d.SwarmSize, 1 << 20},
		{"attack conns", &o.AttackConns, d.AttackConns, 1 << 20},
	} {
		if *f.v == 0 {
			*f.v = f.d
		}
		if *f.v > f.high || *f.v < 0 && f.v != &o.Offers {
			return fmt.Errorf("%s %d: choose from 0 to %d", f.name, *f.v, f.high)
		}
	}
	o.Offers = max(o.Offers, 0)
	for _, f := range []struct {
		name string
		v    *time.Duration
		d    time.Duration
	}{
		{"interval", &o.Interval, d.Interval}, {"duration", &o.Duration, d.Duration}, {"warmup", &o.Warmup, d.Warmup},
	} {
		if *f.v == 0 {
			*f.v = f.d
		}
		if *f.v < 0 {
			return fmt.Errorf("%s %s is negative", f.name, *f.v)
		}
	}
	if o.RateScale == 0 {
		o.RateScale = 1
	}
	if o.RateScale < 0 {
		return fmt.Errorf("rate scale %g is negative", o.RateScale)
	}
	if o.SwarmMean == 0 {
		o.SwarmMean = d.SwarmMean
	}
	if o.SwarmMean < 0 || o.SwarmMean > 0 && o.SwarmMean < 1 {
		return fmt.Errorf("%g peers in a swarm on average: 1 is the least", o.SwarmMean)
	}
	if o.AttackRate == 0 {
		o.AttackRate = d.AttackRate
	}
	if o.AttackRate < 0 {
		return fmt.Errorf("attack rate %g is negative", o.AttackRate)
	}
	o.Interval = time.Duration(float64(o.Interval) / o.RateScale)
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	return o.openFiles(d.Conns)
}

// openFiles raises the limit of open files for the connections, or shrinks their default number to
// the limit.
func (o *Options) openFiles(conns int) error {
	// The tracker needs some of its files for itself, and its limit may be the same.
	spare := 300 + o.AttackConns
	want := o.Conns
	if want == 0 {
		want = conns
	}
	limit := openfiles.Raise(want + spare)
	switch {
	case limit >= want+spare:
		o.Conns = want
	case o.Conns == 0 && limit > 2*spare:
		o.Conns = limit - spare
		o.Log(fmt.Sprintf("%d connections instead of %d: this process may open %d files (ulimit -n)", o.Conns, want, limit))
	default:
		return fmt.Errorf("%d connections need %d open files, but the limit is %d: raise it with ulimit -n, or ask for fewer connections", want, want+spare, limit)
	}
	return nil
}
