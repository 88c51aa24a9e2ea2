package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/shoal-p2p/shoal/internal/tracker/admin"
)

// A certificate is a pair of files, and what was in them last.
type certificate struct {
	cert, key string
	current   atomic.Pointer[tls.Certificate]
}

// load reads the files; on error the certificate stays as it was.
func (c *certificate) load(log *slog.Logger) error {
	pair, err := loadPair(c.cert, c.key)
	if err != nil {
		return err
	}
	if end := pair.Leaf.NotAfter; time.Now().After(end) {
		log.Warn("the certificate has expired", "file", c.cert, "expired", end)
	}
	c.current.Store(pair)
	return nil
}

func loadPair(cert, key string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("cannot use the certificate in %s with the key in %s: %w", cert, key, err)
	}
	return &pair, nil
}

// certificates choose by the name that the client asks for; the first is for all other names.
type certificates []*certificate

func (cs certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	for _, c := range cs {
		if pair := c.current.Load(); hello.SupportsCertificate(pair) == nil {
			return pair, nil
		}
	}
	return cs[0].current.Load(), nil
}

// curves reads which key exchanges are used.
func (s *settings) curves() []tls.CurveID {
	known := map[string]tls.CurveID{"x25519": tls.X25519, "x25519mlkem768": tls.X25519MLKEM768, "p256": tls.CurveP256, "p384": tls.CurveP384, "p521": tls.CurveP521}
	var out []tls.CurveID
	for _, name := range s.list("tls-curves") {
		id, ok := known[strings.ToLower(name)]
		if !ok {
			s.fail("tls-curves", "%q is not possible: say x25519, x25519mlkem768, p256, p384 or p521", name)
		}
		out = append(out, id)
	}
	if len(out) == 0 {
		s.fail("tls-curves", "there is none: say x25519")
	}
	return out
}

// ends tells the operator when the certificates end.
func (cs certificates) ends() []admin.Certificate {
	out := make([]admin.Certificate, len(cs))
	for i, c := range cs {
		leaf := c.current.Load().Leaf
		out[i] = admin.Certificate{Name: leaf.Subject.CommonName, End: leaf.NotAfter}
		if len(leaf.DNSNames) > 0 {
			out[i].Name = leaf.DNSNames[0]
		}
	}
	return out
}

// issued keeps when the certificates of an ACME authority end, by name, once a client has got them.
type issued struct{ byName sync.Map }

func (i *issued) took(name string, c *tls.Certificate) {
	if c.Leaf == nil {
		return
	}
	if end, ok := i.byName.Load(name); !ok || end != c.Leaf.NotAfter {
		i.byName.Store(name, c.Leaf.NotAfter)
	}
}

func (i *issued) ends() []admin.Certificate {
	out := []admin.Certificate{}
	i.byName.Range(func(name, end any) bool {
		out = append(out, admin.Certificate{Name: name.(string), End: end.(time.Time)})
		return true
	})
	slices.SortFunc(out, func(a, b admin.Certificate) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// tls reads the settings of TLS: neither is set without TLS, the manager only with ACME. ends tells when
// certificates end.
func (s *settings) tls(log *slog.Logger, files *reloader) (conf *tls.Config, m *autocert.Manager, ends func() []admin.Certificate) {
	certs, keys, domains := s.list("tls-cert"), s.list("tls-key"), s.list("acme-domain")
	switch {
	case len(certs) > len(keys):
		s.fail("tls-cert", "%s has no key: name it with --tls-key", certs[len(keys)])
	case len(keys) > len(certs):
		s.fail("tls-key", "%s has no certificate: name it with --tls-cert", keys[len(certs)])
	case len(certs) > 0 && len(domains) > 0:
		s.fail("acme-domain", "certificates come from files or by ACME, not both: leave out one of --tls-cert and --acme-domain")
	case len(certs) > 0:
		conf, ends = s.tlsFromFiles(certs, keys, log, files)
		return conf, nil, ends
	case len(domains) > 0:
		return s.tlsByACME(domains)
	}
	s.useless("--acme-domain", func(name string) bool { return strings.HasPrefix(name, "acme-") })
	return nil, nil, nil
}

func (s *settings) tlsFromFiles(certs, keys []string, log *slog.Logger, files *reloader) (*tls.Config, func() []admin.Certificate) {
	var all certificates
	for i := range certs {
		c := &certificate{cert: certs[i], key: keys[i]}
		if err := c.load(log); err != nil {
			s.fail("tls-cert", "%w", err)
			return nil, nil
		}
		all = append(all, c)
		files.add("certificate "+c.cert, func() error { return c.load(log) }, c.cert, c.key)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: all.get, CurvePreferences: s.curves()}, all.ends
}

func (s *settings) tlsByACME(domains []string) (*tls.Config, *autocert.Manager, func() []admin.Certificate) {
	dir := s.text("acme-dir")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			s.fail("acme-dir", "there is no cache folder of the user here: name a folder to keep certificates in")
			return nil, nil, nil
		}
		dir = filepath.Join(cache, "shoal", "acme")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.fail("acme-dir", "cannot keep certificates in %s: %w", dir, cause(err))
		return nil, nil, nil
	}
	m := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(dir),
		HostPolicy: autocert.HostWhitelist(domains...),
		Email:      s.text("acme-email"),
		Client:     &acme.Client{DirectoryURL: s.text("acme-url"), UserAgent: "shoal"},
	}
	conf := m.TLSConfig()
	conf.MinVersion, conf.CurvePreferences = tls.VersionTLS12, s.curves()
	get := conf.GetCertificate
	var certs issued
	conf.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "" {
			return nil, errors.New("the client names no host")
		}
		c, err := get(hello)
		if err == nil && !slices.Contains(hello.SupportedProtos, acme.ALPNProto) { // that is the authority, which asks
			certs.took(strings.ToLower(hello.ServerName), c)
		}
		return c, err
	}
	return conf, m, certs.ends
}
