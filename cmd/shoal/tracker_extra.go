package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/tracker/admin"
	"github.com/shoal-p2p/shoal/internal/tracker/cluster"
	"github.com/shoal-p2p/shoal/internal/tracker/history"
	"github.com/shoal-p2p/shoal/internal/tracker/place"
	"github.com/shoal-p2p/shoal/internal/tracker/relay"
	"github.com/shoal-p2p/shoal/internal/tracker/secret"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/tracker"
)

// nearness reads the settings of locality. Files alone are of use, too: they tell the
// countries of the clients.
func (s *settings) nearness(p *trackerPlan) {
	p.conf.Locality = [...]swarm.Locality{swarm.LocalityOff, swarm.LocalityPrefix, swarm.LocalityFull}[s.oneOf("locality", "off", "prefix", "full")]
	paths := s.list("mmdb")
	if len(paths) == 0 {
		if p.conf.Locality == swarm.LocalityFull {
			s.fail("locality", "full needs to know ISPs and countries: name a file with --mmdb, or say prefix")
		}
		if p.conf.Locality != swarm.LocalityOff {
			p.conf.Locate = place.OfAddr
		}
		return
	}
	db, err := place.Open(paths...)
	if err != nil {
		s.fail("mmdb", "%w", err)
		return
	}
	p.conf.Locate = db.Locate
	p.files.add("places "+strings.Join(paths, ", "), db.Reload, paths...)
}

func (s *settings) admin(p *trackerPlan) {
	p.admin = s.text("admin")
	path := s.text("admin-auth-file")
	for _, name := range []string{"hash-allow", "hash-deny"} {
		if list := s.text(name); list != "" {
			p.names = append(p.names, list)
		}
	}
	if p.admin == "off" {
		if !s.given("admin") {
			s.useless("--admin", func(name string) bool { return name == "admin-auth-file" })
		}
		return
	}
	s.addr("admin", p.admin)
	if path == "" {
		if !loopback(p.admin) {
			p.log.Warn("the admin address is open to everybody who reaches it: set --admin-auth-file, or listen on 127.0.0.1", "address", p.admin)
		}
		return
	}
	var err error
	if p.adminLogins, err = loadLogins(path); err != nil {
		s.fail("admin-auth-file", "%w", err)
		return
	}
	p.files.add("logins "+path, func() error {
		logins, err := loadLogins(path)
		if err == nil {
			err = p.adminPages.SetLogins(logins)
		}
		return err
	}, path)
}

// loadLogins reads USER:PASSWORD, one a line.
func loadLogins(path string) ([]string, error) {
	logins, err := secret.Lines(path)
	if err != nil {
		return nil, err
	}
	for _, l := range logins {
		if user, password, _ := strings.Cut(l, ":"); user == "" || password == "" {
			return nil, fmt.Errorf("there is no USER:PASSWORD in %s", path)
		}
	}
	return logins, nil
}

// secrets returns the secrets in a file, none if the setting is not set.
func (s *settings) secrets(name string) []string {
	path := s.text(name)
	if path == "" {
		return nil
	}
	list, err := secret.List(path)
	if err != nil {
		s.fail(name, "%w", err)
	}
	return list
}

// useless complains of settings that were given and need another one.
func (s *settings) useless(needed string, names func(string) bool) {
	var given []string
	for name, one := range s.all {
		if one.given && names(name) {
			given = append(given, name)
		}
	}
	if len(given) > 0 {
		s.fail(slices.Min(given), "this is of no use without %s", needed)
	}
}

func (s *settings) turn(p *trackerPlan) {
	on := s.text("turn") != "off"
	if !on && !s.given("turn") { // who writes off keeps the rest for later
		s.useless("--turn", func(name string) bool { return strings.HasPrefix(name, "turn-") })
	}
	bytesPerSecond := func(name string) int {
		if s.text(name) == "off" {
			return -1
		}
		return s.size(name, 1<<10, 1<<40)
	}
	c := &relay.Config{
		Listen: s.text("turn"), STUNOnly: s.truth("turn-stun-only"), Host: s.text("turn-host"), Ports: s.ports("turn-ports"),
		Realm: s.text("turn-realm"), TTL: s.duration("turn-ttl", time.Minute),
		MaxSessions: s.count("turn-max-sessions", 1, 1<<20), MaxSessionsPerAddr: s.count("turn-max-sessions-per-addr", 1, 1<<20),
		SessionRate: bytesPerSecond("turn-session-rate"), TotalRate: bytesPerSecond("turn-total-rate"), AddrRate: bytesPerSecond("turn-addr-rate"),
		DenyPeers: s.networks("turn-deny-peer"), AllowPeers: s.networks("turn-allow-peer"),
	}
	if list := s.secrets("turn-secret-file"); len(list) > 0 {
		p.turnSecrets = list
		c.Secret = []byte(list[0])
	}
	for _, text := range s.list("turn-public-ip") {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			s.fail("turn-public-ip", "%q is not an IP address: write it like 203.0.113.5", text)
		}
		c.PublicIPs = append(c.PublicIPs, ip)
	}
	if addr := s.text("turn-tls"); addr != "off" {
		c.ListenTLS, c.TLS = s.addr("turn-tls", addr), p.tls
		if p.tls == nil {
			s.fail("turn-tls", "TLS needs a certificate: set --tls-cert and --tls-key, or --acme-domain")
		}
	}
	if on {
		s.addr("turn", c.Listen)
		p.turn = c
		if path := s.text("turn-secret-file"); path != "" {
			p.files.add("TURN secrets "+path, func() error {
				list, err := secret.List(path)
				if err == nil {
					setSecrets(p.turnServer, list)
				}
				return err
			}, path)
		}
	}
}

// ports returns the first and the last of a range "A-B".
func (s *settings) ports(name string) (r [2]uint16) {
	a, b, ok := strings.Cut(s.text(name), "-")
	first, errA := strconv.ParseUint(a, 10, 16)
	last, errB := strconv.ParseUint(b, 10, 16)
	if !ok || errA != nil || errB != nil || first == 0 || first > last {
		s.fail(name, "%q is not a range of ports: write it like 49152-65535", s.text(name))
	}
	return [2]uint16{uint16(first), uint16(last)}
}

// startRelay starts the TURN server, and lets the tracker hand out its credentials.
func (p *trackerPlan) startRelay(late *lateTracker) (*relay.Server, error) {
	p.turn.OnLimit = late.limit
	r, err := relay.New(*p.turn)
	if err != nil {
		return nil, turnError(p.from["turn"].from, err)
	}
	if len(p.turnSecrets) > 0 {
		setSecrets(r, p.turnSecrets)
	}
	p.turnServer = r
	p.conf.ICEServers = func(c *tracker.Client) []byte { return r.ICEServers(c.Addr) }
	return r, nil
}

// turnError says why there is no TURN. What the settings lack is a mistake in them: another start
// would not know it either.
func turnError(from string, err error) error {
	if errors.Is(err, relay.ErrPublicAddress) {
		return usagef("%s: %w; name the one by which clients reach it with --turn-public-ip, such as 203.0.113.5, or give --turn one address to listen on", from, err)
	}
	return fmt.Errorf("%s: %w", from, err)
}

func setSecrets(r *relay.Server, list []string) {
	keys := make([][]byte, len(list))
	for i, text := range list {
		keys[i] = []byte(text)
	}
	r.SetSecrets(keys...)
}

// icePage hands out credentials to those who may use the tracker.
func (p *trackerPlan) icePage(t *lateTracker, r *relay.Server) http.Handler {
	page := r.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c := tracker.Client{Door: tracker.HTTP, Addr: t.clientAddr(req), Origin: req.Header.Get("Origin"), Query: req.URL.RawQuery}
		if err := p.gate.client(&c); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		page.ServeHTTP(w, req)
	})
}

// adminHandler shows what the tracker does.
func (p *trackerPlan) adminHandler(t *tracker.Tracker, r *relay.Server, nodes *cluster.Cluster, past *history.Store) (*admin.Handler, error) {
	limits := t.Limits()
	c := admin.Config{
		Tracker: t, Version: shoal.Version, Past: past, Logins: p.adminLogins,
		Largest: t.Largest, Names: p.names, Limits: &limits, Certificates: p.certificates,
	}
	if len(p.files.items) > 0 {
		c.Reload = func() admin.Reload { return *p.files.last.Load() }
	}
	if r != nil {
		c.Relay = func() admin.Relay {
			s := r.Stats()
			return admin.Relay{
				Sessions: s.Sessions, Opened: s.Opened, Bytes: s.BytesToPeers + s.BytesToClients, Refused: s.Refused + s.Unauthorized,
				MaxSessions: p.turn.MaxSessions, TotalRate: max(p.turn.TotalRate, 0),
			}
		}
	}
	if k := p.conf.Hook; k != nil {
		c.Hook = func() admin.Hook { return admin.Hook(k.Stats()) }
	}
	if nodes != nil {
		c.Cluster = func() admin.Cluster {
			s := nodes.Stats()
			return admin.Cluster{
				Connected: s.Connected, Nodes: s.Nodes, Directory: s.Directory,
				OffersIn: s.OffersIn, OffersOut: s.OffersOut, AnswersIn: s.AnswersIn, AnswersOut: s.AnswersOut,
				Undelivered: s.Undelivered, Dropped: s.Dropped,
				MessagesIn: s.MessagesIn, MessagesOut: s.MessagesOut, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
			}
		}
	}
	return admin.New(c)
}
