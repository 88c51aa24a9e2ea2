package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme/autocert"

	"github.com/shoal-p2p/shoal/internal/openfiles"
	"github.com/shoal-p2p/shoal/internal/tracker/admin"
	"github.com/shoal-p2p/shoal/internal/tracker/cluster"
	"github.com/shoal-p2p/shoal/internal/tracker/history"
	"github.com/shoal-p2p/shoal/internal/tracker/relay"
	"github.com/shoal-p2p/shoal/tracker"
)

// A trackerPlan is what the settings mean: all that is needed to run.
type trackerPlan struct {
	listen, plain []string
	unixMode      fs.FileMode // permissions of Unix sockets among them
	udp           string      // "same", "off" or an address
	conf          tracker.Config
	tls           *tls.Config                // of listen; nil is plain
	acme          *autocert.Manager          // nil if certificates come from files, or there are none
	tickets       *ticketKeys                // nil: each listener makes up its own
	history       string                     // file; "" keeps none
	admin         string                     // "off" or an address
	adminLogins   []string                   // USER:PASSWORD; none asks nobody
	adminPages    *admin.Handler             // when they are served
	certificates  func() []admin.Certificate // when they end; nil without TLS
	names         []string                   // lists with info hashes, and names behind them
	turnSecrets   []string                   // the first makes credentials; none: one is made up
	turnServer    *relay.Server              // when it runs
	turn          *relay.Config              // nil: none
	cluster       *clusterPlan               // nil: alone
	gate          *gate
	drainDelay    time.Duration // from "draining" to the end of the listeners
	drain         time.Duration
	stdout        io.Writer
	log           *slog.Logger
	files         *reloader
	from          map[string]setting // for errors about what was set
}

// plan reads all settings, and the files they name.
func (s *settings) plan(stdout, stderr io.Writer) (*trackerPlan, error) {
	p := &trackerPlan{
		listen: s.addrs("listen"), plain: s.addrs("plain-listen"), udp: s.text("udp"), unixMode: s.fileMode("unix-mode"),
		drainDelay: s.duration("drain-delay", 0), drain: s.duration("drain", 0), stdout: stdout, log: s.logger(stderr), from: s.all,
	}
	if len(p.listen) == 0 {
		s.fail("listen", "there is no address: write it like :8000")
	}
	if p.udp != "same" && p.udp != "off" {
		s.addr("udp", p.udp)
	}
	p.files = &reloader{log: p.log}
	p.tls, p.acme, p.certificates = s.tls(p.log, p.files)
	p.tickets = s.tickets(p.tls, p.files)
	if len(p.plain) > 0 && p.tls == nil {
		s.fail("plain-listen", "without TLS all addresses are plain: use --listen")
	}
	interval := s.duration("interval", time.Second)
	p.conf = tracker.Config{
		Interval: interval, MinInterval: min(s.duration("min-interval", time.Second), interval),
		WSInterval: s.duration("ws-interval", time.Second), PingInterval: s.duration("ping-interval", time.Second),
		Limits: s.limits(), FullScrape: s.truth("full-scrape"),
		TrustedProxies: s.networks("trusted-proxy"), ProxyProtocol: s.truth("proxy-protocol"),
		ProxyHeader: tracker.ProxyHeader(s.oneOf("proxy-header", "any", "x-forwarded-for", "x-real-ip", "forwarded")),
		Compression: [...]tracker.Compression{tracker.CompressIn, tracker.CompressBoth, tracker.CompressOff}[s.oneOf("compression", "in", "both", "off")],
	}
	unix := func(addr string) bool { return strings.HasPrefix(addr, unixPrefix) } // who may open it is trusted
	if p.conf.ProxyProtocol && len(p.conf.TrustedProxies) == 0 && !slices.ContainsFunc(append(p.listen, p.plain...), unix) {
		s.fail("proxy-protocol", "nobody is trusted to say who its client is: name the proxies with --trusted-proxy")
	}
	s.access(p)
	s.hook(p)
	s.nearness(p)
	p.history = s.text("history")
	s.admin(p)
	s.turn(p)
	s.cluster(p)
	return p, s.err
}

func (s *settings) limits() tracker.Limits {
	const most = 1 << 30
	l := tracker.Limits{
		Conns: s.count("max-conns", 0, most), ConnsPerAddr: s.count("max-conns-per-addr", 0, most), ConnsPerPrefix: s.count("max-conns-per-prefix", 0, most),
		PeersPerConn: s.count("max-peers-per-conn", 1, most), PeersPerAddr: noneIfZero(s.count("max-peers-per-addr", 0, most)),
		Unanswered: s.count("max-unanswered", 1, 63), OffersPerPeer: noneIfZero(s.count("max-offers-per-peer", 0, 63)),
		Offers: s.count("max-offers", 1, 100), NumWant: s.count("max-numwant", 1, 10_000), Scrape: s.count("max-scrape", 1, 10_000),
		Message: s.size("max-message", 1<<10, 1<<20), SDP: s.size("max-sdp", 256, 1<<20),
		Swarms: s.count("max-swarms", 1, most), Peers: s.count("max-peers", 1, most),
		Buffers:          s.size("max-buffers", 1<<20, 1<<40),
		AnnouncesPerConn: s.rate("announce-rate-per-conn"), OffersPerConn: s.rate("offer-rate-per-conn"),
		AnnouncesPerAddr: s.rate("announce-rate-per-addr"), AnnouncesPerPrefix: s.rate("announce-rate-per-prefix"),
		ConnectsPerAddr: s.rate("connect-rate-per-addr"),
		Exempt:          s.networks("limits-exempt"),
	}
	if l.SDP > l.Message {
		s.fail("max-sdp", "%s is more than a whole message may have: raise --max-message, too", s.text("max-sdp"))
	}
	return l
}

// noneIfZero turns the 0 of a flag that means "no limit" into the library's -1.
func noneIfZero(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

func (s *settings) logger(w io.Writer) *slog.Logger {
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	opts := &slog.HandlerOptions{Level: levels[s.oneOf("log-level", "debug", "info", "warn", "error")]}
	if s.oneOf("log-format", "text", "json") == 1 {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// reserve is how many files the process opens beside the connections of clients and relay sessions.
const reserve = 256

// openFiles raises the limit of open files, and fits the limit of connections to it.
func (p *trackerPlan) openFiles() {
	n := openfiles.Raise(openfiles.Most)
	others := reserve
	if p.turn != nil {
		others += 2 * p.turn.MaxSessions // a relayed address and a TCP connection each
	}
	switch l := &p.conf.Limits; {
	case l.Conns == 0:
		l.Conns = max(n-others, 1)
	case n < l.Conns+others:
		p.log.Warn("too few files may be open for --max-conns: raise LimitNOFILE= of the service, or ulimit -n",
			"files", n, "max_conns", l.Conns)
	}
}

// A trackerDoor is sockets that belong together: a TCP listener, UDP sockets, or both on one port.
type trackerDoor struct {
	ln  net.Listener
	tls *tls.Config
	udp []net.PacketConn
}

func (d *trackerDoor) String() string {
	if d.ln == nil {
		return fmt.Sprintf("%s (udp)", d.udp[0].LocalAddr())
	}
	names := "ws, http"
	if d.tls != nil {
		names = "wss, https"
	}
	if d.udp != nil {
		names += ", udp"
	}
	addr := d.ln.Addr().String()
	if d.ln.Addr().Network() == "unix" {
		addr = unixPrefix + addr
	}
	return fmt.Sprintf("%s (%s)", addr, names)
}

func (d *trackerDoor) close() {
	if d.ln != nil {
		d.ln.Close()
	}
	for _, pc := range d.udp {
		pc.Close()
	}
}

// serve answers in goroutines, which say on ended when they are over.
func (d *trackerDoor) serve(t *tracker.Tracker, ended chan<- error) {
	if d.ln != nil && d.tls != nil {
		go func() { ended <- t.ServeTLS(d.ln, d.tls) }()
	} else if d.ln != nil {
		go func() { ended <- t.Serve(d.ln) }()
	}
	if d.udp != nil {
		go func() { ended <- t.ServeUDP(d.udp...) }()
	}
}

// open opens all sockets, or none.
func (p *trackerPlan) open() (doors []*trackerDoor, err error) {
	defer func() {
		if err != nil {
			for _, d := range doors {
				d.close()
			}
		}
	}()
	in, err := inherit()
	if err != nil {
		return nil, err
	}
	if doors, err = in.doors(p); err != nil {
		in.close()
		return nil, err
	}
	listen := func(name, addr string, conf *tls.Config) error {
		var ln net.Listener
		var err error
		if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
			if ln, err = listenUnix(path, p.unixMode); err != nil {
				return fmt.Errorf("%s: %w", p.from[name].from, err)
			}
		} else if ln, err = net.Listen("tcp", addr); err != nil {
			return listenError(addr, p.from[name].from, err)
		}
		doors = append(doors, &trackerDoor{ln: ln, tls: conf})
		return nil
	}
	if len(in.listen) == 0 {
		for _, addr := range p.listen {
			if err := listen("listen", addr, p.tls); err != nil {
				return doors, err
			}
		}
	}
	if p.udp == "same" && len(in.udp) == 0 {
		for _, d := range doors {
			if _, ok := d.ln.Addr().(*net.TCPAddr); !ok || slices.Contains(in.plain, d.ln) {
				continue
			}
			if d.udp, err = tracker.ListenUDP(d.ln.Addr().String()); err != nil {
				return doors, listenError(d.ln.Addr().String()+" (UDP)", p.from["listen"].from, err)
			}
		}
	}
	if len(in.plain) == 0 {
		for _, addr := range p.plain {
			if err := listen("plain-listen", addr, nil); err != nil {
				return doors, err
			}
		}
	}
	if p.udp != "same" && p.udp != "off" && len(in.udp) == 0 {
		udp, err := tracker.ListenUDP(p.udp)
		if err != nil {
			return doors, listenError(p.udp+" (UDP)", p.from["udp"].from, err)
		}
		doors = append(doors, &trackerDoor{udp: udp})
	}
	return doors, nil
}

// A lateTracker gives the counts of a tracker that is made after those who ask.
type lateTracker struct {
	atomic.Pointer[tracker.Tracker]
}

func (l *lateTracker) limit(r tracker.Reason, client netip.Addr) {
	if t := l.Load(); t != nil {
		t.Limit(r, client)
	}
}

func (l *lateTracker) clientAddr(r *http.Request) netip.Addr {
	if t := l.Load(); t != nil {
		return t.ClientAddr(r)
	}
	return netip.Addr{}
}

func (l *lateTracker) Stats() tracker.Stats {
	if t := l.Load(); t != nil {
		return t.Stats()
	}
	return tracker.Stats{}
}

// run serves until ctx is done, then it sends the clients away.
func (p *trackerPlan) run(ctx context.Context) error {
	hup := hangUps()
	defer signal.Stop(hup)
	systemd := p.notifier()
	p.openFiles()
	doors, err := p.open()
	if err != nil {
		return err
	}
	closeDoors := func() {
		for _, d := range doors {
			d.close()
		}
	}
	var late lateTracker
	p.gate.tracker = &late
	var turn *relay.Server
	if p.turn != nil {
		if turn, err = p.startRelay(&late); err != nil {
			closeDoors()
			return err
		}
		defer turn.Close()
	}
	p.conf.Fallback = p.pages(&late, doors, turn)
	var nodes *cluster.Cluster
	if p.cluster != nil {
		var leave func()
		if nodes, leave, err = p.cluster.join(&late); err != nil {
			closeDoors()
			return err
		}
		defer leave()
		p.conf.Peering = nodes
	}
	past := p.openHistory()
	if past != nil {
		p.conf.Memory = memory{past}
	}
	t, err := tracker.New(p.conf)
	if err != nil {
		if past != nil {
			past.Close(time.Now())
		}
		closeDoors()
		return err
	}
	if past != nil {
		kept := make(chan struct{})
		ctx, cancel := context.WithCancel(ctx)
		go func() { defer close(kept); p.keepHistory(ctx, past, t) }()
		defer func() { cancel(); <-kept; p.closeHistory(past, t) }()
	}
	defer t.Close()
	late.Store(t)

	ended := make(chan error, 2*len(doors)+1)
	if p.admin != "off" {
		stop, err := p.serveAdmin(t, turn, nodes, past, ended)
		if err != nil {
			closeDoors()
			return err
		}
		defer stop()
	}
	var ready []string
	for _, d := range doors {
		d.serve(t, ended)
		ready = append(ready, d.String())
	}
	p.files.begin = func() { p.tell(systemd.Reloading()) }
	p.files.end = func() { p.tell(systemd.Ready()) }
	go p.files.run(ctx, hup)
	if p.tickets != nil {
		go p.tickets.run(ctx)
	}
	fmt.Fprintln(p.stdout, "tracker ready on "+strings.Join(ready, ", "))
	p.tell(systemd.Ready())
	watched, unwatch := context.WithCancel(context.Background()) // while it drains, too
	defer unwatch()
	go p.watch(watched, systemd, t)

	select {
	case <-ctx.Done():
	case err := <-ended:
		if err == nil {
			err = errors.New("the tracker ended by itself")
		}
		return err
	}
	p.tell(systemd.Stopping())
	p.log.Info("draining", "delay", p.drainDelay.String(), "time", p.drain.String(), "connections", t.Stats().Conns)
	if p.drainDelay > 0 {
		t.Drain()
		select {
		case <-time.After(p.drainDelay):
		case err := <-ended:
			return err
		}
	}
	until, cancel := context.WithTimeout(context.Background(), p.drain)
	defer cancel()
	return t.Shutdown(until)
}

// serveAdmin serves the operator's pages until stop.
func (p *trackerPlan) serveAdmin(t *tracker.Tracker, turn *relay.Server, nodes *cluster.Cluster, past *history.Store, ended chan<- error) (stop func(), err error) {
	ln, err := net.Listen("tcp", p.admin)
	if err != nil {
		return nil, listenError(p.admin, p.from["admin"].from, err)
	}
	h, err := p.adminHandler(t, turn, nodes, past)
	if err != nil {
		ln.Close()
		return nil, err
	}
	p.adminPages = h
	srv := &http.Server{
		Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // it would name addresses
	}
	go func() { ended <- srv.Serve(ln) }()
	p.log.Info("serving the operator's pages", "address", ln.Addr().String())
	return func() { srv.Close(); h.Close() }, nil
}

// pages is what the tracker's ports serve beside the tracker.
func (p *trackerPlan) pages(t *lateTracker, doors []*trackerDoor, turn *relay.Server) http.Handler {
	mux := http.NewServeMux()
	landing := admin.LandingConfig{Tracker: t}
	for _, d := range doors {
		if d.udp != nil && landing.UDPPort == 0 {
			landing.UDPPort = d.udp[0].LocalAddr().(*net.UDPAddr).Port
		}
	}
	mux.Handle("/{$}", admin.Landing(landing))
	mux.HandleFunc("GET /health", admin.Health(t))
	if turn != nil {
		mux.Handle("/ice.json", p.icePage(t, turn))
	}
	if p.acme != nil {
		return p.acme.HTTPHandler(mux)
	}
	return mux
}
