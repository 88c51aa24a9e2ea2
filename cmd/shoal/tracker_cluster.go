package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/shoal-p2p/shoal/internal/tracker/cluster"
	"github.com/shoal-p2p/shoal/internal/tracker/cluster/embedded"
)

// A clusterPlan says how to be one tracker with others.
type clusterPlan struct {
	conf     cluster.Config
	embedded *embedded.Config // nil: NATS runs elsewhere
	from     string           // the setting, for errors
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
			URLs: urls, Creds: s.text("cluster-creds"), TLS: s.clusterTLS(),
			Name: s.text("cluster-name"), Swarms: p.conf.Limits.Swarms, Logger: p.log.With("part", "cluster"),
		},
		from: s.all["cluster"].from,
	}
	routes := &embedded.Config{
		ClusterListen: s.addr("cluster-listen", s.text("cluster-listen")), Routes: s.list("cluster-route"),
		Secret: s.secret("cluster-secret-file"), TLS: c.conf.TLS, Name: c.conf.Name, Logger: p.log.With("part", "nats"),
	}
	if inside {
		c.embedded, c.conf.URLs = routes, nil
		if routes.Secret == "" && routes.TLS == nil && !loopback(routes.ClusterListen) {
			p.log.Warn("whoever reaches the cluster's address can take part: set --cluster-secret-file, or keep strangers out by a firewall",
				"address", routes.ClusterListen)
		}
	}
	if len(urls) > 0 {
		p.cluster = c
	}
}

// clusterTLS returns the TLS of NATS connections, nil if nothing is set.
func (s *settings) clusterTLS() *tls.Config {
	cert, key, ca := s.text("cluster-cert"), s.text("cluster-key"), s.text("cluster-ca")
	if cert == "" && key == "" && ca == "" {
		return nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case cert == "" && key != "":
		s.fail("cluster-key", "%s has no certificate: name it with --cluster-cert", key)
	case cert != "" && key == "":
		s.fail("cluster-cert", "%s has no key: name it with --cluster-key", cert)
	case cert != "":
		pair, err := loadPair(cert, key)
		if err != nil {
			s.fail("cluster-cert", "%w", err)
			return nil
		}
		conf.Certificates = []tls.Certificate{*pair}
	}
	if ca != "" {
		pool := x509.NewCertPool()
		text, err := os.ReadFile(ca)
		if err == nil && !pool.AppendCertsFromPEM(text) {
			err = errors.New("there is no certificate in PEM in it")
		}
		if err != nil {
			s.fail("cluster-ca", "cannot use %s: %w", ca, cause(err))
		}
		// Routes ask both ends for a certificate.
		conf.RootCAs, conf.ClientCAs, conf.ClientAuth = pool, pool, tls.RequireAndVerifyClientCert
	}
	return conf
}

// join starts what is needed; leave ends what the tracker does not end itself.
func (c *clusterPlan) join(late *lateTracker) (nodes *cluster.Cluster, leave func(), err error) {
	leave = func() {}
	if c.embedded != nil {
		nats, err := embedded.Start(*c.embedded)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.from, err)
		}
		leave = func() { nats.Close() }
		c.conf.InProcess = nats
		c.conf.User, c.conf.Password = nats.Credentials()
		c.conf.TLS = nil // it is for the routes
	}
	c.conf.OnLimit = late.limit
	if nodes, err = cluster.Join(c.conf); err != nil {
		leave()
		return nil, nil, usagef("%s: %w", c.from, err)
	}
	return nodes, leave, nil
}
