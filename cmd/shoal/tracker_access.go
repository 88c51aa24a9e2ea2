package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/access"
	"github.com/shoal-p2p/shoal/internal/tracker/token"
	"github.com/shoal-p2p/shoal/tracker"
)

// access sets the hooks that decide who is served.
func (s *settings) access(p *trackerPlan) {
	origins, err := access.NewOrigins(s.list("origin-allow"), s.list("origin-deny"), s.truth("origin-required"))
	if err != nil {
		name := "origin-allow"
		if _, bad := access.NewOrigins(s.list(name), nil, false); bad == nil {
			name = "origin-deny"
		}
		s.fail(name, "%w", err)
	}
	var hashes access.Hashes
	for name, list := range map[string]**access.HashList{"hash-allow": &hashes.Allow, "hash-deny": &hashes.Deny} {
		path := s.text(name)
		if path == "" {
			continue
		}
		l, err := access.LoadHashes(path)
		if err != nil {
			s.fail(name, "%w", err)
			continue
		}
		*list = l
		p.files.add("info hashes "+path, func() error {
			err := l.Reload()
			if err == nil {
				p.gate.evict()
			}
			return err
		}, path)
	}
	addresses := access.Addresses{Allow: s.addressLists(p, "address-allow"), Deny: s.addressLists(p, "address-deny")}
	clients := access.Clients{Allow: s.clientList(p, "client-allow"), Deny: s.clientList(p, "client-deny")}
	var keys *token.Keys
	if path := s.text("token-secret-file"); path != "" {
		if keys, err = token.LoadKeys(path); err != nil {
			s.fail("token-secret-file", "%w", err)
		} else {
			p.files.add("token secrets "+path, keys.Reload, path)
		}
	}
	g := &gate{
		origins: origins, addresses: addresses, clients: clients, hashes: hashes, keys: keys,
		log: p.log, logAddresses: s.truth("log-addresses"),
	}
	p.gate = g
	p.conf.TrustedOnly = s.oneOf("introduce", "all", "trusted") == 1
	if p.conf.TrustedOnly && keys == nil {
		s.fail("introduce", "nobody is trusted without tokens: name their secret with --token-secret-file")
	}
	p.conf.Logger, p.conf.LogAddresses = p.log, g.logAddresses
	p.conf.AllowClient = g.client
	lists := len(addresses.Allow)+len(addresses.Deny) > 0 || clients != (access.Clients{}) || hashes != (access.Hashes{})
	if keys != nil || lists {
		p.conf.AllowAnnounce = g.announce
	}
}

// addressLists reads the files of a setting, and reloads them.
func (s *settings) addressLists(p *trackerPlan, name string) (all []*access.AddressList) {
	for _, path := range s.list(name) {
		l, err := access.LoadAddresses(path)
		if err != nil {
			s.fail(name, "%w", err)
			continue
		}
		p.skipped(l.Skipped())
		p.files.add("addresses "+path, func() error {
			err := l.Reload()
			if err == nil {
				p.skipped(l.Skipped())
			}
			return err
		}, path)
		all = append(all, l)
	}
	return all
}

// clientList reads the file of a setting, and reloads it; nil if there is none.
func (s *settings) clientList(p *trackerPlan, name string) *access.ClientList {
	path := s.text(name)
	if path == "" {
		return nil
	}
	l, err := access.LoadClients(path)
	if err != nil {
		s.fail(name, "%w", err)
		return nil
	}
	p.skipped(l.Skipped())
	p.files.add("clients "+path, func() error {
		err := l.Reload()
		if err == nil {
			p.skipped(l.Skipped())
		}
		return err
	}, path)
	return l
}

// skipped tells the operator of lines in a list that are no entries.
func (p *trackerPlan) skipped(s access.Skipped) {
	if err := s.Err(); err != nil {
		p.log.Warn("a list has lines that cannot be read", "lines", s.Lines, "first", oneLine(errors.Join(s.First...)))
	}
}

// A gate decides who is served.
type gate struct {
	origins      *access.Origins
	addresses    access.Addresses
	clients      access.Clients
	hashes       access.Hashes
	keys         *token.Keys  // nil: no token is needed
	tracker      *lateTracker // nil: it has not been started
	log          *slog.Logger
	logAddresses bool // clients' addresses may be logged
}

func (g *gate) client(c *tracker.Client) error {
	err := g.addresses.Check(c.Addr)
	if err == nil {
		err = g.origins.Check(c.Origin)
	}
	if err == nil && g.keys != nil {
		var claims token.Claims
		if claims, err = g.keys.Verify(token.FromQuery(c.Query)); err == nil {
			err = claims.Admit(time.Now(), c.Addr)
			c.Trust, c.Until = trust(&claims), claims.Expires
		}
	}
	return g.refused(c, err)
}

// trust is whom the holder of a token may meet.
func trust(c *token.Claims) tracker.Trust {
	switch {
	case c.Trusted:
		return tracker.Trusted
	case c.Limited:
		return tracker.Limited
	}
	return tracker.Ordinary
}

func (g *gate) announce(c *tracker.Client, infoHash [20]byte) error {
	err := g.hashes.Check(infoHash)
	if err == nil {
		err = g.addresses.Check(c.Addr) // of a WebSocket too, for lists change
	}
	if err == nil && c.PeerID != ([20]byte{}) { // a scrape has none
		err = g.clients.Check(c.PeerID)
	}
	if err == nil && g.keys != nil {
		var claims token.Claims
		if claims, err = g.keys.Verify(token.FromQuery(c.Query)); err == nil {
			if err = claims.Covers(infoHash); err == nil {
				err = claims.Admit(time.Now(), c.Addr)
			}
			if c.Door != tracker.WebSocket { // whose Trust is that of its connection
				c.Trust = trust(&claims)
			}
		}
	}
	return g.refused(c, err)
}

// evict takes everybody out of the swarms that are not served any more.
func (g *gate) evict() {
	if g.tracker == nil {
		return
	}
	t := g.tracker.Load()
	if t == nil {
		return
	}
	if swarms, peers := t.Evict(g.hashes.Check); swarms > 0 {
		g.log.Info("swarms were ended, for their info hashes are not served any more", "swarms", swarms, "peers", peers)
	}
}

func (g *gate) refused(c *tracker.Client, err error) error {
	if err != nil && g.log.Enabled(context.Background(), slog.LevelDebug) {
		args := []any{"door", c.Door, "origin", c.Origin, "reason", err}
		if g.logAddresses {
			args = append(args, "client", c.Addr)
		}
		g.log.Debug("refused", args...)
	}
	return err
}
