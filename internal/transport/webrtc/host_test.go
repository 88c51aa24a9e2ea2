//go:build !js

package webrtc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
)

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func newTestHost(t testing.TB, cfg Config) *Host {
	t.Helper()
	cfg.Loopback = true
	h, err := NewHost(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// connect makes one connection between two hosts.
func connect(t testing.TB, a, b *Host) (ca, cb transport.Conn) {
	t.Helper()
	ctx := testContext(t)
	o, err := a.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n, err := b.Answer(ctx, o.SDP())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Accept(n.SDP()); err != nil {
		t.Fatal(err)
	}
	if ca, err = o.Conn(ctx); err != nil {
		t.Fatal(err)
	}
	if cb, err = n.Conn(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ca.Close(); cb.Close() })
	return ca, cb
}

func pair(t testing.TB) (transport.Conn, transport.Conn) {
	t.Helper()
	return connect(t, newTestHost(t, Config{}), newTestHost(t, Config{}))
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// waitFor polls a condition that comes true through work in the background.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never happened: " + what)
		}
	}
}

func TestTransferBothWays(t *testing.T) {
	a, b := pair(t)
	const total = 64 << 20
	send := func(c transport.Conn, seed uint64) error {
		src := rand.NewChaCha8([32]byte{byte(seed)})
		sizes := rand.New(rand.NewPCG(seed, 1))
		buf := make([]byte, 300<<10)
		for left := total; left > 0; {
			n := min(1+sizes.IntN(len(buf)), left)
			if sizes.IntN(3) == 0 {
				n = min(1+sizes.IntN(40), left)
			}
			src.Read(buf[:n])
			var err error
			if cut := sizes.IntN(n + 1); sizes.IntN(2) == 0 {
				_, err = c.WriteBuffers([][]byte{buf[:cut], nil, buf[cut:n]})
			} else {
				_, err = c.Write(buf[:n])
			}
			if err != nil {
				return err
			}
			left -= n
		}
		return nil
	}
	recv := func(c transport.Conn, seed uint64) error {
		src := rand.NewChaCha8([32]byte{byte(seed)})
		sizes := rand.New(rand.NewPCG(seed, 2))
		buf, want := make([]byte, 300<<10), make([]byte, 300<<10)
		for left := total; left > 0; {
			n, err := c.Read(buf[:min(1+sizes.IntN(len(buf)), left)])
			if err != nil {
				return err
			}
			src.Read(want[:n])
			if !bytes.Equal(buf[:n], want[:n]) {
				return errors.New("other bytes than were sent")
			}
			left -= n
		}
		return nil
	}
	var wg sync.WaitGroup
	for _, f := range []func() error{
		func() error { return send(a, 1) }, func() error { return recv(b, 1) },
		func() error { return send(b, 2) }, func() error { return recv(a, 2) },
	} {
		wg.Go(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestShortReads(t *testing.T) {
	a, b := pair(t)
	msg := []byte("a message that is read one byte at a time")
	if _, err := a.Write(msg); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for len(got) < len(msg) {
		var one [1]byte
		n, err := b.Read(one[:])
		if err != nil || n != 1 {
			t.Fatal(n, err)
		}
		got = append(got, one[0])
	}
	if !bytes.Equal(got, msg) {
		t.Fatalf("got %q", got)
	}
}

func TestLargestMessageOfOthers(t *testing.T) {
	a, b := pair(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), maxMessage/16)
	ch := a.(*Conn).ch
	ch.p.link.mu.Lock()
	ch.s.Write(big) // as one message, as a browser may send it
	ch.p.link.unlock()
	got := make([]byte, len(big))
	if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, big) {
		t.Fatal("largest message did not arrive", err)
	}
}

func TestStalledReaderBoundsMemory(t *testing.T) {
	a, b := pair(t)
	chunk := make([]byte, 256<<10)
	a.SetWriteDeadline(time.Now().Add(2 * time.Second))
	written := 0
	for {
		n, err := a.Write(chunk)
		written += n
		if err != nil {
			if !isTimeout(err) {
				t.Fatal(err)
			}
			break
		}
		if written > 64<<20 {
			t.Fatal("writes do not block though nobody reads")
		}
	}
	if limit := maxUnacked + receiveWindow + 1<<20; written > limit {
		t.Fatalf("%d bytes taken from the writer, want %d at most", written, limit)
	}
	// And nothing is lost when the reader comes back.
	a.SetWriteDeadline(time.Time{})
	go a.Write([]byte{1})
	last := make([]byte, written+1)
	if _, err := io.ReadFull(b, last); err != nil || last[written] != 1 {
		t.Fatal("stream did not go on", err)
	}
}

// Tiny messages cost what they weigh: a flood of them that nobody reads is neither kept
// in more memory than others, nor does it end the connection.
func TestFloodOfTinyMessages(t *testing.T) {
	a, b := pair(t)
	const n = 100_000
	for range n {
		if _, err := a.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadFull(b, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
}

func TestDeadlines(t *testing.T) {
	a, b := pair(t)
	var buf [10]byte
	for range 3 {
		a.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
		_, err := a.Read(buf[:])
		if !isTimeout(err) {
			t.Fatalf("got %v", err)
		}
	}
	a.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := a.Read(buf[:]); !isTimeout(err) {
		t.Fatalf("deadline in the past: got %v", err)
	}
	// A deadline that was moved on does not fire.
	a.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	a.SetReadDeadline(time.Now().Add(time.Hour))
	time.AfterFunc(60*time.Millisecond, func() { b.Write([]byte("hello")) })
	if n, err := a.Read(buf[:]); err != nil || string(buf[:n]) != "hello" {
		t.Fatalf("got %q, %v", buf[:n], err)
	}
	// A deadline set while Read waits ends it.
	a.SetReadDeadline(time.Time{})
	time.AfterFunc(30*time.Millisecond, func() { a.SetReadDeadline(time.Unix(1, 0)) })
	if _, err := a.Read(buf[:]); !isTimeout(err) {
		t.Fatalf("deadline during Read: got %v", err)
	}
}

func TestRemoteCloseEndsRead(t *testing.T) {
	ha, hb := newTestHost(t, Config{}), newTestHost(t, Config{})
	a, b := connect(t, ha, hb)
	sent := bytes.Repeat([]byte("last words "), 100_000)
	go func() {
		a.Write(sent)
		a.Close()
	}()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("got %d of %d bytes, %v", len(got), len(sent), err)
	}
	waitFor(t, "writes fail after the other side closed", func() bool {
		_, err := b.Write([]byte("x"))
		return err != nil
	})
	waitFor(t, "both hosts free the connection", func() bool {
		return ha.Stats().Live == 0 && hb.Stats().Live == 0
	})
}

func TestCloseDuringReadAndWrite(t *testing.T) {
	a, b := pair(t)
	errs := make(chan error, 2)
	go func() {
		_, err := a.Read(make([]byte, 10))
		errs <- err
	}()
	go func() {
		for {
			if _, err := a.Write(make([]byte, 1<<20)); err != nil {
				errs <- err
				return
			}
		}
	}()
	time.Sleep(100 * time.Millisecond) // both are blocked by now, or soon
	for range 3 {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		select {
		case err := <-errs:
			if !errors.Is(err, ErrClosed) {
				t.Fatalf("got %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("a call is still blocked after Close")
		}
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, ErrClosed) {
		t.Fatalf("Read after Close: %v", err)
	}
	if _, err := a.Write(make([]byte, 1)); !errors.Is(err, ErrClosed) {
		t.Fatalf("Write after Close: %v", err)
	}
	_ = b
}

func TestNoLeaks(t *testing.T) {
	ha, hb := newTestHost(t, Config{}), newTestHost(t, Config{})
	before := runtime.NumGoroutine()
	for i := range 100 {
		switch i % 4 {
		case 0: // never answered
			o, err := ha.Offer(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			o.Close()
			o.Close()
		case 1: // answered, never completed
			o, err := ha.Offer(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			n, err := hb.Answer(testContext(t), o.SDP())
			if err != nil {
				t.Fatal(err)
			}
			n.Close()
			o.Close()
		case 2:
			a, b := connect(t, ha, hb)
			a.Close()
			b.Close()
		case 3: // one side closes, the other notices
			a, b := connect(t, ha, hb)
			a.Close()
			if _, err := b.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("got %v", err)
			}
		}
	}
	waitFor(t, "all connections are gone", func() bool {
		return ha.Stats().Live == 0 && hb.Stats().Live == 0
	})
	waitFor(t, "all goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
	if s := ha.Stats(); s.HalfOpen != 0 || s.Opened != 50 || s.Failed != 50 {
		t.Fatalf("stats of the offering side: %+v", s)
	}
}

func TestHostClose(t *testing.T) {
	before := runtime.NumGoroutine()
	a, b := newTestHost(t, Config{}), newTestHost(t, Config{})
	ca, cb := connect(t, a, b)
	pending, err := a.Offer(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	go ca.Write(make([]byte, 32<<20)) // nobody reads it
	for range 2 {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pending.Conn(testContext(t)); !errors.Is(err, ErrHostClosed) {
		t.Fatalf("half-open connection after Close: %v", err)
	}
	if _, err := a.Offer(testContext(t)); !errors.Is(err, ErrHostClosed) {
		t.Fatalf("Offer after Close: %v", err)
	}
	if _, err := io.Copy(io.Discard, cb); err != nil {
		t.Fatalf("the other side sees %v", err)
	}
	if s := a.Stats(); s.Live != 0 || s.HalfOpen != 0 {
		t.Fatalf("left behind: %+v", s)
	}
	b.Close()
	waitFor(t, "all goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
}

func TestLimits(t *testing.T) {
	h := newTestHost(t, Config{MaxPending: 2, PendingTimeout: 150 * time.Millisecond})
	ctx := testContext(t)
	first, err := h.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Offer(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Offer(ctx); !errors.Is(err, ErrTooMany) {
		t.Fatalf("third half-open connection of two: %v", err)
	}
	if _, err := first.Conn(ctx); !errors.Is(err, ErrPendingTimeout) {
		t.Fatalf("unanswered offer: %v", err)
	}
	waitFor(t, "unanswered offers are freed", func() bool { return h.Stats().Live == 0 })
	if _, err := h.Offer(ctx); err != nil {
		t.Fatal(err)
	}
	if err := first.Accept("v=0"); err == nil {
		t.Fatal("an answer to a dead offer was taken")
	}

	one := newTestHost(t, Config{MaxOpen: 1})
	connect(t, one, newTestHost(t, Config{}))
	if _, err := one.Offer(ctx); !errors.Is(err, ErrTooMany) {
		t.Fatalf("second connection of one: %v", err)
	}
}

func TestConnWaits(t *testing.T) {
	h := newTestHost(t, Config{})
	o, err := h.Offer(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := o.Conn(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if h.Stats().HalfOpen != 1 {
		t.Fatal("the offer did not outlive the wait")
	}
	o.Close()
	if _, err := o.Conn(testContext(t)); !errors.Is(err, ErrClosed) {
		t.Fatalf("got %v", err)
	}
}

func TestWrongCertificateIsRefused(t *testing.T) {
	a, b := newTestHost(t, Config{}), newTestHost(t, Config{})
	ctx := testContext(t)
	o, err := a.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n, err := b.Answer(ctx, o.SDP())
	if err != nil {
		t.Fatal(err)
	}
	sum := bytes.Repeat([]byte{7}, 32)
	sdp := strings.Replace(n.SDP(), colonHex(b.sum), colonHex(sum), 1)
	if err := o.Accept(sdp); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Conn(ctx); !errors.Is(err, ErrConnectFailed) {
		t.Fatalf("got %v", err)
	}
}
