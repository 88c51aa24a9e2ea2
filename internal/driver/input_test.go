package driver

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// trickle is a stream that gives a few bytes at a time, and then an error with the
// last of them.
type trickle struct {
	transport.Conn
	left []byte
	step int
	err  error
}

func (c *trickle) Read(p []byte) (int, error) {
	n := copy(p, c.left[:min(c.step, len(c.left))])
	c.left = c.left[n:]
	if len(c.left) == 0 {
		return n, c.err
	}
	return n, nil
}

// gush is a trickle that fills several buffers at once, and has nothing now and then.
type gush struct {
	trickle
	dry bool
}

func (g *gush) ReadBuffers(bufs [][]byte, wait bool) (n int, err error) {
	if g.dry = !g.dry; g.dry && !wait {
		return 0, nil
	}
	room := g.step
	for _, b := range bufs {
		k := copy(b, g.left[:min(room, len(g.left))])
		g.left, n, room = g.left[k:], n+k, room-k
	}
	if len(g.left) == 0 {
		err = g.err
	}
	return n, err
}

// inputOf is an input of so many bytes; paid counts what it says that it received.
func inputOf(all []byte, step, quantum int, err error, vec bool) (in *input, paid *int) {
	var c transport.Conn = &trickle{left: all, step: step, err: err}
	if vec {
		c = &gush{trickle: trickle{left: all, step: step, err: err}}
	}
	in, paid = newInput(c, 64<<10), new(int)
	in.idle = func() {}
	in.pay = func(n int) { *paid += n }
	in.quantum = func() int { return quantum }
	return in, paid
}

func numbers(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8)
	}
	return b
}

// Whatever pieces a stream comes in, what is asked for is there in its order, and an
// error comes after the last byte.
func TestInputGathersWhatIsNeeded(t *testing.T) {
	broken := errors.New("the line is cut")
	for k, step := range []int{1, 7, 1000, 1 << 20, 1, 7, 1000, 1 << 20, 1 << 20} {
		all := numbers(100_000)
		quantum := 0
		if k == 8 {
			quantum = 99
		}
		in, paid := inputOf(all, step, quantum, broken, k >= 4)
		at := 0
		take := func(n int) {
			t.Helper()
			if !bytes.Equal(in.ready()[:n], all[at:at+n]) {
				t.Fatalf("%d bytes a read: other bytes from %d on", step, at)
			}
			in.skip(n)
			at += n
		}
		for _, need := range []int{5, 1, 68, 300, 1, 40_000, 17, 5} {
			if err := in.fill(need); err != nil || len(in.ready()) < need {
				t.Fatalf("%d bytes a read: %d of %d are ready, %v", step, len(in.ready()), need, err)
			}
			take(need)
		}
		dst := make([]byte, 30_000)
		if n, err := in.fillInto(dst); n != len(dst) || err != nil || !bytes.Equal(dst, all[at:at+n]) {
			t.Fatalf("%d bytes a read: %d bytes in their place, %v", step, n, err)
		}
		at += len(dst)
		rest := len(all) - at
		if err := in.fill(rest); err != nil {
			t.Fatalf("%d bytes a read: the last %d bytes: %v", step, rest, err)
		}
		take(rest)
		if err := in.fill(1); err != broken {
			t.Errorf("%d bytes a read: behind the end: %v", step, err)
		}
		if *paid != len(all) {
			t.Errorf("%d bytes a read: %d bytes are paid for", step, *paid)
		}
	}
	for _, vec := range []bool{false, true} {
		in, _ := inputOf(numbers(10), 3, 0, io.EOF, vec)
		if err := in.fill(11); err != io.EOF || len(in.ready()) != 10 {
			t.Errorf("a byte too few: %d, %v", len(in.ready()), err)
		}
		in, _ = inputOf(numbers(10), 3, 0, io.EOF, vec)
		if n, err := in.fillInto(make([]byte, 11)); n != 10 || err != io.EOF {
			t.Errorf("a byte too few in its place: %d, %v", n, err)
		}
	}
}
