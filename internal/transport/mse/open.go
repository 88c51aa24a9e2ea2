//go:build !js

package mse

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/limit"
	"github.com/shoal-p2p/shoal/internal/transport"
)

// strangersPerSecond bounds what strangers make us calculate. A handshake takes 0.2 ms:
// so they get a tenth of a processor at most, and wait for each other.
const strangersPerSecond = 500

// readLen is what is read at a time during a handshake, in bytes.
const readLen = 1 << 10

// Connect makes the handshake on a stream that we have opened, for the torrent skey.
// ia is how our stream begins, and has been sent when Connect returns. The caller
// bounds the time that it may take, by the stream's deadlines, and closes the stream
// after an error.
func Connect(c transport.Conn, skey [20]byte, offer Method, ia []byte) (transport.Conn, error) {
	h, first, err := Initiate(rand.Reader, skey, offer, ia)
	if err != nil {
		return nil, err
	}
	return run(c, h, first, nil)
}

// A Responder makes the handshake on streams that others have opened. The zero value
// works. Its methods may be called by any goroutine.
type Responder struct {
	mu    sync.Mutex
	turns limit.Bucket
}

// Accept makes the handshake on a stream whose first bytes were read already; the other
// arguments are those of Respond. The caller bounds the time that it may take, by the
// stream's deadlines, and closes the stream after an error.
func (r *Responder) Accept(c transport.Conn, first []byte, take, preferred Method,
	find func(keyHash [20]byte) (skey [20]byte, ok bool)) (transport.Conn, error) {
	var key [keyLen]byte
	n := copy(key[:], first)
	for n < keyLen {
		k, err := c.Read(key[n:])
		if n += k; k == 0 && err != nil {
			return nil, err
		}
	}
	if len(first) < keyLen {
		first = key[:]
	}
	r.turn()
	return run(c, Respond(rand.Reader, take, preferred, find), nil, first)
}

// turn waits until it is the next stranger's.
func (r *Responder) turn() {
	r.mu.Lock()
	now := time.Now()
	if r.turns.Rate() == 0 {
		r.turns.SetRate(now, strangersPerSecond)
	}
	pause := r.turns.Wait(now, r.turns.Take(now, 1))
	r.mu.Unlock()
	time.Sleep(pause)
}

// run exchanges messages until the handshake is over: out is sent first, in was received
// already. Both sides send pads that the other may want to answer before it has read
// them; so it reads while it writes.
func run(c transport.Conn, h *Handshake, out, in []byte) (transport.Conn, error) {
	queue := make(chan []byte, 2) // a side sends two messages
	sent := make(chan error, 1)
	go func() {
		var err error
		for b := range queue {
			if err == nil {
				_, err = c.Write(b)
			}
		}
		sent <- err
	}()
	buf := make([]byte, maxUnused+readLen)
	n := copy(buf, in)
	err := error(nil)
	for err == nil {
		if len(out) > 0 {
			queue <- out
		}
		var used int
		out, used, err = h.Step(nil, buf[:n])
		if err != nil {
			break
		}
		n = copy(buf, buf[used:n])
		if len(out) > 0 {
			continue
		}
		if h.Done() {
			break
		}
		k := 0
		if k, err = c.Read(buf[n:]); k > 0 {
			err = nil // it comes again
		}
		n += k
	}
	close(queue)
	if err != nil {
		return nil, err
	}
	if err := <-sent; err != nil {
		return nil, err
	}
	return wrap(c, h, buf[:n:n]), nil
}
