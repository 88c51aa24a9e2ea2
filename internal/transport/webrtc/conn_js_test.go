package webrtc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall/js"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// fakeBridge is a shoalRTC that connects the connections of this worker with
// each other. An offer's description ends in its number.
const fakeBridge = `
globalThis.shoalRTC = new class {
  scratch = new Uint8Array(65536);
  c = new Map();
  far = new Map(); // from the number of a connection to that of its other side
  theirs = 0;
  listen(f) { this.f = f; }
  tell(kind, id, value = "") { setTimeout(() => this.f(kind, id, value), 0); }
  open(id, servers, gather, offer) {
    this.servers = servers;
    const c = { id, queue: [], sent: 0, other: null };
    this.c.set(id, c);
    if (offer !== null) {
      const o = this.c.get(Number(offer.split("id=")[1]));
      if (!o) { this.tell(3, id, "cannot be parsed"); this.gone(id); return; }
      c.other = o;
    }
    this.tell(1, id, "v=0\na=candidate:x\na=setup:" + (offer === null ? "actpass" : "active") + "\na=id=" + id);
  }
  accept(id, sdp) {
    const a = this.c.get(id), b = this.c.get(Number(sdp.split("id=")[1]));
    if (!b) return this.tell(3, id, "cannot be parsed");
    a.other = b;
    this.far.set(a.id, b.id).set(b.id, a.id);
    this.tell(2, id);
    this.tell(5, id, "127.0.0.1:1");
    this.tell(6, a.id);
    this.tell(6, b.id);
  }
  more(id, link, label) {
    const c = { id, queue: [], sent: 0, other: null };
    this.c.set(id, c);
    const o = { id: --this.theirs, queue: [], sent: 0, other: c };
    this.c.set(o.id, o);
    c.other = o;
    setTimeout(() => { this.f(11, this.far.get(link), o.id + " " + label); if (!o.closed) this.f(6, id, ""); }, 0);
  }
  take(id, max) {
    const q = this.c.get(id).queue;
    if (!q.length) return null;
    const part = q[0].subarray(0, max);
    if (part.length === q[0].length) q.shift(); else q[0] = q[0].subarray(max);
    return part;
  }
  send(id, n) {
    const c = this.c.get(id);
    c.sent += n;
    const copy = this.scratch.slice(0, n);
    setTimeout(() => { if (c.other) { c.other.queue.push(copy); this.f(7, c.other.id, ""); } }, 0);
    if (c.sent < 300000 || c.stuck) return !c.stuck;
    c.sent = 0;
    this.tell(8, id);
    return false;
  }
  close(id) {
    const c = this.c.get(id);
    if (!c || c.closed) return;
    c.closed = true;
    if (c.other) { const o = c.other; o.other = null; this.tell(9, o.id); }
    this.gone(id);
  }
  gone(id) { this.tell(10, id); }
};`

func init() { js.Global().Call("eval", fakeBridge) }

func jsContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func jsPair(t *testing.T) (*Host, *Conn, *Conn) {
	t.Helper()
	h, err := NewHost(Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	a, b := pairOf(t, h)
	return h, a, b
}

func pairOf(t *testing.T, h *Host) (*Conn, *Conn) {
	t.Helper()
	ctx := jsContext(t)
	o, err := h.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n, err := h.Answer(ctx, o.SDP())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Accept(n.SDP()); err != nil {
		t.Fatal(err)
	}
	a, err := o.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err := n.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return a.(*Conn), b.(*Conn)
}

func TestStream(t *testing.T) {
	h, a, b := jsPair(t)
	want := bytes.Repeat([]byte("0123456789"), 200_000)
	go func() {
		n, err := a.WriteBuffers([][]byte{want[:13], nil, want[13:700_000], want[700_000:]})
		if err != nil || n != int64(len(want)) {
			t.Errorf("wrote %d, %v", n, err)
		}
		a.Close()
		a.Close()
	}()
	var got []byte
	buf := make([]byte, 10_001)
	for {
		n, err := b.Read(buf)
		got = append(got, buf[:n]...)
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d", len(got), len(want))
	}
	if a.RemoteAddr() != "127.0.0.1:1" || a.Kind() != transport.WebRTC {
		t.Errorf("%q", a.RemoteAddr())
	}
	if _, err := a.Read(buf); !errors.Is(err, ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if _, err := a.Write(buf); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if _, err := b.Write(buf); !errors.Is(err, ErrPeerClosed) {
		t.Errorf("Write after the other side closed: %v", err)
	}
	b.Close()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if s := h.Stats(); s.Live != 0 || s.HalfOpen != 0 || s.Opened != 2 {
		t.Errorf("%+v", s)
	}
}

func TestDeadlines(t *testing.T) {
	_, a, b := jsPair(t)
	buf := make([]byte, 10)
	isTimeout := func(err error) bool {
		var timeout interface{ Timeout() bool }
		return errors.As(err, &timeout) && timeout.Timeout()
	}
	for range 2 {
		a.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := a.Read(buf); !isTimeout(err) {
			t.Fatalf("got %v", err)
		}
	}
	a.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	time.AfterFunc(5*time.Millisecond, func() { a.SetReadDeadline(time.Time{}) })
	time.AfterFunc(50*time.Millisecond, func() { b.Write([]byte("late")) })
	if n, err := a.Read(buf); err != nil || string(buf[:n]) != "late" {
		t.Fatalf("got %q, %v", buf[:n], err)
	}
	time.AfterFunc(5*time.Millisecond, func() { a.SetReadDeadline(time.Unix(1, 0)) })
	if _, err := a.Read(buf); !isTimeout(err) {
		t.Fatalf("got %v", err)
	}
	js.Global().Get("shoalRTC").Get("c").Call("get", a.ch.id).Set("stuck", true)
	a.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	n, err := a.Write(make([]byte, 1<<20))
	if !isTimeout(err) || n >= 1<<20 {
		t.Fatalf("wrote %d to a full channel, %v", n, err)
	}
}

func TestCloseDuringRead(t *testing.T) {
	_, a, _ := jsPair(t)
	time.AfterFunc(10*time.Millisecond, func() { a.Close() })
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, ErrClosed) {
		t.Fatalf("got %v", err)
	}
}

func TestLimitsAndRefusals(t *testing.T) {
	h, err := NewHost(Config{MaxPending: 2, PendingTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx := jsContext(t)
	o, err := h.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var bad *SDPError
	for _, sdp := range []string{"", "garbage", "v=0", "v=0\na=candidate:x", "v=0\na=candidate:x\na=setup:actpass id=77", string(make([]byte, 64<<10))} {
		if _, err := h.Answer(ctx, sdp); !errors.As(err, &bad) {
			t.Errorf("offer %.20q: %v", sdp, err)
		}
		if err := o.Accept(sdp); !errors.As(err, &bad) {
			t.Errorf("answer %.20q: %v", sdp, err)
		}
	}
	p, err := h.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Offer(ctx); !errors.Is(err, ErrTooMany) {
		t.Errorf("third of two: %v", err)
	}
	if _, err := o.Conn(ctx); !errors.Is(err, ErrPendingTimeout) {
		t.Errorf("unanswered: %v", err)
	}
	p.Close()
	p.Close()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Offer(ctx); !errors.Is(err, ErrHostClosed) {
		t.Errorf("after Close: %v", err)
	}
	if s := h.Stats(); s.Live != 0 || s.HalfOpen != 0 {
		t.Errorf("%+v", s)
	}
}

func TestServersOfATab(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "stun:a:1\nturn:u:p@127.0.0.1:1"},
		{Config{ICEServers: []string{"stun:own:1"}}, "stun:a:1\nturn:u:p@127.0.0.1:1\nstun:own:1"},
		{Config{ICEServers: []string{"stun:own:1"}, Loopback: true}, "turn:u:p@127.0.0.1:1"},
	} {
		h, err := NewHost(c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		h.SetServers([]string{"stun:a:1", "turn:u:p@127.0.0.1:1"})
		o, err := h.Offer(jsContext(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := bridge.rtc.Get("servers").String(); got != c.want {
			t.Errorf("the page is told %q, want %q", got, c.want)
		}
		o.Close()
		h.Close()
	}
}

// A connection carries further channels, and lives as long as one of them.
func TestFurtherChannels(t *testing.T) {
	got := make(chan transport.Conn, 1)
	labels := make(chan string, 1)
	h, err := NewHost(Config{Accept: func(c transport.Conn, label string) {
		got <- c
		labels <- label
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	a, b := pairOf(t, h)
	a.Link().Name([20]byte{1})
	if h.Link([20]byte{1}) != a.Link() || h.Link([20]byte{2}) != nil {
		t.Fatal("a peer is not found by its name")
	}
	c, err := a.Link().Open(jsContext(t), "second one")
	if err != nil {
		t.Fatal(err)
	}
	d := <-got
	if label := <-labels; label != "second one" {
		t.Errorf("label %q", label)
	}
	if d.(transport.Linked).Link() != b.Link() {
		t.Error("the channel belongs to another connection")
	}
	a.Close()
	b.Close()
	buf := make([]byte, 10)
	go c.Write([]byte("to"))
	if n, err := d.Read(buf); err != nil || string(buf[:n]) != "to" {
		t.Fatalf("after the first channel closed: %q, %v", buf[:n], err)
	}
	if s := h.Stats(); s.Live != 2 {
		t.Errorf("%+v", s)
	}
	e, err := d.(transport.Linked).Link().Open(jsContext(t), "third")
	if err != nil {
		t.Fatal(err)
	}
	f := <-got
	if label := <-labels; label != "third" {
		t.Errorf("label %q", label)
	}
	e.Close()
	f.Close()
	c.Close()
	if _, err := d.Read(buf); err != io.EOF {
		t.Errorf("%v", err)
	}
	for end := time.Now().Add(5 * time.Second); h.Stats().Live > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("left behind: %+v", h.Stats())
		}
	}
	if _, err := a.Link().Open(jsContext(t), "late"); !errors.Is(err, ErrClosed) {
		t.Errorf("on a closed connection: %v", err)
	}
}

func TestFurtherChannelsAreRefused(t *testing.T) {
	_, a, _ := jsPair(t)
	if _, err := a.Link().Open(jsContext(t), "x"); !errors.Is(err, ErrPeerClosed) {
		t.Errorf("got %v", err)
	}
	if err := a.Link().Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("after the connection was closed: %v", err)
	}
}
