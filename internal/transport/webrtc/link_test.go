//go:build !js

package webrtc

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"

	"github.com/shoal-p2p/shoal/internal/transport"
)

type incoming struct {
	c     transport.Conn
	label string
}

// accepting is a Host that takes further channels.
func accepting(t *testing.T) (*Host, <-chan incoming) {
	got := make(chan incoming, 100)
	return newTestHost(t, Config{Accept: func(c transport.Conn, label string) { got <- incoming{c, label} }}), got
}

// A connection carries channels side by side, opened by either side, and lives as
// long as one of them.
func TestFurtherChannels(t *testing.T) {
	ha, gotA := accepting(t)
	hb, gotB := accepting(t)
	before := runtime.NumGoroutine()
	a, b := connect(t, ha, hb)
	type ends struct{ from, to transport.Conn }
	all := []ends{{a, b}}
	for i, label := range []string{"one", "two", "three", "four"} {
		from, got := a, gotB
		if i%2 == 1 {
			from, got = b, gotA
		}
		c, err := from.(transport.Linked).Link().Open(testContext(t), label)
		if err != nil {
			t.Fatal(err)
		}
		in := <-got
		if in.label != label {
			t.Errorf("label %q, want %q", in.label, label)
		}
		all = append(all, ends{c, in.c})
	}
	var wg sync.WaitGroup
	for i, e := range all {
		wg.Go(func() {
			want := bytes.Repeat([]byte{byte(i + 1)}, 2<<20)
			go func() {
				e.from.Write(want)
				e.from.Close()
			}()
			got, err := io.ReadAll(e.to)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("channel %d: %d bytes, %v", i, len(got), err)
			}
		})
		if i == 0 {
			wg.Wait() // the first closes, and the connection stays
			if s := ha.Stats(); s.Live != 1 || s.Opened != 1 {
				t.Errorf("%+v", s)
			}
		}
	}
	wg.Wait()
	waitFor(t, "the last channel takes the connection with it", func() bool {
		return ha.Stats().Live == 0 && hb.Stats().Live == 0
	})
	waitFor(t, "all goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
	if _, err := a.(*Conn).Link().Open(testContext(t), "late"); !errors.Is(err, ErrClosed) {
		t.Errorf("on a closed connection: %v", err)
	}
}

// Channels come and go without end on one connection.
func TestChannelsAreForgotten(t *testing.T) {
	ha := newTestHost(t, Config{})
	hb, got := accepting(t)
	a, _ := connect(t, ha, hb)
	link := a.(*Conn).Link()
	for range 3 * maxChannels {
		c, err := link.Open(testContext(t), "x")
		if err != nil {
			t.Fatal(err)
		}
		in := (<-got).c
		go c.Close()
		if _, err := in.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(err)
		}
		in.Close()
	}
	waitFor(t, "closed channels are forgotten", func() bool { return len(a.(*Conn).ch.p.link.list()) == 1 })
}

// Channels that are opened at the same time do not wait for one another.
func TestOpenAtOnce(t *testing.T) {
	h, _ := accepting(t)
	a, _ := connect(t, newTestHost(t, Config{}), h)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if _, err := a.(*Conn).Link().Open(testContext(t), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestFurtherChannelsAreRefused(t *testing.T) {
	a, b := pair(t)
	link := a.(*Conn).Link()
	if _, err := link.Open(testContext(t), "x"); !errors.Is(err, ErrPeerClosed) {
		t.Errorf("by a Host that takes none: %v", err)
	}
	go a.Write([]byte("x"))
	if _, err := io.ReadFull(b, make([]byte, 1)); err != nil {
		t.Errorf("the first channel suffers: %v", err)
	}
	if err := link.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the connection was closed: %v", err)
	}
}

func TestTooManyChannels(t *testing.T) {
	h, _ := accepting(t)
	a, _ := connect(t, newTestHost(t, Config{}), h)
	var err error
	n := 1
	for ; err == nil && n < 10*maxChannels; n++ {
		_, err = a.(*Conn).Link().Open(testContext(t), "x")
	}
	if !errors.Is(err, ErrTooMany) || n > maxChannels+1 {
		t.Errorf("%d channels, then %v", n, err)
	}
}

// A name belongs to the connection that has it, as long as that lives.
func TestNames(t *testing.T) {
	h := newTestHost(t, Config{})
	a, _ := connect(t, h, newTestHost(t, Config{}))
	b, _ := connect(t, h, newTestHost(t, Config{}))
	one, two := [20]byte{1}, [20]byte{2}
	la, lb := a.(*Conn).Link(), b.(*Conn).Link()
	la.Name(one)
	la.Name(two) // it has one already
	lb.Name(one)
	if h.Link(one) != la || h.Link(two) != nil {
		t.Error("a name was taken over")
	}
	a.Close()
	waitFor(t, "the name is free", func() bool { return h.Link(one) == nil })
	lb.Name(one)
	if h.Link(one) != lb {
		t.Error("the name is not given again")
	}
}
