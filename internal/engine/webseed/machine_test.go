package webseed

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	bs = metainfo.BlockSize
	pl = 4 * bs // piece length
)

// folder is a torrent of files of these lengths, each at a piece boundary as in a
// hybrid, with padding between.
func folder(lengths ...int64) *metainfo.Info {
	info := &metainfo.Info{Name: "d", PieceLength: pl, HasV1: true}
	for k, n := range lengths {
		if gap := (pl - info.Length%pl) % pl; gap > 0 {
			info.Files = append(info.Files, metainfo.File{Offset: info.Length, Length: gap, Pad: true})
			info.Length += gap
		}
		info.Files = append(info.Files, metainfo.File{Path: []string{string(rune('a' + k))}, Offset: info.Length, Length: n})
		info.Length += n
	}
	return info
}

type rig struct {
	t    *testing.T
	m    *Machine
	info *metainfo.Info
	now  time.Time
	// What the machine wants, all of it and since it was looked at.
	fetches []Fetch
	aborted []uint32
	refused []Block
	rests   []bool
	offered []int // pieces offered, each time
	over    error
}

func start(t *testing.T, info *metainfo.Info, cfg Config) *rig {
	t.Helper()
	cfg.Info = info
	if cfg.URL == "" {
		cfg.URL = "http://h/"
	}
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, m: m, info: info, now: time.Unix(1e9, 0)}
}

func (r *rig) step(events ...Event) {
	r.t.Helper()
	for _, e := range r.m.Step(r.now, events...) {
		if r.over != nil {
			r.t.Fatalf("%T after the server was given up", e)
		}
		switch e := e.(type) {
		case Fetch:
			var n int64
			for _, p := range e.Parts {
				n += p.Length
			}
			for _, b := range e.Blocks {
				n -= int64(b.Length)
			}
			if n != 0 || len(e.Blocks) == 0 {
				r.t.Fatalf("parts and blocks differ by %d bytes: %+v", n, e)
			}
			r.fetches = append(r.fetches, e)
		case Abort:
			r.aborted = append(r.aborted, e.Flight)
		case Refuse:
			r.refused = append(r.refused, e.Blocks...)
		case Rest:
			r.rests = append(r.rests, e.On)
		case Offer:
			r.offered = append(r.offered, e.Pieces.Count())
		case GiveUp:
			r.over = e.Err
		}
	}
}

// blocks are all blocks of some pieces.
func (r *rig) blocks(pieces ...int) (list []Block) {
	for _, i := range pieces {
		size := r.info.PieceData(i)
		for at := int64(0); at < size; at += bs {
			list = append(list, Block{uint32(i), uint32(at), uint32(min(bs, size-at))})
		}
	}
	return list
}

func (r *rig) ask(blocks ...Block) {
	r.t.Helper()
	var events []Event
	for _, b := range blocks {
		events = append(events, Asked{b})
	}
	r.step(events...)
}

// finish has a flight bring everything.
func (r *rig) finish(f Fetch) {
	r.t.Helper()
	r.step(Arrived{f.Flight, len(f.Blocks)}, Ended{Flight: f.Flight})
}

func (r *rig) fail(f Fetch, kind Kind) {
	r.t.Helper()
	r.step(Ended{Flight: f.Flight, Problem: &Problem{Kind: kind, Why: "test"}})
}

func (r *rig) last() Fetch { return r.fetches[len(r.fetches)-1] }

func TestBlocksBecomeOneRangeAFile(t *testing.T) {
	r := start(t, folder(pl+100, 2*pl), Config{})
	r.ask(r.blocks(0, 1, 2)...)
	r.finish(r.last())
	if len(r.fetches) != 2 {
		t.Fatalf("%d flights", len(r.fetches))
	}
	// Nobody asks for the padding between them.
	want := []Part{
		{URL: "http://h/d/a", Length: pl + 100, Size: pl + 100, file: 0},
		{URL: "http://h/d/b", Length: pl, Size: 2 * pl, Ranged: true, file: 2},
	}
	if got := slices.Concat(r.fetches[0].Parts, r.fetches[1].Parts); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestPiecesByBEP17(t *testing.T) {
	info := folder(pl, 3*bs)
	info.HashV1 = metainfo.Hash([]byte("0123456789abcdef\x00\xff %"))
	r := start(t, info, Config{URL: "http://h/s?k=v", Pieces: true})
	r.ask(append(r.blocks(0), r.blocks(1)[:2]...)...)
	r.finish(r.last())
	r.ask(r.blocks(1)[1:]...)
	const q = "http://h/s?k=v&info_hash=0123456789abcdef%00%FF%20%25&piece="
	var urls []string
	for _, f := range r.fetches {
		for _, p := range f.Parts {
			urls = append(urls, p.URL)
		}
	}
	if want := []string{q + "0", q + "1&ranges=0-32767", q + "1&ranges=16384-49151"}; !slices.Equal(urls, want) {
		t.Errorf("%q", urls)
	}
	if _, err := New(Config{Info: &metainfo.Info{HasV2: true}, URL: "http://h/", Pieces: true}); err != ErrPieces {
		t.Error(err)
	}
}

func TestMoreFlightsForAFastServer(t *testing.T) {
	r := start(t, folder(2000*pl), Config{})
	for i := range 2000 {
		r.ask(r.blocks(i)...)
	}
	if len(r.fetches) != 1 {
		t.Fatalf("%d flights before the server has answered", len(r.fetches))
	}
	r.step(Arrived{1, 1})
	if len(r.fetches) != startFlights {
		t.Fatalf("%d flights once it has", len(r.fetches))
	}
	at := 0
	for range 8 {
		r.now = r.now.Add(5 * time.Millisecond)
		r.finish(r.fetches[at])
		at++
	}
	if n := len(r.fetches) - at; n != mostFlights {
		t.Errorf("%d flights at 50 MB/s", n)
	}
	if n := len(r.last().Blocks) * bs; n <= minRun || n > maxRun {
		t.Errorf("ranges of %d bytes at 50 MB/s", n)
	}
}

// A piece's beginning is not asked for alone while its rest may be requested soon.
func TestAShortRunWaits(t *testing.T) {
	r := start(t, folder(10*pl), Config{})
	r.ask(r.blocks(0)...)
	r.step(Arrived{1, 1})
	r.ask(r.blocks(5)[:2]...)
	if len(r.fetches) != 1 {
		t.Fatal("half a piece was asked for")
	}
	r.ask(r.blocks(5)[2:]...)
	if len(r.fetches) != 2 || len(r.last().Blocks) != 4 {
		t.Fatalf("%+v", r.fetches)
	}
	r.ask(r.blocks(7)[:1]...)
	r.finish(r.fetches[0])
	r.finish(r.fetches[1])
	if len(r.fetches) != 3 {
		t.Error("nothing is on its way, and yet a block waits")
	}
}

func TestCancel(t *testing.T) {
	r := start(t, folder(10*pl), Config{})
	all := r.blocks(0, 9)
	r.ask(all...)
	r.step(Cancelled{all[7]}, Cancelled{all[7]})
	if !slices.Equal(r.refused, all[7:8]) {
		t.Fatalf("refused %v", r.refused)
	}
	r.step(Arrived{1, 1}, Cancelled{all[0]}, Cancelled{all[1]})
	if !slices.Equal(r.refused, []Block{all[7], all[1]}) {
		t.Fatalf("refused %v: what has arrived is not", r.refused)
	}
	r.step(Cancelled{all[2]}, Cancelled{all[3]})
	if !slices.Equal(r.aborted, []uint32{1}) {
		t.Fatalf("aborted %v", r.aborted)
	}
	r.step(Ended{Flight: 1, Problem: &Problem{Why: "cancelled"}})
	if len(r.rests) > 0 {
		t.Error("a flight that was aborted counts as a failure")
	}
}

func TestFailuresRestLonger(t *testing.T) {
	r := start(t, folder(10*pl), Config{})
	wait := firstRest
	for range 12 {
		r.ask(r.blocks(0)...)
		r.fail(r.last(), Failed)
		if len(r.refused) != 4 || !slices.Equal(r.rests, []bool{true}) {
			t.Fatalf("refused %v, rests %v", r.refused, r.rests)
		}
		r.ask(r.blocks(3)...)
		if len(r.refused) != 8 {
			t.Fatal("asked while it rests")
		}
		if got := r.m.Deadline().Sub(r.now); got != wait {
			t.Fatalf("rests for %v, not %v", got, wait)
		}
		n := len(r.fetches)
		r.now = r.now.Add(wait - 1)
		r.step()
		if len(r.rests) != 1 || len(r.fetches) != n {
			t.Fatal("too early")
		}
		r.now = r.now.Add(1)
		r.step()
		if !slices.Equal(r.rests, []bool{true, false}) || !r.m.Deadline().IsZero() {
			t.Fatalf("rests %v", r.rests)
		}
		r.refused, r.rests = nil, nil
		wait = min(2*wait, mostRest)
	}
	r.ask(r.blocks(0)...)
	r.finish(r.last())
	r.ask(r.blocks(1)...)
	r.fail(r.last(), Failed)
	if got := r.m.Deadline().Sub(r.now); got != firstRest {
		t.Errorf("after a success it rests for %v", got)
	}
}

func TestBusy(t *testing.T) {
	r := start(t, folder(100*pl), Config{})
	r.ask(r.blocks(0, 2)...)
	r.step(Arrived{1, 1})
	if len(r.fetches) != 2 {
		t.Fatal(len(r.fetches))
	}
	r.step(Ended{Flight: 2, Problem: &Problem{Kind: Busy, Wait: 90 * time.Second}})
	if got := r.m.Deadline().Sub(r.now); got != 90*time.Second {
		t.Errorf("rests for %v", got)
	}
	if len(r.aborted) > 0 {
		t.Error("what is on its way was aborted")
	}
	r.finish(r.fetches[0])
	r.now = r.now.Add(90 * time.Second)
	for i := 10; i < 60; i += 2 {
		r.ask(r.blocks(i)...)
	}
	r.step(Arrived{3, 1})
	if len(r.fetches) != 3 {
		t.Errorf("%d flights at a time from a server that did not bear two", len(r.fetches)-2)
	}
}

func TestAMissingFile(t *testing.T) {
	r := start(t, folder(2*pl, 2*pl, 2*pl), Config{})
	asked := r.blocks(0, 1, 2, 3, 4)
	r.ask(asked...)
	f := r.last()
	at := slices.IndexFunc(f.Parts, func(p Part) bool { return strings.HasSuffix(p.URL, "/b") })
	if at < 0 {
		r.finish(f)
		f = r.last()
		at = slices.IndexFunc(f.Parts, func(p Part) bool { return strings.HasSuffix(p.URL, "/b") })
	}
	r.step(Ended{Flight: f.Flight, Part: at, Problem: &Problem{Kind: Gone, Why: "no such file"}})
	if !slices.Equal(r.offered, []int{4}) || len(r.rests) > 0 || r.over != nil {
		t.Fatalf("offered %v, rests %v, %v", r.offered, r.rests, r.over)
	}
	if !slices.Equal(r.refused, r.blocks(2, 3)) {
		t.Errorf("refused %v", r.refused)
	}
	r.ask(r.blocks(2)[0])
	if len(r.refused) != 9 {
		t.Error("asked for a piece that it does not have")
	}
	for k := 0; k < len(r.fetches); k++ {
		if g := r.fetches[k]; g.Flight != f.Flight {
			r.finish(g)
		}
	}
	if p := r.m.Problem(); p == nil || p.Why != "no such file" {
		t.Errorf("%v is forgotten", p)
	}
}

func TestWhatIsGivenUp(t *testing.T) {
	for _, tt := range []struct {
		name  string
		kinds []Kind
	}{
		{"wrong answer", []Kind{Wrong}},
		{"only file missing", []Kind{Gone}},
		{"answers cut short", slices.Repeat([]Kind{Cut}, maxCuts)},
	} {
		r := start(t, folder(100*pl), Config{})
		for k, kind := range tt.kinds {
			r.ask(r.blocks(2 * k)...)
			if r.over != nil {
				t.Errorf("%s: given up early", tt.name)
			}
			r.fail(r.last(), kind)
			r.now = r.now.Add(time.Hour)
			if r.over == nil {
				r.step()
			}
		}
		if r.over == nil {
			t.Errorf("%s: not given up", tt.name)
		}
		r.ask(r.blocks(50)...)
		if !r.m.Deadline().IsZero() {
			t.Errorf("%s: waits for something", tt.name)
		}
	}
	r := start(t, folder(100*pl), Config{})
	r.ask(r.blocks(0, 2)...)
	r.step(Arrived{1, 1})
	r.step(Ended{Flight: 2, Problem: &Problem{Kind: Wrong}})
	if !slices.Equal(r.aborted, []uint32{1}) {
		t.Errorf("aborted %v", r.aborted)
	}
}

// Whatever happens, each request is answered once: by its block or a refusal.
func TestEveryRequestIsAnswered(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		r := start(t, folder(30*pl+77, 5, 20*pl), Config{})
		open := map[Block]bool{}
		cancelled := map[Block]bool{} // answered, though it may still arrive
		type state struct {
			Fetch
			at int
		}
		var flights []state
		look := func() {
			for _, b := range r.refused {
				if !open[b] {
					t.Fatalf("seed %d: %v was refused and not requested", seed, b)
				}
				delete(open, b)
			}
			r.refused = nil
			for _, f := range r.fetches {
				flights = append(flights, state{Fetch: f})
			}
			r.fetches = nil
			for _, id := range r.aborted {
				flights = slices.DeleteFunc(flights, func(f state) bool { return f.Flight == id })
			}
			r.aborted = nil
		}
		for range 400 {
			switch rng.IntN(6) {
			case 0, 1:
				for _, b := range r.blocks(rng.IntN(r.info.NumPieces())) {
					if !open[b] && !cancelled[b] {
						open[b] = true
						r.ask(b)
					}
				}
			case 2:
				for b := range open {
					r.step(Cancelled{b})
					cancelled[b] = true
					break
				}
			case 3, 4:
				if len(flights) > 0 {
					f := &flights[rng.IntN(len(flights))]
					n := rng.IntN(len(f.Blocks) - f.at + 1)
					for _, b := range f.Blocks[f.at : f.at+n] {
						if !cancelled[b] && !open[b] {
							t.Fatalf("seed %d: %v came and was not requested", seed, b)
						}
						delete(open, b)
					}
					f.at += n
					ev := []Event{Arrived{f.Flight, n}}
					if f.at == len(f.Blocks) {
						ev = append(ev, Ended{Flight: f.Flight})
						id := f.Flight
						flights = slices.DeleteFunc(flights, func(g state) bool { return g.Flight == id })
					}
					r.step(ev...)
				}
			case 5:
				if len(flights) > 0 && rng.IntN(4) == 0 {
					k := rng.IntN(len(flights))
					f := flights[k]
					flights = slices.Delete(flights, k, k+1)
					r.step(Ended{Flight: f.Flight, Problem: &Problem{Kind: []Kind{Failed, Busy}[rng.IntN(2)]}})
				}
				r.now = r.now.Add(time.Duration(rng.IntN(2000)) * time.Millisecond)
				r.step()
			}
			look()
		}
		for len(open) > 0 {
			if len(flights) == 0 {
				t.Fatalf("seed %d: %d requests are forgotten", seed, len(open))
			}
			f := flights[0]
			flights = flights[1:]
			for _, b := range f.Blocks[f.at:] {
				delete(open, b)
			}
			r.step(Arrived{f.Flight, len(f.Blocks) - f.at}, Ended{Flight: f.Flight})
			look()
		}
	}
}
