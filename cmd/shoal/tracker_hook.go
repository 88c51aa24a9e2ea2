package main

import (
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/secret"
	"github.com/shoal-p2p/shoal/tracker"
)

const (
	// longestHook is the most that a question to the hook may take: clients give up after half a minute or more.
	longestHook = 30 * time.Second
	// longestAnswer is how long an answer of the hook may hold.
	longestAnswer = 24 * time.Hour
)

// hook reads the settings of the web service that is asked about announces.
func (s *settings) hook(p *trackerPlan) {
	c := tracker.HookConfig{
		URL: s.text("hook"), Timeout: s.atMost("hook-timeout", 10*time.Millisecond, longestHook), Concurrent: s.count("hook-max-requests", 1, 10_000),
		AllowFor: s.atMost("hook-allow-for", time.Second, longestAnswer), DenyFor: s.atMost("hook-deny-for", time.Second, longestAnswer),
		Away: tracker.HookDenies,
		// A quarter of the peers that there may be: no more are there at a time, on most days.
		Entries: max(p.conf.Limits.Peers/4, 1<<16),
		Changed: func(away bool, err error) {
			if away {
				p.log.Warn("the service of --hook is away", "error", oneLine(err), "announces", s.text("hook-away"))
			} else {
				p.log.Info("the service of --hook is back")
			}
		},
	}
	if s.oneOf("hook-away", "deny", "allow") == 1 {
		c.Away = tracker.HookAllows
	}
	secrets := s.secrets("hook-secret-file")
	if c.URL == "" {
		if !s.given("hook") {
			s.useless("--hook", func(name string) bool { return len(name) > 5 && name[:5] == "hook-" })
		}
		return
	}
	if len(secrets) > 0 {
		var inUse atomic.Pointer[string]
		inUse.Store(&secrets[0])
		c.Secret = func() string { return *inUse.Load() }
		path := s.text("hook-secret-file")
		p.files.add("hook secrets "+path, func() error {
			list, err := secret.List(path)
			if err == nil {
				inUse.Store(&list[0])
			}
			return err
		}, path)
	}
	if s.err != nil {
		return
	}
	var err error
	if p.conf.Hook, err = tracker.NewHook(c); err != nil {
		// The address is not told: it may hold a password.
		s.fail("hook", "this is not the address of a service: write it like https://example.org/announce")
		return
	}
	if plainAbroad(c.URL) {
		p.log.Warn("questions about announces go over the network as plain text, with the secret if there is one: use https, or a service at 127.0.0.1")
	}
}

// plainAbroad reports whether a URL leads out of this machine without encryption.
func plainAbroad(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err != nil || !ip.IsLoopback()
}

// atMost returns a time from least to most.
func (s *settings) atMost(name string, least, most time.Duration) time.Duration {
	d := s.duration(name, least)
	if d > most {
		s.fail(name, "%s is too long: %s is the most", s.text(name), most)
	}
	return d
}
