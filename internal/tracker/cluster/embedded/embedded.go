// Package embedded starts a NATS server inside the process, for a cluster without one of
// its own.
//
// Each node runs one; the servers connect to each other by routes. Clients are
// taken from this process only.
package embedded

import (
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Config says how the servers of a cluster find each other.
type Config struct {
	// ClusterListen is the address for the other nodes' routes, host:port. "" means 127.0.0.1:0,
	// which is of use for tests and a first node on one machine.
	ClusterListen string
	// Routes are the ClusterListen addresses of some other nodes: host:port or nats-route://host:port. One
	// that answers is enough; an own address among them does no harm.
	Routes []string
	// Secrets keep strangers out who can reach ClusterListen: this node says the first, and lets
	// in who says any of them. None lets everybody in. They travel in the clear without TLS.
	Secrets []string
	// TLS secures the routes. It must have certificates that hold for the addresses in Routes, and
	// is for both ends of a route: set RootCAs and ClientCAs. nil means none.
	TLS *tls.Config
	// Name is the cluster's; servers of another refuse each other. "" means "shoal-tracker".
	Name string
	// Logger gets what the server has to say of importance. nil means nothing is logged.
	Logger *slog.Logger

	name string // of the server
}

// A Server is a NATS server in this process. It is a nats.InProcessConnProvider.
type Server struct {
	cfg      Config
	nats     *server.Server
	secrets  atomic.Pointer[[]string]
	user     string
	password string
	close    sync.Once
}

// startFor is how long a server may take to listen.
const startFor = 10 * time.Second

// routeUser goes with Config.Secret; NATS wants a name.
const routeUser = "shoal"

// Start returns a server that listens. Routes that do not answer are tried again for as long as it runs.
func Start(cfg Config) (*Server, error) {
	if cfg.Name == "" {
		cfg.Name = "shoal-tracker"
	}
	cfg.name = cfg.Name + "-" + rand.Text()[:8]
	s := &Server{cfg: cfg, user: rand.Text(), password: rand.Text()}
	opts, err := s.options(&cfg)
	if err != nil {
		return nil, err
	}
	s.secrets.Store(&cfg.Secrets)
	if s.nats, err = server.NewServer(opts); err != nil {
		return nil, fmt.Errorf("cluster: the embedded NATS server does not start: %w", err)
	}
	log := newLogger(cfg.Logger, time.Now)
	s.nats.SetLogger(log, false, false)
	s.nats.Start()
	deadline := time.Now().Add(startFor)
	for !s.nats.ReadyForConnections(100 * time.Millisecond) {
		select {
		case why := <-log.fatal:
			s.Close()
			return nil, fmt.Errorf("cluster: the embedded NATS server does not start: %s", why)
		default:
		}
		if time.Now().After(deadline) {
			s.Close()
			return nil, fmt.Errorf("cluster: the embedded NATS server does not listen on %s after %v", cfg.ClusterListen, startFor)
		}
	}
	return s, nil
}

// Reload changes Config.Secrets and Config.TLS. Routes that are open stay, unless this node said
// another secret for them: those are opened anew. A server that was started without
// secrets, or without TLS, stays so.
func (s *Server) Reload(secrets []string, conf *tls.Config) error {
	cfg := s.cfg
	if len(cfg.Secrets) > 0 && len(secrets) > 0 {
		cfg.Secrets = secrets
	}
	if cfg.TLS != nil && conf != nil {
		cfg.TLS = conf
	}
	opts, err := s.options(&cfg)
	if err != nil {
		return err
	}
	s.secrets.Store(&cfg.Secrets)
	if err := s.nats.ReloadOptions(opts); err != nil {
		return fmt.Errorf("cluster: the embedded NATS server does not take its new settings: %w", err)
	}
	return nil
}

// Check implements server.Authentication for routes.
func (s *Server) Check(c server.ClientAuthentication) bool {
	said := c.GetOpts()
	ok := 0
	for _, secret := range *s.secrets.Load() {
		ok |= subtle.ConstantTimeCompare([]byte(said.Password), []byte(secret))
	}
	return ok == 1 && said.Username == routeUser
}

func (s *Server) options(cfg *Config) (*server.Options, error) {
	if cfg.ClusterListen == "" {
		cfg.ClusterListen = "127.0.0.1:0"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	host, port, err := splitAddr(cfg.ClusterListen)
	if err != nil {
		return nil, fmt.Errorf("cluster: listen address %q for routes: %w", cfg.ClusterListen, err)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	opts := &server.Options{
		ServerName: cfg.name,
		// Clients come from this process. DontListen would be the word for it, but it
		// switches clustering off, so there is a port, with a password.
		Host: "127.0.0.1", Port: server.RANDOM_PORT,
		Username: s.user, Password: s.password,
		NoSigs: true, MaxPayload: 1 << 20,
		Cluster: server.ClusterOpts{
			Name: cfg.Name, Host: host, Port: port,
			// The address of the clients' port would be of no use elsewhere.
			NoAdvertise: true,
			TLSConfig:   cfg.TLS, TLSTimeout: 5,
			ConnectBackoff: true,
		},
	}
	if len(cfg.Secrets) > 0 {
		opts.Cluster.Username, opts.Cluster.Password = routeUser, cfg.Secrets[0]
		opts.CustomRouterAuthentication = s
	}
	for _, r := range cfg.Routes {
		addr := strings.TrimPrefix(r, "nats-route://")
		host, port, err := splitAddr(addr)
		if err == nil && (host == "" || port == 0) {
			err = errors.New("write host:port")
		}
		if err != nil {
			return nil, fmt.Errorf("cluster: route %q: %w", r, err)
		}
		u := &url.URL{Scheme: "nats-route", Host: net.JoinHostPort(host, strconv.Itoa(port))}
		if len(cfg.Secrets) > 0 {
			u.User = url.UserPassword(routeUser, cfg.Secrets[0])
		}
		opts.Routes = append(opts.Routes, u)
	}
	return opts, nil
}

func splitAddr(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, errors.New("write host:port")
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is no number from 0 to 65535", p)
	}
	return host, int(n), nil
}

// InProcessConn returns a connection to the server that needs no socket.
func (s *Server) InProcessConn() (net.Conn, error) { return s.nats.InProcessConn() }

// Credentials are what a client in this process says to be let in.
func (s *Server) Credentials() (user, password string) { return s.user, s.password }

// ClusterAddr is where the server takes routes.
func (s *Server) ClusterAddr() net.Addr { return s.nats.ClusterAddr() }

// Routes returns how many other servers this one is connected to.
func (s *Server) Routes() int {
	// Each pair keeps several connections; what counts is the servers.
	z, err := s.nats.Routez(&server.RoutezOptions{})
	if err != nil {
		return 0
	}
	peers := make(map[string]bool)
	for _, r := range z.Routes {
		peers[r.RemoteID] = true
	}
	return len(peers)
}

// Close stops the server and waits until it has. It may be called any number of times.
func (s *Server) Close() error {
	s.close.Do(func() {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
	})
	return nil
}
