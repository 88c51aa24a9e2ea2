package webseed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/driver/webseed"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

const pieceLength = 64 << 10

// content is a torrent with the bytes of its piece space.
func content(t *testing.T, v2 bool, sizes ...int) (*metainfo.Torrent, []byte) {
	t.Helper()
	opt := metainfo.BuildOptions{Name: "clip.bin", PieceLength: pieceLength, V1: true, V2: v2}
	for k, n := range sizes {
		path := []string{"clip.bin"}
		if len(sizes) > 1 {
			path = []string{fmt.Sprint("part", k)}
		}
		opt.Files = append(opt.Files, metainfo.BuildFile{Path: path, Length: int64(n)})
	}
	b, err := metainfo.NewBuilder(opt)
	if err != nil {
		t.Fatal(err)
	}
	var files [][]byte
	rng := rand.NewChaCha8([32]byte{3})
	for _, n := range sizes {
		files = append(files, make([]byte, n))
		rng.Read(files[len(files)-1])
	}
	for i := range b.NumPieces() {
		piece := make([]byte, b.PieceSize(i))
		for _, r := range b.AppendRanges(nil, i) {
			copy(piece[r.Offset:r.Offset+r.Length], files[r.File][r.FileOffset:])
		}
		b.SetPiece(i, b.HashPiece(i, piece))
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	// Between the files of a hybrid lies padding, of zeros.
	data := make([]byte, tor.Info.Length)
	for _, f := range tor.Info.Files {
		if !f.Pad {
			copy(data[f.Offset:], files[0])
			files = files[1:]
		}
	}
	return tor, data
}

// web is HTTP servers as a Fetch sees them.
type web struct {
	tor  *metainfo.Torrent
	data []byte
	// answer may answer in place of what a good server says; nil, or ok false: it does not.
	answer func(ctx context.Context, r webseed.Request) (a webseed.Answer, err error, ok bool)

	mu   sync.Mutex
	list []webseed.Request
	ctxs []context.Context
	open int // bodies
	most int // requests under way at one time
}

// body is that of an answer.
type body struct {
	io.Reader
	w    *web
	once sync.Once
}

func (b *body) Close() error {
	b.once.Do(func() {
		b.w.mu.Lock()
		b.w.open--
		b.w.mu.Unlock()
	})
	return nil
}

func (w *web) body(r io.Reader) *body {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	w.most = max(w.most, w.open)
	return &body{Reader: r, w: w}
}

// file is the bytes of the file at a URL.
func (w *web) file(url string) []byte {
	for k, f := range w.tor.Info.Files {
		if !f.Pad && (w.tor.Info.Single || strings.HasSuffix(url, f.Path[len(f.Path)-1])) {
			off := w.tor.Info.Files[k].Offset
			return w.data[off : off+f.Length]
		}
	}
	return nil
}

// good is the answer of a server that has everything.
func (w *web) good(r webseed.Request) (a webseed.Answer) {
	file := w.file(r.URL)
	a.Status, a.Length = 200, int64(len(file))
	if r.Ranged {
		a.Status, a.Length = 206, r.Count
		a.Range = fmt.Sprintf("bytes %d-%d/%d", r.First, r.First+r.Count-1, len(file))
		file = file[r.First : r.First+r.Count]
	}
	a.Body = w.body(bytes.NewReader(file))
	return a
}

func (w *web) fetch(ctx context.Context, r webseed.Request) (webseed.Answer, error) {
	w.mu.Lock()
	w.list, w.ctxs = append(w.list, r), append(w.ctxs, ctx)
	w.mu.Unlock()
	if w.answer != nil {
		if a, err, ok := w.answer(ctx, r); ok {
			return a, err
		}
	}
	return w.good(r), nil
}

func (w *web) requests() []webseed.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list
}

// idle reports whether no request is under way.
func (w *web) idle() bool {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open == 0
}

// tidy fails the test if a request still goes on.
func (w *web) tidy(t *testing.T) {
	t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open != 0 {
		t.Errorf("%d bodies are open", w.open)
	}
	for k, ctx := range w.ctxs {
		if ctx.Err() == nil {
			t.Errorf("the context of request %d has no end", k)
			return
		}
	}
}

// fetching is a torrent that web seeds fill.
type fetching struct {
	*driver.Torrent
	store *storage.Memory
	group *webseed.Group
	over  chan struct{} // closed when Run has returned
	end   context.CancelFunc
}

func start(t *testing.T, w *web, list ...webseed.Seed) *fetching {
	t.Helper()
	s := driver.NewSession(driver.Config{})
	t.Cleanup(s.Close)
	f := &fetching{store: storage.NewMemory(w.tor.Info, storage.MemoryOptions{}), over: make(chan struct{})}
	var err error
	f.Torrent, err = s.Add(driver.Options{Info: w.tor.Info, Open: func(context.Context, *metainfo.Info) (driver.Content, error) {
		return driver.Content{Store: f.store, Layers: w.tor.Layers()}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.group = webseed.NewGroup(f.Torrent, list, w.fetch)
	ctx, cancel := context.WithCancel(context.Background())
	f.end = cancel
	t.Cleanup(cancel)
	go func() {
		defer close(f.over)
		f.group.Run(ctx)
	}()
	return f
}

// complete waits for the torrent, and looks at what is stored.
func (f *fetching) complete(t *testing.T, w *web, most time.Duration) {
	t.Helper()
	select {
	case <-f.Done():
	case <-time.After(most):
		t.Fatalf("not complete after %v: %+v", most, f.group.Status())
	}
	have := make([]byte, len(w.data))
	if _, err := f.store.ReadAt(have, 0); err != nil || !bytes.Equal(have, w.data) {
		t.Fatalf("other bytes, %v", err)
	}
}

func (f *fetching) ended(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case <-f.over:
	default:
		t.Error("web seeds are still asked")
	}
}

func files(urls ...string) []webseed.Seed { return webseed.List(urls, nil, false) }

func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// A server brings everything, is no peer any more then, and nothing stays open.
func TestAServerBringsATorrent(t *testing.T) {
	for _, v := range []struct {
		name  string
		v2    bool
		sizes []int
	}{{"a file", false, []int{1<<20 + 17}}, {"files with padding between them", true, []int{100_001, 7, 300_000}}} {
		t.Run(v.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				tor, data := content(t, v.v2, v.sizes...)
				w := &web{tor: tor, data: data}
				f := start(t, w, webseed.Seed{URL: "http://192.0.2.1/", Trusted: true})
				f.complete(t, w, time.Minute)
				time.Sleep(time.Second)
				f.ended(t)
				w.tidy(t)
				if n := f.NumPeers(); n != 0 {
					t.Errorf("%d peers are left", n)
				}
				var size int64
				for _, r := range w.requests() {
					if size += r.Count; !r.Trusted {
						t.Error("it is forgotten that the user named the server")
					}
				}
				if most := int64(len(data)); size > most {
					t.Errorf("asked for %d bytes of %d", size, most)
				}
				if s := f.group.Status(); len(s) != 1 || s[0].GivenUp || s[0].Err != nil || s[0].URL != "http://192.0.2.1/" {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// A server that wants to be left alone is, whether it says so in its head (RFC 9110) or
// as BEP 17 has it in its body; meanwhile the torrent keeps it.
func TestABusyServerIsLeftAlone(t *testing.T) {
	for _, v := range []struct {
		name string
		seed webseed.Seed
		head time.Duration
		body string
		want time.Duration
	}{
		{"in the head", webseed.Seed{URL: "http://192.0.2.1/"}, time.Minute, "", time.Minute},
		{"in the body", webseed.Seed{URL: "http://192.0.2.1/seed", Pieces: true}, 0, "90", 90 * time.Second},
		{"in both", webseed.Seed{URL: "http://192.0.2.1/seed", Pieces: true}, time.Minute, "90", time.Minute},
		{"in the body, of a server of files", webseed.Seed{URL: "http://192.0.2.1/"}, 0, "90", time.Second},
	} {
		t.Run(v.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				tor, data := content(t, false, 200_000)
				w := &web{tor: tor, data: data}
				var refused, next time.Time
				w.answer = func(_ context.Context, r webseed.Request) (a webseed.Answer, err error, ok bool) {
					w.mu.Lock()
					first := refused.IsZero()
					if first {
						refused = time.Now()
					} else if next.IsZero() {
						next = time.Now()
					}
					w.mu.Unlock()
					if first {
						a.Status, a.Length, a.Wait, a.Body = 503, int64(len(v.body)), v.head, w.body(strings.NewReader(v.body))
						return a, nil, true
					}
					if !v.seed.Pieces {
						return a, nil, false
					}
					var piece, from, to int
					at := r.URL[strings.Index(r.URL, "&piece="):]
					if n, _ := fmt.Sscanf(at, "&piece=%d&ranges=%d-%d", &piece, &from, &to); n < 3 {
						from, to = 0, min(pieceLength, len(data)-piece*pieceLength)-1
					}
					part := data[piece*pieceLength+from : piece*pieceLength+to+1]
					a.Status, a.Length, a.Body = 200, int64(len(part)), w.body(bytes.NewReader(part))
					return a, nil, true
				}
				f := start(t, w, v.seed)
				time.Sleep(100 * time.Millisecond)
				if s := f.group.Status()[0]; s.Err == nil || !strings.Contains(s.Err.Error(), "busy") || s.GivenUp {
					t.Errorf("while it is left alone: %+v", s)
				}
				f.complete(t, w, 10*time.Minute)
				if d := next.Sub(refused); d < v.want || d > v.want+time.Second {
					t.Errorf("asked again after %v, not %v", d, v.want)
				}
				if s := f.group.Status()[0]; s.Err != nil {
					t.Errorf("in the end: %v", s.Err)
				}
				w.tidy(t)
			})
		})
	}
}

// drip gives a little at a time, and after some of that nothing until its context ends.
type drip struct {
	ctx   context.Context
	from  []byte
	most  int // bytes at a time
	every time.Duration
	left  int
}

func (d *drip) Read(p []byte) (int, error) {
	if d.left == 0 {
		<-d.ctx.Done()
		return 0, d.ctx.Err()
	}
	d.left--
	select {
	case <-time.After(d.every):
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
	if len(d.from) == 0 {
		return 0, io.EOF
	}
	n := copy(p, d.from[:min(len(d.from), d.most)])
	d.from = d.from[n:]
	return n, nil
}

// A server that falls silent is found out after half a minute, before its head and in
// the middle; one that is slow is waited for.
func TestAServerThatFallsSilent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		tor, data := content(t, false, 200_000)
		w := &web{tor: tor, data: data}
		asked := 0
		w.answer = func(ctx context.Context, r webseed.Request) (a webseed.Answer, err error, ok bool) {
			w.mu.Lock()
			asked++
			n := asked
			w.mu.Unlock()
			switch n {
			case 1: // no head
				<-ctx.Done()
				return a, errors.New("canceled"), true
			case 2: // some of the body
				a = w.good(r)
				a.Body.(*body).Reader = &drip{ctx: ctx, from: data[r.First:], most: 1000, every: time.Second, left: 2}
				return a, nil, true
			}
			a = w.good(r)
			a.Body.(*body).Reader = &drip{ctx: ctx, from: data[r.First : r.First+r.Count], most: 10_000, every: 25 * time.Second, left: 1000}
			return a, nil, true
		}
		f := start(t, w, files("http://192.0.2.1/")...)
		time.Sleep(29 * time.Second)
		if s := f.group.Status()[0]; s.Err != nil {
			t.Errorf("after 29 s: %v", s.Err)
		}
		time.Sleep(1500 * time.Millisecond)
		if s := f.group.Status()[0]; s.Err == nil || !strings.Contains(s.Err.Error(), "in time") {
			t.Errorf("after 30 s: %v", s.Err)
		}
		for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
			s, d := f.group.Status()[0], time.Since(began)
			if s.Err != nil && strings.Contains(s.Err.Error(), "in the middle") {
				if d < 30*time.Second {
					t.Errorf("not waited for, %v after it was asked again", d)
				}
				break
			}
			if d > 40*time.Second {
				t.Fatalf("after a silence in the middle: %v", s.Err)
			}
		}
		f.complete(t, w, time.Hour)
		var size int64
		for _, r := range w.requests()[2:] {
			size += r.Count
		}
		if size != int64(len(data)) {
			t.Errorf("asked for %d bytes after that: who is slow was cut off", size)
		}
		w.tidy(t)
	})
}

// An error of the connection is said as it is; a server that keeps failing is asked
// less and less.
func TestAServerThatCannotBeReached(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		tor, data := content(t, false, 200_000)
		w := &web{tor: tor, data: data}
		w.answer = func(context.Context, webseed.Request) (a webseed.Answer, err error, ok bool) {
			return a, errors.New("no route to it"), true
		}
		f := start(t, w, files("http://192.0.2.1/")...)
		time.Sleep(time.Hour)
		if s := f.group.Status()[0]; s.GivenUp || s.Err == nil || s.Err.Error() != "no route to it" {
			t.Errorf("%+v", s)
		}
		if n := len(w.requests()); n < 5 || n > 20 {
			t.Errorf("asked %d times in an hour", n)
		}
		f.end()
		f.ended(t)
		w.tidy(t)
	})
}

// Of many servers eight are asked at a time; where one is given up the next has its
// turn, and who was given up is no peer any more.
func TestServersTakeTurns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		tor, data := content(t, false, 4<<20)
		w := &web{tor: tor, data: data}
		asked := map[string]int{}
		w.answer = func(ctx context.Context, r webseed.Request) (a webseed.Answer, err error, ok bool) {
			w.mu.Lock()
			asked[r.URL]++
			w.mu.Unlock()
			if strings.Contains(r.URL, "198.51") {
				a.Status, a.Body = 404, w.body(strings.NewReader(""))
				return a, nil, true
			}
			<-ctx.Done() // the others say nothing
			return a, ctx.Err(), true
		}
		var list []webseed.Seed
		for k := range 12 {
			net := "192.0.2"
			if k == 3 || k == 5 {
				net = "198.51.100"
			}
			list = append(list, files(fmt.Sprintf("http://%s.%d/", net, k))...)
		}
		list = append(list, list[0], webseed.Seed{URL: "ftp://192.0.2.77/"})
		f := start(t, w, list...)
		time.Sleep(10 * time.Second)
		for k, s := range f.group.Status() {
			bad := k == 3 || k == 5
			if s.GivenUp != bad || bad && !strings.Contains(s.Err.Error(), "no such file") {
				t.Errorf("server %d: %+v", k, s)
			}
			if turn := k < 10; turn != (asked[s.URL+"clip.bin"] > 0) {
				t.Errorf("server %d was asked %d times", k, asked[s.URL+"clip.bin"])
			}
		}
		if n, known := f.NumPeers(), len(f.group.Status()); n != 8 || known != 13 {
			t.Errorf("%d of %d servers are asked", n, known)
		}
		f.end()
		f.ended(t)
		w.tidy(t)
		if n := f.NumPeers(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

// Addresses that lead nowhere are passed over, and where all do the rest is silence.
func TestAddressesOfNoUse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		tor, data := content(t, false, 200_000)
		w := &web{tor: tor, data: data}
		f := start(t, w, files("ftp://192.0.2.77/", "nonsense")...)
		f.ended(t)
		for _, s := range f.group.Status() {
			if !s.GivenUp || s.Err == nil {
				t.Errorf("%+v", s)
			}
		}
		if n := len(w.requests()) + f.NumPeers(); n != 0 {
			t.Errorf("%d requests and peers", n)
		}
		none := start(t, w)
		none.ended(t)
		var many []string
		for k := range 300 {
			many = append(many, fmt.Sprintf("http://192.0.2.1/%d", k))
		}
		if n := len(webseed.NewGroup(f.Torrent, files(many...), w.fetch).Status()); n != 256 {
			t.Errorf("%d of 300 servers are kept", n)
		}
	})
}

// Wrong bytes end a server for good, and it is said why; another brings the rest.
func TestAServerThatLies(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		tor, data := content(t, false, 300_000)
		w := &web{tor: tor, data: data}
		w.answer = func(_ context.Context, r webseed.Request) (a webseed.Answer, err error, ok bool) {
			if !strings.Contains(r.URL, "192.0.2.66") {
				time.Sleep(time.Second)
				return a, nil, false
			}
			a = w.good(r)
			a.Body.(*body).Reader = bytes.NewReader(make([]byte, r.Count))
			return a, nil, true
		}
		f := start(t, w, files("http://192.0.2.66/", "http://192.0.2.1/")...)
		f.complete(t, w, 10*time.Minute)
		if s := f.group.Status(); !s[0].GivenUp || !strings.Contains(s[0].Err.Error(), "hash") || s[1].GivenUp {
			t.Errorf("%+v", s)
		}
		w.tidy(t)
	})
}

// After a pause web seeds are asked again, also where several were asked before.
func TestServersAreAskedAgainAfterAPause(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		tor, data := content(t, false, 1<<20)
		w := &web{tor: tor, data: data}
		silent := true
		w.answer = func(ctx context.Context, r webseed.Request) (a webseed.Answer, err error, ok bool) {
			if silent {
				<-ctx.Done()
				return a, ctx.Err(), true
			}
			time.Sleep(time.Second)
			return a, nil, false
		}
		f := start(t, w, files("http://192.0.2.1/", "http://192.0.2.2/")...)
		time.Sleep(time.Second)
		f.end()
		f.ended(t)
		silent = false
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f.over = make(chan struct{})
		go func() {
			defer close(f.over)
			f.group.Run(ctx)
		}()
		f.complete(t, w, time.Minute)
		time.Sleep(time.Second)
		f.ended(t)
		w.tidy(t)
	})
}

// An answer that lacks its last byte lacks a block: the server sent less than it said.
func TestAnAnswerThatLacksAByte(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		tor, data := content(t, false, 300_000)
		w := &web{tor: tor, data: data}
		w.answer = func(_ context.Context, r webseed.Request) (a webseed.Answer, err error, ok bool) {
			a = w.good(r)
			a.Body.(*body).Reader = bytes.NewReader(data[r.First : r.First+r.Count-1])
			return a, nil, true
		}
		f := start(t, w, files("http://192.0.2.1/")...)
		f.ended(t)
		if s := f.group.Status()[0]; !s.GivenUp || !strings.Contains(s.Err.Error(), "less than") {
			t.Errorf("%+v", s)
		}
		w.tidy(t)
	})
}

// What is not wanted any more is not fetched on, and the server stays for what may be
// wanted again.
func TestARequestThatIsNotWantedEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		tor, data := content(t, false, 300_000)
		w := &web{tor: tor, data: data}
		silent := true
		w.answer = func(ctx context.Context, r webseed.Request) (a webseed.Answer, err error, ok bool) {
			if !silent {
				return a, nil, false
			}
			a = w.good(r)
			a.Body.(*body).Reader = &drip{ctx: ctx}
			return a, nil, true
		}
		f := start(t, w, files("http://192.0.2.1/")...)
		time.Sleep(time.Second)
		if w.idle() {
			t.Fatal("no request is under way")
		}
		none := bits.New(tor.Info.NumPieces())
		f.Want(&none)
		time.Sleep(time.Second)
		if !w.idle() {
			t.Error("a request goes on that nobody wants")
		}
		silent = false
		f.Want(nil)
		time.Sleep(time.Second) // Have says so already
		f.complete(t, w, time.Minute)
	})
}

// What web seeds bring obeys the download limit, a low one and one that is hardly any.
func TestWebSeedsObeyTheLimit(t *testing.T) {
	for _, c := range []struct {
		rate        int64
		least, most time.Duration
	}{{64 << 10, 14 * time.Second, 20 * time.Second}, {1 << 30, 0, time.Second}} {
		inBubble(t, func(t *testing.T) {
			tor, data := content(t, false, 1<<20)
			w := &web{tor: tor, data: data}
			began := time.Now()
			f := start(t, w, files("http://192.0.2.1/")...)
			f.SetLimits(0, c.rate)
			f.complete(t, w, time.Minute)
			if d := time.Since(began); d < c.least || d > c.most {
				t.Errorf("1 MiB at %d bytes a second took %v", c.rate, d)
			}
		})
	}
}
