package sctp

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// A wire carries the packets of two associations through a network on a virtual clock.
type wire struct {
	t     testing.TB
	now   time.Time
	rng   *rand.Rand
	loss  float64
	delay time.Duration
	rate  int // bytes a second, 0: no limit
	depth time.Duration
	busy  [2]time.Time // until when each direction's line is
	ends  [2]*end
	mail  []letter
	sent  int
	lost  int
	// Of the first end: packets with more than an acknowledgement, and times at which there were any.
	data, runs int
}

type end struct {
	a     *Assoc
	woken map[*Stream]bool
}

type letter struct {
	to int
	at time.Time
	b  []byte
}

func newWire(t testing.TB, seed uint64) *wire {
	w := &wire{t: t, now: time.Unix(1000, 0), rng: rand.New(rand.NewPCG(seed, 7)), delay: 10 * time.Millisecond, depth: 100 * time.Millisecond}
	for i := range w.ends {
		e := &end{woken: map[*Stream]bool{}}
		e.a = New(w.now, Config{
			MTU: 1190, Window: 1 << 20, MaxUnacked: 4 << 20, Client: i == 0,
			Tag: w.rng.Uint32() | 1, TSN: 0xfffffff0 + w.rng.Uint32N(32), Wake: func(s *Stream) { e.woken[s] = true },
		})
		w.ends[i] = e
	}
	return w
}

// flush puts what both ends have to say on the line.
func (w *wire) flush() {
	for i, e := range w.ends {
		for first := true; ; {
			b := e.a.Next(w.now, nil)
			if len(b) == 0 {
				break
			}
			if len(b) > 1190 {
				w.t.Fatalf("packet of %d bytes", len(b))
			}
			w.sent++
			if i == 0 && len(b) > 100 {
				w.data++
				if first {
					w.runs++
				}
				first = false
			}
			at := w.now
			if w.rate > 0 {
				if w.busy[i].Before(at) {
					w.busy[i] = at
				}
				if w.busy[i].Sub(at) > w.depth {
					w.lost++
					continue
				}
				w.busy[i] = w.busy[i].Add(time.Duration(len(b)) * time.Second / time.Duration(w.rate))
				at = w.busy[i]
			}
			if w.rng.Float64() < w.loss {
				w.lost++
				continue
			}
			w.mail = append(w.mail, letter{1 - i, at.Add(w.delay), b})
		}
	}
}

// step moves the clock to the next event.
func (w *wire) step(limit time.Time) bool {
	w.flush()
	next := limit
	for _, m := range w.mail {
		if m.at.Before(next) {
			next = m.at
		}
	}
	for _, e := range w.ends {
		if d := e.a.Deadline(); !d.IsZero() && d.Before(next) {
			next = d
		}
	}
	if !next.Before(limit) {
		w.now = limit
		return false
	}
	if next.After(w.now) {
		w.now = next
	}
	var left []letter
	for _, m := range w.mail {
		if m.at.After(w.now) {
			left = append(left, m)
		} else {
			w.ends[m.to].a.Handle(w.now, m.b)
		}
	}
	w.mail = left
	for _, e := range w.ends {
		e.a.Timeout(w.now)
	}
	return true
}

// until runs the network until something is so.
func (w *wire) until(what string, limit time.Duration, cond func() bool) {
	w.t.Helper()
	for end := w.now.Add(limit); !cond(); {
		if !w.step(end) && !cond() {
			w.t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func read(s *Stream) (got []byte) {
	for {
		b := s.Take()
		if len(b.Bytes()) == 0 {
			return got
		}
		got = append(got, b.Bytes()...)
		b.Skip(len(b.Bytes()))
	}
}

// open opens a channel from one end.
func (w *wire) open(from int) (x, y *Stream) {
	w.t.Helper()
	x = w.ends[from].a.Open("a channel")
	w.until("the channel is open at both ends", 20*time.Second, func() bool {
		if y == nil {
			y = w.ends[1-from].a.Accept()
		}
		return y != nil && x.Opened()
	})
	if y.Label() != "a channel" {
		w.t.Fatalf("label %q", y.Label())
	}
	return x, y
}

func payload(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

// transfer sends bytes one way and returns how long they took.
func (w *wire) transfer(x, y *Stream, want []byte) time.Duration {
	w.t.Helper()
	start := w.now
	var got []byte
	left := want
	w.until("all has arrived", 10*time.Minute, func() bool {
		for len(left) > 0 && x.Queued() < 256<<10 {
			n := min(1+w.rng.IntN(64<<10), len(left))
			cut := w.rng.IntN(n)
			x.Write(left[:cut], left[cut:n])
			left = left[n:]
		}
		got = append(got, read(y)...)
		return len(got) == len(want)
	})
	if !bytes.Equal(got, want) {
		w.t.Fatal("other bytes than were sent")
	}
	return w.now.Sub(start)
}

func TestNothingIsLost(t *testing.T) {
	for seed := range uint64(20) {
		w := newWire(t, seed)
		w.loss = float64(seed%5) * 0.05
		x, y := w.open(int(seed) % 2)
		w.transfer(x, y, payload(seed, 1<<20))
		w.transfer(y, x, payload(seed+1, 1<<20))
	}
}

func TestChannelsShareAnAssociation(t *testing.T) {
	w := newWire(t, 1)
	w.loss = 0.02
	x1, y1 := w.open(0)
	x2, y2 := w.open(1)
	x3, y3 := w.open(0)
	a, b, c := payload(1, 300_000), payload(2, 300_000), payload(3, 300_000)
	for i := 0; i < len(a); i += 30_000 {
		x1.Write(a[i : i+30_000])
		x2.Write(b[i : i+30_000])
		x3.Write(c[i : i+30_000])
	}
	var ga, gb, gc []byte
	w.until("all has arrived", time.Minute, func() bool {
		ga, gb, gc = append(ga, read(y1)...), append(gb, read(y2)...), append(gc, read(y3)...)
		return len(ga) == len(a) && len(gb) == len(b) && len(gc) == len(c)
	})
	if !bytes.Equal(ga, a) || !bytes.Equal(gb, b) || !bytes.Equal(gc, c) {
		t.Fatal("bytes of one channel came by another")
	}
}

// A line of 10 Mbit/s and 50 ms is filled, also with a packet in a thousand lost.
func TestFillsALine(t *testing.T) {
	for _, loss := range []float64{0, 0.001} {
		w := newWire(t, 3)
		w.rate, w.delay, w.loss = 1_250_000, 25*time.Millisecond, loss
		x, y := w.open(0)
		const size = 20 << 20
		took := w.transfer(x, y, payload(1, size))
		if share := float64(size) / 1_250_000 / took.Seconds(); share < map[float64]float64{0: 0.9, 0.001: 0.5}[loss] {
			t.Errorf("with loss %v only %.0f %% of the line is used", loss, 100*share)
		}
		if w.loss == 0 && float64(w.lost) > 0.02*float64(w.sent) {
			t.Errorf("%d of %d packets overflowed the line", w.lost, w.sent)
		}
	}
}

// On a full line, acknowledgements come for every second packet, and are not answered one by one.
func TestSendsInRuns(t *testing.T) {
	w := newWire(t, 3)
	w.rate, w.delay = 1_250_000, 25*time.Millisecond
	x, y := w.open(0)
	w.transfer(x, y, payload(1, 4<<20))
	if w.data < 8*w.runs {
		t.Errorf("%d packets went out in %d runs", w.data, w.runs)
	}
}

// The last packet of a burst is lost: it is sent again after two round trips, not
// after a time-out.
func TestLostTail(t *testing.T) {
	w := newWire(t, 1)
	x, y := w.open(0)
	w.transfer(x, y, payload(1, 100_000))
	w.until("all is acknowledged", time.Second, func() bool { return w.ends[0].a.out.count == 0 })
	w.loss = 1
	x.Write([]byte("the tail"))
	w.flush()
	w.loss = 0
	start := w.now
	w.until("it arrives", time.Minute, func() bool { return string(read(y)) == "the tail" })
	if took := w.now.Sub(start); took > 350*time.Millisecond {
		t.Errorf("took %s", took)
	}
}

// Who does not read is sent no more than the window, and is sent the rest as soon as he reads.
func TestWindow(t *testing.T) {
	w := newWire(t, 1)
	x, y := w.open(0)
	want := payload(1, 3<<20)
	for i := 0; i < len(want); i += 1 << 15 {
		x.Write(want[i : i+1<<15])
	}
	end := w.now.Add(time.Minute)
	for w.step(end) {
	}
	if n := w.ends[1].a.in.buffered; n < 1<<20-2000 || n > 1<<20+2000 {
		t.Fatalf("%d bytes are kept for a reader, want the window", n)
	}
	var got []byte
	w.until("the rest arrives", 3*time.Second, func() bool {
		got = append(got, read(y)...)
		return len(got) == len(want)
	})
	if !bytes.Equal(got, want) {
		t.Fatal("other bytes")
	}
}

// RFC 8831, section 6.7: a closed channel ends at both ends, behind its data.
func TestCloseAChannel(t *testing.T) {
	for seed := range uint64(10) {
		w := newWire(t, seed)
		w.loss = 0.1
		x1, y1 := w.open(0)
		x2, y2 := w.open(0)
		want := payload(seed, 100_000)
		x1.Write(want[:50_000])
		x1.Write(want[50_000:])
		x1.Close()
		x1.Write([]byte("too late"))
		w.until("the end arrives", time.Minute, y1.Ended)
		if got := read(y1); !bytes.Equal(got, want) {
			t.Fatalf("%d of %d bytes before the end", len(got), len(want))
		}
		y1.Close()
		w.until("the channel is gone at both ends", time.Minute, func() bool { return x1.Gone() && y1.Gone() })
		if len(w.ends[0].a.streams) != 1 || len(w.ends[1].a.streams) != 1 {
			t.Fatal("a closed channel is kept")
		}
		w.transfer(x2, y2, want)
	}
}

func TestAbort(t *testing.T) {
	w := newWire(t, 1)
	x, y := w.open(0)
	x.Write([]byte("x"))
	w.ends[0].a.Abort()
	w.until("the other side hears of it", time.Second, func() bool { return w.ends[1].a.Err() == ErrAborted })
	if !y.Ended() || !x.Ended() || !w.ends[1].woken[y] {
		t.Error("streams live on")
	}
	y.Write([]byte("x"))
	if w.ends[1].a.Pending() {
		t.Error("an ended association has something to say")
	}
}

// A flood of channels and of control messages costs no more than their limits.
func TestFloods(t *testing.T) {
	w := newWire(t, 1)
	w.open(0)
	for range 10 * maxStreams {
		w.ends[0].a.Open("x")
	}
	end := w.now.Add(10 * time.Second)
	for w.step(end) {
	}
	if n := len(w.ends[1].a.streams); n > 2*maxStreams {
		t.Errorf("%d channels were taken", n)
	}
	b := w.ends[1].a
	beat := appendChunk(appendHeader(nil, b.cfg.Tag), ctHeartbeat, 0, make([]byte, 100))
	for range 1000 {
		b.Handle(w.now, beat)
	}
	if len(b.control) > maxControl {
		t.Errorf("%d answers are kept", len(b.control))
	}
	b.Handle(w.now, appendChunk(appendHeader(nil, b.cfg.Tag), ctHeartbeat, 0, make([]byte, 5000)))
	w.until("answers leave", time.Second, func() bool { return len(b.control) == 0 })
}

// Chunks far ahead cost no more than their limits, and no more time than others.
func TestFloodOfGaps(t *testing.T) {
	w := newWire(t, 1)
	w.open(0)
	b := w.ends[1].a
	for i := range uint32(20_000) {
		v := be.AppendUint32(nil, b.in.cum+2+(i*7919)%40_000)
		b.Handle(w.now, appendChunk(appendHeader(nil, b.cfg.Tag), ctData, 3, append(v, 0, 1, 0, 0, 0, 0, 0, ppidBinary, 'x')))
	}
	if len(b.in.gaps) > maxGaps || len(b.in.held) > maxHeld || b.in.buffered > b.cfg.Window+2000 {
		t.Errorf("%d gaps, %d chunks, %d bytes are kept", len(b.in.gaps), len(b.in.held), b.in.buffered)
	}
	n := 0
	for _, g := range b.in.gaps {
		for tsn := g.first; tsn != g.last+1; tsn++ {
			if _, ok := b.in.held[tsn]; !ok {
				t.Fatalf("TSN %d is told of and not there", tsn)
			}
			n++
		}
	}
	if n != len(b.in.held) {
		t.Errorf("%d chunks are told of, %d are there", n, len(b.in.held))
	}
}

// Messages of one byte that cannot leave count for the memory that they take.
func TestQueueCountsMemory(t *testing.T) {
	w := newWire(t, 1)
	x, _ := w.open(0)
	n := 0
	for ; x.Queued() < 512<<10 && n < 1<<20; n++ {
		x.Write([]byte{1})
	}
	if n > 1000 {
		t.Errorf("%d messages fit into 512 KiB", n)
	}
	for range 3 * maxChunks {
		x.Write([]byte{1})
	}
	for range 10 * maxChunks {
		w.ends[0].a.Next(w.now, nil)
	}
	if n := w.ends[0].a.out.count; n > maxChunks {
		t.Errorf("%d chunks are under way", n)
	}
}

func TestAStrangersPacketsAreIgnored(t *testing.T) {
	w := newWire(t, 1)
	x, y := w.open(0)
	b := w.ends[1].a
	for _, p := range [][]byte{
		appendChunk(appendHeader(nil, b.cfg.Tag+1), ctAbort, 0, nil),
		appendChunk(appendHeader(nil, 0), ctInit, 0, make([]byte, 16)),
		appendChunk(appendHeader(nil, 0), ctInit, 0, payload(1, 16)),
	} {
		b.Handle(w.now, p)
	}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	w.transfer(x, y, payload(1, 10_000))
}

func FuzzHandle(f *testing.F) {
	w := newWire(f, 1)
	w.open(0)
	for kind := range 15 {
		f.Add(appendChunk(nil, byte(kind), 3, payload(uint64(kind), 40)))
	}
	f.Add(appendChunk(nil, ctReconfig, 0, appendParam(nil, paramOutgoingReset, payload(1, 20))))
	f.Fuzz(func(t *testing.T, chunks []byte) {
		w := newWire(t, 1)
		x, _ := w.open(0)
		x.Write(make([]byte, 5000))
		for range 3 {
			b := w.ends[0].a
			b.Handle(w.now, append(appendHeader(nil, b.cfg.Tag), chunks...))
			for range 100 {
				if len(b.Next(w.now, nil)) == 0 {
					break
				}
			}
			w.now = w.now.Add(time.Second)
			b.Timeout(w.now)
		}
	})
}

// BenchmarkPair is the machine alone: both ends, 16 KiB blocks.
func BenchmarkPair(b *testing.B) {
	w := newWire(b, 1)
	w.delay = 0
	x, y := w.open(0)
	block := make([]byte, 16<<10)
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	var buf [1190]byte
	for range b.N {
		x.Write(block)
		for x.Queued() > 0 || w.ends[1].a.Pending() {
			for i, e := range w.ends {
				for {
					p := e.a.Next(w.now, buf[:0])
					if len(p) == 0 {
						break
					}
					w.ends[1-i].a.Handle(w.now, p)
				}
			}
			w.now = w.now.Add(time.Microsecond)
		}
		for {
			got := y.Take()
			if len(got.Bytes()) == 0 {
				break
			}
			got.Skip(len(got.Bytes()))
		}
	}
}
