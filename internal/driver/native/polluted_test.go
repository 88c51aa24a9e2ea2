//go:build unix

package native

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// nosy is a peer that asks for blocks anywhere, whatever it is told that there is, and
// holds what comes against the truth.
func (s *sample) nosy(t *testing.T, addr string, rng *rand.Rand, over <-chan struct{}, right, refused *atomic.Int64) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	stop := context.AfterFunc(closedBy(over), func() { c.SetDeadline(time.Now()) })
	defer stop()
	hello := wire.Handshake{InfoHash: s.Info.Key(), PeerID: [20]byte{'n', byte(rng.Uint32()), byte(rng.Uint32())}}
	hello.SetFast()
	out := hello.Append(nil)
	out = (&wire.Message{ID: wire.HaveNone}).Append(out)
	out = (&wire.Message{ID: wire.Interested}).Append(out)
	c.Write(out)
	if _, err := io.ReadFull(c, make([]byte, wire.HandshakeLen)); err != nil {
		return
	}
	ask := func() {
		off := rng.Int64N(int64(len(s.data))) &^ 0x3ff
		n := min(int64(len(s.data))-off, 64<<10-off%(64<<10), 1+rng.Int64N(32<<10))
		c.Write((&wire.Message{ID: wire.Request, Index: uint32(off >> 16), Begin: uint32(off & 0xffff), Length: uint32(n)}).Append(nil))
	}
	var head [4]byte
	for {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		msg := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(c, msg); err != nil {
			return
		}
		switch {
		case len(msg) == 0:
		case wire.ID(msg[0]) == wire.Unchoke:
			for range 8 {
				ask()
			}
		case wire.ID(msg[0]) == wire.Reject:
			refused.Add(1)
			time.Sleep(time.Millisecond)
			ask()
		case wire.ID(msg[0]) == wire.Piece:
			off := int(binary.BigEndian.Uint32(msg[1:]))<<16 + int(binary.BigEndian.Uint32(msg[5:]))
			if !bytes.Equal(msg[9:], s.data[off:off+len(msg)-9]) {
				t.Errorf("wrong bytes left, among %d at %d", len(msg)-9, off)
				return
			}
			right.Add(1)
			ask()
		}
	}
}

// closedBy is a context that ends when the channel is closed.
func closedBy(over <-chan struct{}) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-over
		cancel()
	}()
	return ctx
}

// A shared file is changed at random places and times while peers and readers want it:
// not one wrong byte leaves. When it is right again everybody gets the rest, without
// anybody having to start anything anew.
func TestNoWrongByteLeavesAPollutedShare(t *testing.T) {
	for _, how := range []string{"seeded", "shared", "downloaded"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := makeSample(t, "film.mkv", 3_000_000, true, false)
			c := newClient(t, nil)
			opt := Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)}
			switch how {
			case "shared":
				opt.Content = Sources([]string{s.path()})
			case "downloaded":
				opt.Content = Download(s.dir, nil)
			}
			shared := add(t, c, opt)
			wait(t, shared)
			var right, refused atomic.Int64
			over := make(chan struct{})
			var wg sync.WaitGroup
			for k := range 3 {
				wg.Go(func() {
					s.nosy(t, c.PeerAddr().String(), rand.New(rand.NewPCG(1, uint64(k))), over, &right, &refused)
				})
				wg.Go(func() { s.watch(t, shared, rand.New(rand.NewPCG(2, uint64(k))), over, &right) })
			}
			leech := add(t, newClient(t, nil), Options{Torrent: s.Torrent, Content: Download(t.TempDir(), nil)})
			from, _ := resolve(t.Context(), []string{c.PeerAddr().String()})
			leech.AddPeers(from, swarm.User)
			for range 3 {
				s.pollute(t, 300*time.Millisecond)
				eventually(t, "all is shared again", func() bool { return shared.NumGone() == 0 && shared.NumHave() == s.Info.NumPieces() })
			}
			close(over)
			wg.Wait()
			if right.Load() == 0 || refused.Load() == 0 {
				t.Errorf("%d reads were right, %d requests refused", right.Load(), refused.Load())
			}
			wait(t, leech)
			// What had the name for a moment may be open for another second.
			eventually(t, "a reader gets all of it", func() bool {
				all := make([]byte, len(s.data))
				r := shared.NewReader(0, int64(len(all)), false)
				defer r.Close()
				n, err := io.ReadFull(r, all)
				if !bytes.Equal(all[:n], s.data[:n]) {
					t.Errorf("a reader at the end got wrong bytes among %d", n)
				}
				return err == nil
			})
			eventually(t, "nothing is warned of", func() bool { return shared.NumGone() == 0 && shared.Warning() == nil })
			if shared.Err() != nil {
				t.Error(shared.Err())
			}
		})
	}
}

// watch reads anywhere, as players do.
func (s *sample) watch(t *testing.T, from *Torrent, rng *rand.Rand, over <-chan struct{}, right *atomic.Int64) {
	for {
		select {
		case <-over:
			return
		default:
		}
		off := rng.Int64N(int64(len(s.data)))
		got := make([]byte, min(int64(len(s.data))-off, 1+rng.Int64N(200_000)))
		r := from.NewReader(off, int64(len(got)), false)
		n, err := io.ReadFull(r, got)
		r.Close()
		if !bytes.Equal(got[:n], s.data[off:][:n]) {
			t.Errorf("a reader got wrong bytes among %d at %d", n, off)
			return
		}
		if err == nil {
			right.Add(1)
		} else {
			time.Sleep(time.Millisecond)
		}
	}
}

// pollute changes the file in many ways for a while, and leaves it as it was.
func (s *sample) pollute(t *testing.T, most time.Duration) {
	t.Helper()
	f, err := os.OpenFile(s.path(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(3, 3))
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	fi, err := f.Stat()
	must(err)
	for begin := time.Now(); time.Since(begin) < most; time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond) {
		at := rng.Int64N(int64(len(s.data)))
		bad := bytes.Repeat([]byte{byte(rng.Uint32())}, 1+rng.IntN(20_000))
		bad = bad[:min(len(bad), len(s.data)-int(at))]
		switch rng.IntN(5) {
		case 0, 1:
			_, err := f.WriteAt(bad, at)
			must(err)
			must(os.Chtimes(s.path(), fi.ModTime(), fi.ModTime()))
		case 2:
			must(f.Truncate(at))
			must(f.Truncate(int64(len(s.data))))
		case 3:
			must(os.Rename(s.path(), s.path()+".away"))
			must(os.WriteFile(s.path(), bytes.Repeat(bad[:1], len(s.data)), 0o666))
			time.Sleep(time.Millisecond)
			must(os.Rename(s.path()+".away", s.path()))
		case 4:
			_, err := f.WriteAt(s.data, 0)
			must(err)
		}
	}
	_, err = f.WriteAt(s.data, 0)
	must(err)
}

// What does not change the bytes does not stop a share: a new time, a copy in its
// place, a move away and back. Where it cannot be read it says so once, and goes on by
// itself.
func TestAShareOutlivesWhatDoesNotChangeIt(t *testing.T) {
	s := makeSample(t, "film.mkv", 500_000, true, false)
	c := newClient(t, nil)
	shared := add(t, c, Options{Torrent: s.Torrent, Content: Sources([]string{s.path()})})
	wait(t, shared)
	get := func(what string) {
		t.Helper()
		to := newClient(t, nil)
		got := add(t, to, Options{Torrent: s.Torrent, Peers: []string{c.PeerAddr().String()}, Content: Download(t.TempDir(), nil)})
		wait(t, got)
		to.Close()
		if shared.Warning() != nil {
			t.Errorf("%s: %v", what, shared.Warning())
		}
	}
	get("at first")
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(s.path(), later, later); err != nil {
		t.Fatal(err)
	}
	get("a new time")
	fresh := filepath.Join(s.dir, "fresh")
	if err := os.WriteFile(fresh, s.data, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, s.path()); err != nil {
		t.Fatal(err)
	}
	get("written anew")
	shared.Close() // nothing is remembered nor open

	shared = add(t, c, Options{Torrent: s.Torrent, Content: Sources([]string{s.path()})})
	wait(t, shared)
	away := s.path() + ".away"
	if err := os.Rename(s.path(), away); err != nil {
		t.Fatal(err)
	}
	r := shared.NewReader(0, 10, false)
	defer r.Close()
	for range 2 {
		begin := time.Now()
		if _, err := r.Read(make([]byte, 10)); err == nil || time.Since(begin) > 10*time.Second {
			t.Errorf("of a file that is not there: %v", err)
		}
	}
	if w := shared.Warning(); w == nil || w.Error() != s.path()+" is missing; put it back" {
		t.Errorf("it says %v", w)
	}
	if err := os.Rename(away, s.path()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is shared again", func() bool { return shared.NumGone() == 0 })
	get("put back")
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Errorf("the same reader: %v", err)
	}
}

// A file that stays as it is, wrong, is looked at ever more seldom; a new loss is looked
// at soon; and hashing takes a fifth of a core at most.
func TestWhatIsGoneIsLookedAtNowAndThen(t *testing.T) {
	var m mending
	now := time.Unix(1000, 0)
	looks := func(most time.Duration, gone int, took time.Duration) (n int) {
		for end := now.Add(most); now.Before(end); now = now.Add(100 * time.Millisecond) {
			wait, due := m.plan(now, gone)
			if wait > keepEvery {
				t.Fatalf("the next look is in %v", wait)
			}
			if due {
				n++
				if _, again := m.plan(now, gone+1); again {
					t.Error("two looks at one time")
				}
				now = now.Add(took)
				m.rest(now, took)
			}
		}
		return n
	}
	if n := looks(time.Hour, 0, 0); n != 0 {
		t.Errorf("%d looks at nothing", n)
	}
	if n := looks(1500*time.Millisecond, 3, 0); n != 1 {
		t.Errorf("%d looks in the first moment", n)
	}
	if n := looks(10*time.Minute, 3, 0); n < 38 || n > 46 {
		t.Errorf("%d looks in ten minutes", n)
	}
	if n := looks(1500*time.Millisecond, 4, 0); n != 1 {
		t.Errorf("%d looks soon after another loss", n)
	}
	if n := looks(20*time.Minute, 4, time.Minute); n > 5 {
		t.Errorf("%d looks of a minute each in twenty", n)
	}
	looks(time.Second, 0, 0)
	if n := looks(1500*time.Millisecond, 1, 0); n != 1 {
		t.Errorf("%d looks soon after a first loss", n)
	}
}
