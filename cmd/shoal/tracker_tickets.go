package main

import (
	"context"
	"crypto/tls"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/secret"
	"github.com/shoal-p2p/shoal/internal/tracker/tickets"
)

// ticketKeys keeps the keys of session tickets as the time and a file of secrets want them.
type ticketKeys struct {
	path    string
	keys    tls.Config // for these alone: listeners work on copies of their Config, which call it
	secrets atomic.Pointer[[][]byte]
}

// load reads the file; on error the secrets stay as they were.
func (k *ticketKeys) load() error {
	list, err := secret.List(k.path)
	if err != nil {
		return err
	}
	secrets := make([][]byte, len(list))
	for i, s := range list {
		secrets[i] = []byte(s)
	}
	k.secrets.Store(&secrets)
	k.set(time.Now())
	return nil
}

func (k *ticketKeys) set(now time.Time) {
	k.keys.SetSessionTicketKeys(tickets.Keys(now, *k.secrets.Load()...))
}

// run changes the keys in time until ctx is done.
func (k *ticketKeys) run(ctx context.Context) {
	for {
		// Not one long sleep: a machine that was suspended, or a clock that was set, would have old keys.
		wait := min(time.Until(tickets.Next(time.Now())), time.Minute)
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(wait, time.Millisecond)):
			k.set(time.Now())
		}
	}
}

// tickets reads the settings of session tickets; nil means that each listener makes up its own keys.
func (s *settings) tickets(conf *tls.Config, files *reloader) *ticketKeys {
	path := s.text("tls-ticket-secret-file")
	switch {
	case path == "":
		return nil
	case conf == nil:
		s.fail("tls-ticket-secret-file", "this is of no use without TLS: see --tls-cert and --acme-domain")
		return nil
	}
	k := &ticketKeys{path: path}
	if err := k.load(); err != nil {
		s.fail("tls-ticket-secret-file", "%w", err)
		return nil
	}
	files.add("session ticket secrets "+path, k.load, path)
	conf.WrapSession, conf.UnwrapSession = k.keys.EncryptTicket, k.keys.DecryptTicket
	return k
}
