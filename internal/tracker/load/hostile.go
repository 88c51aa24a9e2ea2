package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// An Attack says what the attackers of a hostile profile did beside the honest peers.
type Attack struct {
	Conns    int64 `json:"connections"`        // opened
	Failed   int64 `json:"connections_failed"` // that could not be opened
	Closed   int64 `json:"connections_closed"` // by the tracker
	Sent     int64 `json:"messages_sent"`      // frames or packets
	Accepted int64 `json:"accepted"`           // replies without a failure
	Refused  int64 `json:"refused"`            // replies with a failure
	BytesIn  int64 `json:"bytes_sent"`
	BytesOut int64 `json:"bytes_received"`
	// StormSeconds is how long it took until all connections of a storm were open.
	StormSeconds float64 `json:"storm_seconds,omitempty"`
}

// attackers are those of one run.
type attackers struct {
	g *generator
	t *target

	conns, failed, closed, sent, accepted, refused, in, out atomic.Int64
	storm                                                   atomic.Int64 // nanoseconds
}

func (a *attackers) report() *Attack {
	return &Attack{
		Conns: a.conns.Load(), Failed: a.failed.Load(), Closed: a.closed.Load(), Sent: a.sent.Load(),
		Accepted: a.accepted.Load(), Refused: a.refused.Load(), BytesIn: a.in.Load(), BytesOut: a.out.Load(),
		StormSeconds: time.Duration(a.storm.Load()).Seconds(),
	}
}

// firstAttacker is the number of an attacker's first connection: honest peers come
// from other addresses.
const firstAttacker = 1 << 23

// hostile runs honest peers with an attack beside them.
func hostile(attack func(ctx context.Context, a *attackers)) func(ctx context.Context, g *generator) error {
	return func(ctx context.Context, g *generator) error {
		a := &attackers{g: g, t: g.targets[0]}
		return g.paced(ctx, func(ctx context.Context) {
			attack(ctx, a)
			g.attack = a.report()
		})
	}
}

// each runs f for every connection of the attack until ctx ends.
func (a *attackers) each(ctx context.Context, f func(n int)) {
	var wg sync.WaitGroup
	for n := range a.g.AttackConns {
		wg.Go(func() {
			for ctx.Err() == nil {
				f(n)
				sleep(ctx, 20*time.Millisecond)
			}
		})
	}
	wg.Wait()
}

// dial opens connection n and closes it when ctx ends. Without upgrade it is just a stream.
func (a *attackers) dial(ctx context.Context, n int, upgrade bool) (nc net.Conn, f *frames, err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			a.failed.Add(1)
		}
	}()
	nc, err = a.t.dial(ctx, firstAttacker+n)
	if err != nil {
		return nil, nil, err
	}
	fr := newFrames(2 << 10)
	if upgrade {
		if err := a.t.upgrade(nc, &fr); err != nil {
			nc.Close()
			return nil, nil, err
		}
	}
	a.conns.Add(1)
	context.AfterFunc(ctx, func() { nc.Close() })
	return nc, &fr, nil
}

func (a *attackers) write(nc net.Conn, b []byte, messages int) error {
	nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := nc.Write(b)
	a.in.Add(int64(n))
	if err == nil {
		a.sent.Add(int64(messages))
	}
	return err
}

// flood sends what next appends, in frames, at this connection's part of the rate, until the connection or
// ctx ends; another goroutine reads what the tracker says to it.
func (a *attackers) flood(ctx context.Context, n int, next func(b []byte) []byte) {
	nc, f, err := a.dial(ctx, n, true)
	if err != nil {
		return
	}
	defer nc.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer nc.Close()
		a.listen(ctx, nc, f)
	}()
	var b []byte
	pulse(ctx, a.g.AttackRate/float64(a.g.AttackConns), func(count int) bool {
		for count > 0 {
			k := 0
			for b = b[:0]; k < count && len(b) < 64<<10; k++ {
				b = next(b)
			}
			if a.write(nc, b, k) != nil {
				return false
			}
			count -= k
		}
		return true
	})
	nc.Close()
	<-ended
}

// listen counts what the tracker says until it closes.
func (a *attackers) listen(ctx context.Context, nc net.Conn, f *frames) {
	for {
		op, payload, err := f.next(nc)
		if err != nil || op == wsframe.Close {
			if ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				a.closed.Add(1)
			}
			return
		}
		a.out.Add(int64(len(payload)))
		if op.IsControl() {
			continue
		}
		if bytes.Contains(payload, []byte(`"failure reason"`)) {
			a.refused.Add(1)
		} else {
			a.accepted.Add(1)
		}
	}
}

// pulse calls f every 10 ms with how many things are due at this rate, until it returns
// false or ctx ends.
func pulse(ctx context.Context, rate float64, f func(n int) bool) {
	start, done := time.Now(), 0
	for sleep(ctx, 10*time.Millisecond) {
		due := int(time.Since(start).Seconds() * rate)
		if due > done {
			if !f(due - done) {
				return
			}
			done = due
		}
	}
}

// slowloris says little, slowly: nothing, a head without end, or a frame without end.
func slowloris(ctx context.Context, a *attackers) {
	head := []byte("GET " + a.t.path + " HTTP/1.1\r\nHost: " + a.t.host + "\r\nX-Slow: ")
	frame := append(appendHeader(nil, wsframe.Text, 60_000), "{"...)
	a.each(ctx, func(n int) {
		// Not all at once: a storm is another profile.
		if !sleep(ctx, time.Duration(n)*time.Second/2000) {
			return
		}
		kind := n % 3
		nc, _, err := a.dial(ctx, n, kind == 2)
		if err != nil {
			return
		}
		defer nc.Close()
		begin := [][]byte{nil, head, frame}[kind]
		if len(begin) > 0 && a.write(nc, begin, 0) != nil {
			a.closed.Add(1)
			return
		}
		one := make([]byte, 512)
		for ctx.Err() == nil {
			nc.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := nc.Read(one); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) || kind > 0 && a.write(nc, []byte("x"), 0) != nil {
				if ctx.Err() == nil {
					a.closed.Add(1)
				}
				return
			}
		}
	})
}

// bigframes sends frames of 64 KiB: too many offers, one long string, deep nesting.
func bigframes(ctx context.Context, a *attackers) {
	const size = 64 << 10
	head := `{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"bbbbbbbbbbbbbbbbbbbb","left":1,`
	offer := `{"offer":{"type":"offer","sdp":"` + sdp(1300, "offer") + `"},"offer_id":"cccccccccccccccccccc"}`
	pad := func(s, end string) []byte {
		return appendFrame(nil, wsframe.Text, []byte(s+strings.Repeat(" ", size-len(s)-len(end))+end))
	}
	many := head + `"offers":[` + offer
	for len(many)+len(offer) < size-100 {
		many += "," + offer
	}
	all := [][]byte{
		pad(many, "]}"),
		pad(head+`"x":"`, `"}`),
		pad(head+`"x":`+strings.Repeat("[", size-200-len(head)), ""),
		pad(`{"action":"announce","offers":[`+strings.Repeat("{},", 20_000)+"{}", "]}"),
	}
	a.each(ctx, func(n int) {
		i := n
		a.flood(ctx, n, func(b []byte) []byte {
			i++
			return append(b, all[i%len(all)]...)
		})
	})
}

// hashes announces a new info hash every time, all from one address.
func hashes(ctx context.Context, a *attackers) {
	var serial atomic.Uint64
	a.each(ctx, func(n int) {
		peer := peerID(a.g.Seed, firstAttacker+n)
		raw := rawHash(a.g.Seed, firstAttacker)
		tmpl := newTemplate(Options{}, leecher)
		var hash []byte
		a.flood(ctx, n%connsPerSource, func(b []byte) []byte {
			binary.BigEndian.PutUint64(raw, serial.Add(1))
			hash = appendBinary(hash[:0], raw)
			return tmpl.appendAnnounce(b, hash, peer, 0, 0)
		})
	})
}

// malformed is JSON that is none, or none of a client's.
var malformed = []string{
	"", "hello", "{", "[]", "null", `""`, "{}", `{"action":"announce"`, `{"action":"announce"} x`, `{"action":5}`, `{"action":"dance"}`,
	`{"action":"announce","info_hash":"short","peer_id":"bbbbbbbbbbbbbbbbbbbb"}`,
	`{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":{"a":[1,2,3]}}`,
	`{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"bbbbbbbbbbbbbbbbbbbb","offers":{"0":1}}`,
	`{"action":"announce","info_hash":"\ud800aaaaaaaaaaaaaaaaaaa","peer_id":"bbbbbbbbbbbbbbbbbbbb"}`,
	`{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"bbbbbbbbbbbbbbbbbbbb","to_peer_id":"x","answer":7,"offer_id":9}`,
	`{"action":"scrape","info_hash":[[[[[[[[[[[[[[]]]]]]]]]]]]]]}`,
	"\xff\xfe{\x00}", `{"a":"\u12"}`, strings.Repeat("[", 5000), strings.Repeat(`{"a":`, 1000),
}

func badJSON(ctx context.Context, a *attackers) {
	a.each(ctx, func(n int) {
		i := n
		a.flood(ctx, n, func(b []byte) []byte {
			i++
			return appendFrame(b, wsframe.Text, []byte(malformed[i%len(malformed)]))
		})
	})
}

const (
	// stormPause is between two storms.
	stormPause = 5 * time.Second
	// stormWorkers open connections at the same time. More would keep the honest peers, which live
	// in this process too, waiting for it.
	stormWorkers = 128
)

// storm opens all connections as fast as the rate says, each of which announces; then it drops all and
// does it again: what a tracker sees after an outage.
func storm(ctx context.Context, a *attackers) {
	tmpl := newTemplate(Options{Offers: 5, SDPSize: 1300}, leecher)
	for ctx.Err() == nil {
		var wg sync.WaitGroup
		round, drop := context.WithCancel(ctx)
		work := make(chan int)
		for range stormWorkers {
			wg.Go(func() {
				for n := range work {
					a.rejoin(round, n, tmpl)
				}
			})
		}
		start, next := time.Now(), 0
		pulse(ctx, a.g.AttackRate, func(due int) bool {
			for ; due > 0 && next < a.g.AttackConns; due-- {
				work <- next
				next++
			}
			return next < a.g.AttackConns
		})
		close(work)
		wg.Wait()
		if ctx.Err() == nil {
			a.storm.Store(max(a.storm.Load(), int64(time.Since(start))))
		}
		sleep(ctx, stormPause)
		drop()
	}
}

// rejoin opens connection n, announces and waits for the first message.
func (a *attackers) rejoin(ctx context.Context, n int, tmpl *template) {
	nc, f, err := a.dial(ctx, n, true)
	if err != nil {
		return
	}
	id := firstAttacker + n
	if a.write(nc, tmpl.appendAnnounce(nil, infoHash(a.g.Seed, firstAttacker+n/2), peerID(a.g.Seed, id), 0, 0), 1) != nil {
		return
	}
	nc.SetReadDeadline(time.Now().Add(replyTimeout))
	if _, payload, err := f.next(nc); err == nil {
		a.accepted.Add(1)
		a.out.Add(int64(len(payload)))
	}
}

// udpSpoof sends packets as from strangers to the UDP port of the same number: announces and scrapes with
// invented connection ids, connects, cut and random ones. Honest UDP clients run beside.
func udpSpoof(ctx context.Context, a *attackers) {
	honest := newGenerator(Options{Profile: "udp", URLs: a.g.URLs[:1], Conns: 8, SwarmSize: 20, Interval: 10 * time.Millisecond, Duration: a.g.Duration, Warmup: a.g.Warmup, Seed: a.g.Seed, Log: func(string) {}})
	honest.targets = []*target{{scheme: "udp", host: a.t.host, addr: a.t.addr}}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := runUDP(ctx, honest); err != nil {
			a.g.errs.add(err.Error())
			return
		}
		a.g.beside = honest.report()
	})
	a.each(ctx, func(n int) {
		conn, err := dialUDP(a.t.addr, firstAttacker+n)
		if err != nil {
			a.failed.Add(1)
			return
		}
		defer conn.Close()
		a.conns.Add(1)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			b := make([]byte, 2048)
			for {
				k, err := conn.Read(b)
				if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
					return
				}
				if k >= 4 {
					a.out.Add(int64(k))
					if binary.BigEndian.Uint32(b) == 3 { // an error, BEP 15
						a.refused.Add(1)
					} else {
						a.accepted.Add(1)
					}
				}
			}
		}()
		r := rand.New(rand.NewPCG(a.g.Seed, uint64(n)))
		pulse(ctx, a.g.AttackRate/float64(a.g.AttackConns), func(count int) bool {
			for range count {
				p := spoofed(r)
				if _, err := conn.Write(p); err == nil {
					a.sent.Add(1)
					a.in.Add(int64(len(p)))
				}
			}
			return true
		})
		conn.Close()
		<-ended
	})
	wg.Wait()
}

// spoofed makes a packet such as no honest client sends it.
func spoofed(r *rand.Rand) []byte {
	p := randomBytes(r, 98)
	action := func(n uint32) { binary.BigEndian.PutUint32(p[8:], n) }
	switch r.IntN(5) {
	case 0: // announce
		action(1)
	case 1: // scrape of three
		action(2)
		p = p[:16+60]
	case 2: // connect
		binary.BigEndian.PutUint64(p, 0x41727101980)
		action(0)
		p = p[:16]
	case 3: // cut
		action(1)
		p = p[:r.IntN(98)]
	}
	return p
}

// print adds the attack to a report for people.
func (a *Attack) print(p func(name, format string, args ...any)) {
	p("attackers", "%d connections, %d failed, %d closed by the tracker", a.Conns, a.Failed, a.Closed)
	p("their messages", "%d sent, %d accepted, %d refused", a.Sent, a.Accepted, a.Refused)
	p("their bytes", "%.1f MB sent, %.1f MB received", float64(a.BytesIn)/1e6, float64(a.BytesOut)/1e6)
	if a.StormSeconds > 0 {
		p("storm", "%.2f s until all were open", a.StormSeconds)
	}
}
