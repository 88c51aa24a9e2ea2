package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/shoal-p2p/shoal/internal/tracker/cluster"
	"github.com/shoal-p2p/shoal/internal/tracker/cluster/embedded"
	"github.com/shoal-p2p/shoal/internal/tracker/secret"
)

// A clusterPlan says how to be one tracker with others.
type clusterPlan struct {
	conf       cluster.Config
	embedded   *embedded.Config // nil: NATS runs elsewhere
	tls        *clusterTLS      // nil: none
	secretFile string           // "": none
	nats       *embedded.Server // of embedded, when it runs
	from       string           // the setting, for errors
}

func (s *settings) cluster(p *trackerPlan) {
	urls := s.list("cluster")
	inside := len(urls) == 1 && urls[0] == "embedded"
	forRoutes := func(name string) bool {
		return name == "cluster-listen" || name == "cluster-route" || name == "cluster-secret-file"
	}
	switch {
	case len(urls) == 0:
		s.useless("--cluster", func(name string) bool { return strings.HasPrefix(name, "cluster-") })
	case inside:
		s.useless("the URL of a NATS server", func(name string) bool { return name == "cluster-creds" })
	default:
		s.useless("--cluster embedded", forRoutes)
	}
	c := &clusterPlan{
		conf: cluster.Config{
			URLs: urls, Creds: s.text("cluster-creds"),
			Name: s.text("cluster-name"), Swarms: p.conf.Limits.Swarms, Logger: p.log.With("part", "cluster"),
		},
		tls: s.clusterTLS(), secretFile: s.text("cluster-secret-file"),
		from: s.all["cluster"].from,
	}
	if c.tls != nil {
		c.conf.TLS = c.tls.config()
		if c.tls.ca != "" {
			c.conf.RootCAs = func() (*x509.CertPool, error) { return c.tls.pool.Load(), nil }
		}
	}
	routes := &embedded.Config{
		ClusterListen: s.addr("cluster-listen", s.text("cluster-listen")), Routes: s.list("cluster-route"),
		Secrets: s.secrets("cluster-secret-file"), TLS: c.conf.TLS, Name: c.conf.Name, Logger: p.log.With("part", "nats"),
	}
	if inside {
		c.embedded, c.conf.URLs = routes, nil
		if len(routes.Secrets) == 0 && routes.TLS == nil && !loopback(routes.ClusterListen) {
			p.log.Warn("whoever reaches the cluster's address can take part: set --cluster-secret-file, or keep strangers out by a firewall",
				"address", routes.ClusterListen)
		}
	}
	if len(urls) > 0 {
		p.cluster = c
		var paths []string
		if c.tls != nil {
			paths = append(paths, c.tls.cert, c.tls.key, c.tls.ca)
		}
		if paths = slices.DeleteFunc(append(paths, c.secretFile), func(path string) bool { return path == "" }); len(paths) > 0 {
			p.files.add("cluster's secrets and certificates "+strings.Join(paths, ", "), c.reload, paths...)
		}
	}
}

// A clusterTLS is the files for NATS connections, and what was in them last.
type clusterTLS struct {
	cert, key, ca string // "" for none
	pair          atomic.Pointer[tls.Certificate]
	pool          atomic.Pointer[x509.CertPool]
}

// load reads the files; on error everything stays as it was.
func (c *clusterTLS) load() error {
	var pair *tls.Certificate
	var pool *x509.CertPool
	var err error
	if c.cert != "" {
		if pair, err = loadPair(c.cert, c.key); err != nil {
			return err
		}
	}
	if c.ca != "" {
		pool = x509.NewCertPool()
		text, err := os.ReadFile(c.ca)
		if err == nil && !pool.AppendCertsFromPEM(text) {
			err = errors.New("there is no certificate in PEM in it")
		}
		if err != nil {
			return fmt.Errorf("cannot use %s: %w", c.ca, cause(err))
		}
	}
	c.pair.Store(pair)
	c.pool.Store(pool)
	return nil
}

// config returns the TLS of now. As a client it goes on with the certificate of later, too.
func (c *clusterTLS) config() *tls.Config {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if pair := c.pair.Load(); pair != nil {
		conf.Certificates = []tls.Certificate{*pair}
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.pair.Load(), nil }
	}
	if pool := c.pool.Load(); pool != nil {
		// Routes ask both ends for a certificate.
		conf.RootCAs, conf.ClientCAs, conf.ClientAuth = pool, pool, tls.RequireAndVerifyClientCert
	}
	return conf
}

// clusterTLS reads the settings of NATS connections' TLS, nil if nothing is set.
func (s *settings) clusterTLS() *clusterTLS {
	c := &clusterTLS{cert: s.text("cluster-cert"), key: s.text("cluster-key"), ca: s.text("cluster-ca")}
	switch {
	case c.cert == "" && c.key == "" && c.ca == "":
		return nil
	case c.cert == "" && c.key != "":
		s.fail("cluster-key", "%s has no certificate: name it with --cluster-cert", c.key)
	case c.cert != "" && c.key == "":
		s.fail("cluster-cert", "%s has no key: name it with --cluster-key", c.cert)
	default:
		if err := c.load(); err != nil {
			name := "cluster-cert"
			if c.cert == "" {
				name = "cluster-ca"
			} else if _, bad := loadPair(c.cert, c.key); bad == nil {
				name = "cluster-ca"
			}
			s.fail(name, "%w", err)
			return nil
		}
	}
	return c
}

// reload reads the secrets and the files of TLS again.
func (c *clusterPlan) reload() error {
	if c.tls != nil {
		if err := c.tls.load(); err != nil {
			return err
		}
	}
	if c.embedded == nil {
		return nil // connections to come use it
	}
	var secrets []string
	var err error
	if c.secretFile != "" {
		if secrets, err = secret.List(c.secretFile); err != nil {
			return err
		}
	}
	var conf *tls.Config
	if c.tls != nil {
		conf = c.tls.config()
	}
	return c.nats.Reload(secrets, conf)
}

// join starts what is needed; leave ends what the tracker does not end itself.
func (c *clusterPlan) join(late *lateTracker) (nodes *cluster.Cluster, leave func(), err error) {
	leave = func() {}
	if c.embedded != nil {
		nats, err := embedded.Start(*c.embedded)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.from, err)
		}
		c.nats = nats
		leave = func() { nats.Close() }
		c.conf.InProcess = nats
		c.conf.User, c.conf.Password = nats.Credentials()
		c.conf.TLS, c.conf.RootCAs = nil, nil // they are for the routes
	}
	c.conf.OnLimit = late.limit
	if nodes, err = cluster.Join(c.conf); err != nil {
		leave()
		return nil, nil, usagef("%s: %w", c.from, err)
	}
	return nodes, leave, nil
}
