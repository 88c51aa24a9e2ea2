package webseed

import (
	"context"
	"io"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/webseed"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	flightBuffer = 8 * metainfo.BlockSize // read at once, and reported at once
	stallTimeout = 30 * time.Second       // without a byte, the head of an answer included
)

// flight fetches a run of blocks: it cuts what comes of its parts into blocks
// and puts each into its piece.
type flight struct {
	s      *seed
	id     uint32
	blocks []webseed.Block // not complete yet
	buf    []byte
	n      int // bytes in buf, of blocks[0] and what follows
}

// fetch returns which part did not come, and why, or no problem.
func (f *flight) fetch(ctx context.Context, parts []webseed.Part) (int, *webseed.Problem) {
	f.buf = make([]byte, flightBuffer)
	for k := range parts {
		p := &parts[k]
		if p.URL == "" {
			f.zeros(p.Length)
		} else if problem := f.fetchPart(ctx, p); problem != nil {
			return k, problem
		}
	}
	return 0, nil
}

func (f *flight) zeros(n int64) {
	for n > 0 {
		k := int(min(n, int64(len(f.buf)-f.n)))
		clear(f.buf[f.n : f.n+k])
		f.took(k)
		n -= int64(k)
	}
}

func (f *flight) fetchPart(ctx context.Context, p *webseed.Part) *webseed.Problem {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stalled := time.AfterFunc(stallTimeout, cancel)
	defer stalled.Stop()
	a, err := f.s.g.fetch(ctx, Request{
		URL: p.URL, Ranged: p.Ranged, First: p.From, Count: p.Length, Trusted: f.s.Trusted,
	})
	if err != nil {
		if ctx.Err() != nil {
			return &webseed.Problem{Why: "the server did not answer in time"}
		}
		return &webseed.Problem{Why: err.Error()}
	}
	defer a.Body.Close()
	if p.Pieces && a.Status == 503 && a.Wait == 0 {
		said := make([]byte, 16)
		n, _ := io.ReadFull(a.Body, said)
		a.Wait, _ = webseed.ParseSeconds(string(said[:n])) // BEP 17
	}
	skip, problem := p.Check(&a.Answer)
	if problem != nil {
		return problem
	}
	for left := p.Length; left > 0; {
		into := f.buf[f.n:]
		if skip > 0 {
			into = into[:min(skip, int64(len(into)))]
		} else {
			into = into[:min(left, int64(len(into)))]
		}
		if q := f.s.feed.Quantum(); q > 0 {
			into = into[:min(q, len(into))]
		}
		n, err := a.Body.Read(into)
		stalled.Stop()
		f.s.feed.Pay(n)
		stalled.Reset(stallTimeout)
		if skip > 0 {
			skip -= int64(n)
		} else {
			f.took(n)
			left -= int64(n)
		}
		if err != nil && left > 0 {
			return webseed.EndOfBody(err != io.EOF)
		}
	}
	return nil
}

// took cuts blocks off what was read, and reports them.
func (f *flight) took(n int) {
	f.n += n
	at, blocks := 0, 0
	for len(f.blocks) > 0 && f.n-at >= int(f.blocks[0].Length) {
		b := f.blocks[0]
		f.s.feed.Put(b.Index, b.Begin, f.buf[at:at+int(b.Length)])
		at += int(b.Length)
		f.blocks = f.blocks[1:]
		blocks++
	}
	if blocks > 0 {
		f.n = copy(f.buf, f.buf[at:f.n])
		f.s.report(webseed.Arrived{Flight: f.id, Blocks: blocks})
	}
}
