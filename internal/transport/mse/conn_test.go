//go:build !js

package mse

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/transport/tcp"
)

// plain are the two ends of a TCP connection.
func plain(t testing.TB) (a, b *tcp.Conn) {
	t.Helper()
	l, err := tcp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), tcp.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = tcp.Dial(context.Background(), l.Addr()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// pair are the two ends of a stream after its handshake.
func pair(t testing.TB, take Method, ia []byte) (a, b transport.Conn) {
	t.Helper()
	rawA, rawB := plain(t)
	var wg sync.WaitGroup
	var errA, errB error
	wg.Go(func() { a, errA = Connect(rawA, skey, Plain|RC4, ia) })
	wg.Go(func() { b, errB = new(Responder).Accept(rawB, nil, take, take, one(skey)) })
	wg.Wait()
	if errA != nil || errB != nil {
		t.Fatalf("%v, %v", errA, errB)
	}
	return a, b
}

func both(t *testing.T, do func(t *testing.T, m Method)) {
	for name, m := range map[string]Method{"plain": Plain, "RC4": RC4} {
		t.Run(name, func(t *testing.T) { do(t, m) })
	}
}

// readAll reads n bytes, in several buffers at once where the stream can.
func readAll(t *testing.T, c transport.Conn, n int) []byte {
	t.Helper()
	got := make([]byte, n)
	v, ok := c.(vectored)
	for at := 0; at < n; {
		rest := got[at:]
		var k int
		var err error
		if third := len(rest) / 3; ok && third > 0 {
			k, err = v.ReadBuffers([][]byte{rest[:third], rest[third:]}, true)
		} else {
			k, err = c.Read(rest)
		}
		if at += k; err != nil {
			t.Fatalf("after %d bytes: %v", at, err)
		}
	}
	return got
}

func TestStreamsArriveAsTheyWereSent(t *testing.T) {
	both(t, func(t *testing.T, m Method) {
		ia := bytes.Repeat([]byte("early"), 1000)
		a, b := pair(t, m, ia)
		if MethodOf(a) != m || MethodOf(b) != m || a.Kind() != transport.TCP || a.RemoteAddr() == "" {
			t.Fatalf("methods %d and %d, kind %v to %q", MethodOf(a), MethodOf(b), a.Kind(), a.RemoteAddr())
		}
		large := bytes.Repeat([]byte("0123456789abcde"), 40_000)
		bufs := [][]byte{[]byte("head"), nil, large, []byte("tail")}
		want := bytes.Join(append([][]byte{ia}, bufs...), nil)
		before := bytes.Clone(large)
		for name, way := range map[string]struct {
			from, to transport.Conn
			want     []byte
		}{"to B": {a, b, want}, "to A": {b, a, want[len(ia):]}} {
			go func() {
				if n, err := way.from.WriteBuffers([][]byte{bufs[0], nil, large, bufs[3]}); n != int64(len(want)-len(ia)) || err != nil {
					t.Errorf("%s: wrote %d, %v", name, n, err)
				}
				if n, err := way.from.Write([]byte("more")); n != 4 || err != nil {
					t.Errorf("%s: wrote %d, %v", name, n, err)
				}
			}()
			if got := readAll(t, way.to, len(way.want)); !bytes.Equal(got, way.want) {
				t.Fatalf("%s: %d bytes differ", name, len(got))
			}
			if got := readAll(t, way.to, 4); string(got) != "more" {
				t.Fatalf("%s: %q", name, got)
			}
		}
		if !bytes.Equal(large, before) {
			t.Fatal("what is written was changed, though it may belong to somebody")
		}
	})
}

// What the network sees has nothing of the protocol in it, RC4 or not, until the
// handshake is over.
func TestNothingShows(t *testing.T) {
	both(t, func(t *testing.T, m Method) {
		rawA, rawB := plain(t)
		seen := &tap{Conn: rawA}
		go func() {
			if b, err := new(Responder).Accept(rawB, nil, m, m, one(skey)); err == nil {
				b.Write([]byte("\x13BitTorrent protocol from B"))
				io.Copy(io.Discard, b)
			}
		}()
		a, err := Connect(seen, skey, Plain|RC4, []byte("\x13BitTorrent protocol from A"))
		if err != nil {
			t.Fatal(err)
		}
		readAll(t, a, len("\x13BitTorrent protocol from B"))
		a.Write([]byte("payload of A"))
		if bytes.Contains(seen.sent, []byte("BitTorrent")) || bytes.Contains(seen.sent, skey[:]) {
			t.Error("the handshake can be seen")
		}
		if open := bytes.Contains(seen.sent, []byte("payload")); open != (m == Plain) {
			t.Errorf("the payload can be seen: %v", open)
		}
	})
}

// tap keeps what is sent.
type tap struct {
	transport.Conn
	sent []byte
}

func (c *tap) Write(p []byte) (int, error) {
	c.sent = append(c.sent, p...)
	return c.Conn.Write(p)
}

func (c *tap) WriteBuffers(bufs [][]byte) (int64, error) {
	c.sent = append(c.sent, bytes.Join(bufs, nil)...)
	return c.Conn.WriteBuffers(bufs)
}

func TestNothingIsReadWhereNothingIsThere(t *testing.T) {
	a, b := pair(t, RC4, nil)
	v := b.(vectored)
	buf := make([]byte, 10)
	if n, err := v.ReadBuffers([][]byte{buf}, false); n != 0 || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	b.SetReadDeadline(time.Now().Add(-time.Second))
	if n, err := b.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	b.SetReadDeadline(time.Time{})
	a.Write([]byte("later"))
	if got := readAll(t, b, 5); string(got) != "later" {
		t.Fatalf("%q", got)
	}
	a.Close()
	if n, err := v.ReadBuffers([][]byte{buf}, true); n != 0 || err != io.EOF {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

// In the steady state a block allocates nothing on its way.
func TestBlocksAllocateNothing(t *testing.T) {
	both(t, func(t *testing.T, m Method) {
		a, b := pair(t, m, nil)
		v := b.(vectored)
		head, block := make([]byte, 13), make([]byte, 16<<10)
		out, bufs := make([][]byte, 2), make([][]byte, 2)
		in := make([]byte, len(block))
		var h [13]byte
		if n := testing.AllocsPerRun(200, func() {
			out[0], out[1] = head, block
			if _, err := a.WriteBuffers(out); err != nil {
				t.Fatal(err)
			}
			for at := 0; at < len(head)+len(block); {
				bufs[0], bufs[1] = h[min(at, len(h)):], in[max(0, at-len(h)):]
				n, err := v.ReadBuffers(bufs, true)
				if err != nil {
					t.Fatal(err)
				}
				at += n
			}
		}); n > 0.5 {
			t.Errorf("%v allocations a block", n)
		}
	})
}

// quiet is a stream in memory.
type quiet struct{ net.Conn }

func (quiet) Kind() transport.Kind { return transport.TCP }
func (quiet) RemoteAddr() string   { return "" }
func (c quiet) WriteBuffers(bufs [][]byte) (n int64, err error) {
	for _, b := range bufs {
		k, err := c.Write(b)
		if n += int64(k); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Strangers who want us to calculate wait for each other, and so do not take the
// processor from everybody else. One alone does not wait.
func TestStrangersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Responder
		const strangers = 1000
		start := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		answered := 0
		for range strangers {
			ours, theirs := net.Pipe()
			wg.Go(func() {
				r.Accept(quiet{ours}, nil, RC4, RC4, one(skey))
				ours.Close()
			})
			wg.Go(func() {
				theirs.Write(bytes.Repeat([]byte{0x77}, keyLen))
				var b [keyLen]byte
				io.ReadFull(theirs, b[:])
				mu.Lock()
				answered++
				mu.Unlock()
				theirs.Close()
			})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		mu.Lock()
		if answered < strangersPerSecond*9/10 || answered > strangersPerSecond*3/2 {
			t.Errorf("%d strangers got an answer in the first second", answered)
		}
		mu.Unlock()
		wg.Wait()
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("the last one waited %v", d)
		}
		time.Sleep(time.Minute)
		start = time.Now()
		r.turn()
		if d := time.Since(start); d > 0 {
			t.Errorf("one alone waits %v", d)
		}
	})
}

// A stream without any buffer, on which each side writes what the other has not read yet,
// does as well.
func TestHandshakeInMemory(t *testing.T) {
	for range 20 {
		x, y := net.Pipe()
		done := make(chan error, 1)
		go func() {
			b, err := new(Responder).Accept(quiet{y}, nil, RC4, RC4, one(skey))
			if err == nil {
				_, err = io.CopyN(b, b, 68)
			}
			done <- err
		}()
		a, err := Connect(quiet{x}, skey, RC4, []byte("\x13BitTorrent protocol"))
		if err != nil {
			t.Fatal(err)
		}
		go a.Write(make([]byte, 48))
		got := make([]byte, 68)
		if _, err := io.ReadFull(a, got); err != nil || !bytes.HasPrefix(got, []byte("\x13BitTorrent protocol")) {
			t.Fatalf("%q, %v", got, err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		x.Close()
	}
}

// Half a handshake ends with the deadline of the stream, wherever it stops.
func TestHalfAHandshakeEnds(t *testing.T) {
	want := recorded(t)
	whole := append(bytes.Clone(want["1"]), want["3"]...)
	for _, n := range []int{0, 1, keyLen - 1, keyLen, keyLen + 5, len(want["1"]) + hashLen} {
		a, b := plain(t)
		a.Write(whole[:n])
		b.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := new(Responder).Accept(b, nil, RC4, RC4, one(skey)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	a, _ := plain(t)
	a.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := Connect(a, skey, RC4, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a silent responder: %v", err)
	}
}

func BenchmarkStream(b *testing.B) {
	for _, bench := range []struct {
		name string
		take Method
	}{{"plain", Plain}, {"RC4", RC4}} {
		b.Run(bench.name, func(b *testing.B) {
			from, to := pair(b, bench.take, nil)
			go func() {
				buf := make([]byte, 64<<10)
				for {
					if _, err := to.Read(buf); err != nil {
						return
					}
				}
			}()
			block := make([]byte, 16<<10)
			bufs := make([][]byte, 16)
			b.SetBytes(int64(len(block) * len(bufs)))
			b.ReportAllocs()
			for b.Loop() {
				for i := range bufs {
					bufs[i] = block
				}
				if _, err := from.WriteBuffers(bufs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHandshake is what a peer costs us; of a stranger without the info hash it
// is nearly all.
func BenchmarkHandshake(b *testing.B) {
	for b.Loop() {
		i, first, err := Initiate(chance(1), skey, RC4, nil)
		if err != nil {
			b.Fatal(err)
		}
		if errA, errB := talk(i, Respond(chance(2), RC4, RC4, one(skey)), first, 1<<20); errA != nil || errB != nil {
			b.Fatal(errA, errB)
		}
	}
}
