// Package embedded starts a NATS server inside the process, for a cluster without one of
// its own.
//
// Each node runs one; the servers connect to each other by routes. Clients are
// taken from this process only.
package embedded

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
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
	// Secret must be the same on all nodes. It keeps strangers out who can reach
	// ClusterListen; "" lets them in. It travels in the clear without TLS.
	Secret string
	// TLS secures the routes. It must have certificates that hold for the addresses in Routes, and
	// is for both ends of a route: set RootCAs and ClientCAs. nil means none.
	TLS *tls.Config
	// Name is the cluster's; servers of another refuse each other. "" means "shoal-tracker".
	Name string
	// Logger gets what the server has to say of importance. nil means nothing is logged.
	Logger *slog.Logger
}

// A Server is a NATS server in this process. It is a nats.InProcessConnProvider.
type Server struct {
	nats     *server.Server
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
	s := &Server{user: rand.Text(), password: rand.Text()}
	opts, err := cfg.options()
	if err != nil {
		return nil, err
	}
	opts.Username, opts.Password = s.user, s.password
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

func (cfg *Config) options() (*server.Options, error) {
	if cfg.Name == "" {
		cfg.Name = "shoal-tracker"
	}
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
		ServerName: cfg.Name + "-" + rand.Text()[:8],
		// Clients come from this process. DontListen would be the word for it, but it
		// switches clustering off, so there is a port, with a password.
		Host: "127.0.0.1", Port: server.RANDOM_PORT,
		NoSigs: true, MaxPayload: 1 << 20,
		Cluster: server.ClusterOpts{
			Name: cfg.Name, Host: host, Port: port,
			// The address of the clients' port would be of no use elsewhere.
			NoAdvertise: true,
			TLSConfig:   cfg.TLS, TLSTimeout: 5,
			ConnectBackoff: true,
		},
	}
	if cfg.Secret != "" {
		opts.Cluster.Username, opts.Cluster.Password = routeUser, cfg.Secret
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
		if cfg.Secret != "" {
			u.User = url.UserPassword(routeUser, cfg.Secret)
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
