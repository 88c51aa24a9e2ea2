// Package limitlog writes to a log what limits refuse: once a minute for each address and reason,
// with how often it was since the last time. The lines are for people, and for programs such as
// fail2ban:
//
//	level=INFO msg=limited client=192.0.2.1 reason=connections_address count=17
package limitlog

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

const (
	// period is how long it takes until there is another line about the same.
	period = time.Minute
	// tick is how long the first line may take. Whoever is limited comes again at once, so that line
	// tells how often.
	tick = time.Second
	// maxEntries bounds the lines of a period, and what is remembered. Of the rest there
	// is one line for each reason, without an address.
	maxEntries = 4096
)

// A Log may be used by many goroutines.
type Log struct {
	log       *slog.Logger
	addresses bool

	mu      sync.Mutex
	entries map[key]*entry

	done chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

type key struct {
	addr   uint64 // netaddr.Key, 0 = of anybody
	reason limit.Reason
}

type entry struct {
	addr  netip.Addr // the last that was seen; invalid = none is told
	count uint64     // since the last line
	next  time.Time  // when there may be another line
}

// New returns a Log that writes to log until Close. addresses says whether the lines have the
// clients' addresses; without them there is a line for each reason.
func New(log *slog.Logger, addresses bool) *Log {
	l := &Log{log: log, addresses: addresses, entries: make(map[key]*entry), done: make(chan struct{})}
	l.wg.Go(l.run)
	return l
}

// Limit notes that something of a client was refused. It does not wait for the log. What was lost on
// the way to its receiver is not noted: the receiver is not to blame.
func (l *Log) Limit(r limit.Reason, addr netip.Addr) {
	if r.Kind() == limit.Dropped {
		return
	}
	// A forged address must not get its owner into a list of evil-doers.
	if !l.addresses || !r.Proven() {
		addr = netip.Addr{}
	}
	k := key{reason: r}
	if addr.IsValid() {
		k.addr = netaddr.Key(addr)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[k]
	if e == nil && len(l.entries) >= maxEntries {
		k, addr = key{reason: r}, netip.Addr{}
		e = l.entries[k]
	}
	if e == nil {
		e = new(entry)
		l.entries[k] = e
	}
	e.addr = addr
	e.count++
}

func (l *Log) run() {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-l.done:
			l.write(time.Now().Add(period)) // what has not been told
			return
		case now := <-t.C:
			l.write(now)
		}
	}
}

// write writes the lines that are due, and forgets what did not happen again.
func (l *Log) write(now time.Time) {
	type line struct {
		key
		entry
	}
	var due []line
	l.mu.Lock()
	for k, e := range l.entries {
		switch {
		case now.Before(e.next):
		case e.count == 0:
			delete(l.entries, k)
		default:
			due = append(due, line{k, *e})
			e.count, e.next = 0, now.Add(period)
		}
	}
	l.mu.Unlock()
	for _, n := range due {
		attrs := make([]slog.Attr, 0, 3)
		if n.entry.addr.IsValid() {
			attrs = append(attrs, slog.String("client", n.entry.addr.WithZone("").String()))
		}
		attrs = append(attrs, slog.String("reason", n.reason.String()), slog.Uint64("count", n.count))
		l.log.LogAttrs(context.Background(), slog.LevelInfo, "limited", attrs...)
	}
}

// Close writes what has not been told and ends the Log. It may be called any number of times.
func (l *Log) Close() {
	l.once.Do(func() { close(l.done) })
	l.wg.Wait()
}
