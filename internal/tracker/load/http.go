package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxHTTPReply bounds what is read of a tracker's reply.
const maxHTTPReply = 64 << 10

// runHTTP lets each connection announce again as soon as it has the reply, or at the set interval. Without
// keep-alive each announce has its own connection.
func runHTTP(ctx context.Context, g *generator) error {
	t := g.targets[0]
	if err := tryHTTP(ctx, g); err != nil {
		return err
	}
	g.empty = g.usage()
	var wg sync.WaitGroup
	announcing, stop := context.WithCancel(ctx)
	defer stop()
	for n := range g.Conns {
		wg.Go(func() {
			h := newHTTPPeer(g, t, n)
			defer h.close()
			start := time.Now().Add(time.Duration(float64(n) / float64(g.Conns) * float64(g.Interval)))
			for round := 0; announcing.Err() == nil; round++ {
				if g.Interval > 0 && !sleep(announcing, time.Until(start.Add(time.Duration(round)*g.Interval))) {
					return
				}
				if err := h.announce(ctx); err != nil {
					g.fail("announce", err)
					h.close()
					sleep(announcing, 10*time.Millisecond) // whatever it is, do not spin
				}
			}
		})
	}
	g.measure(ctx)
	g.closing.Store(true)
	stop()
	wg.Wait()
	return nil
}

// tryHTTP announces once, so that a wrong URL is told of at once.
func tryHTTP(ctx context.Context, g *generator) error {
	h := newHTTPPeer(g, g.targets[0], 0)
	defer h.close()
	if err := h.announce(ctx); err != nil {
		return fmt.Errorf("%s: %w", g.URLs[0], err)
	}
	return nil
}

// An httpPeer announces by HTTP.
type httpPeer struct {
	g       *generator
	t       *target
	n       int
	request []byte
	nc      net.Conn
	in      *bufio.Reader
}

func newHTTPPeer(g *generator, t *target, n int) *httpPeer {
	sep := "?"
	if strings.Contains(t.path, "?") {
		sep = "&"
	}
	b := []byte("GET " + t.path + sep + "info_hash=" + escape(rawHash(g.Seed, n/g.SwarmSize)) + "&peer_id=" + string(peerID(g.Seed, n)) +
		"&port=" + strconv.Itoa(1024+n%60000) + "&uploaded=0&downloaded=0&left=1&compact=1&numwant=50 HTTP/1.1\r\nHost: " + t.host +
		"\r\nUser-Agent: shoal-bench\r\n")
	if !g.KeepAlive {
		b = append(b, "Connection: close\r\n"...)
	}
	return &httpPeer{g: g, t: t, n: n, request: append(b, "\r\n"...), in: bufio.NewReaderSize(nil, 4<<10)}
}

// escape writes every byte as %xx, as clients do.
func escape(b []byte) string {
	const hex = "0123456789ABCDEF"
	s := make([]byte, 0, 3*len(b))
	for _, c := range b {
		s = append(s, '%', hex[c>>4], hex[c&15])
	}
	return string(s)
}

func (h *httpPeer) close() {
	if h.nc != nil {
		h.nc.Close()
		h.nc = nil
	}
}

func (h *httpPeer) announce(ctx context.Context) error {
	g := h.g
	now := g.now()
	measured := g.measured(now)
	if measured {
		g.counts.announces.Add(1)
	}
	if h.nc == nil {
		// Each peer has an address of its own, since a closed connection blocks its port for a while.
		nc, err := h.t.dial(ctx, h.n*connsPerSource)
		if err != nil {
			if ctx.Err() == nil {
				g.counts.failed.Add(1)
			}
			return err
		}
		h.nc = nc
		h.in.Reset(nc)
		g.counts.connected.Add(1)
	}
	h.nc.SetDeadline(time.Now().Add(replyTimeout))
	if _, err := h.nc.Write(h.request); err != nil {
		return err
	}
	g.counts.in.Add(1)
	g.counts.bytesIn.Add(int64(len(h.request)))
	res, err := http.ReadResponse(h.in, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxHTTPReply))
	if err != nil {
		return err
	}
	g.counts.out.Add(1)
	g.counts.bytesOut.Add(int64(len(body)))
	if res.Close || !g.KeepAlive {
		h.close()
	}
	if err := checkHTTP(res.StatusCode, body); err != nil {
		return err
	}
	if measured {
		g.counts.replies.Add(1)
		g.counts.reply.add(time.Duration(g.now()-now) * time.Microsecond)
	}
	return nil
}

// checkHTTP tells a reply with peers from everything else.
func checkHTTP(status int, body []byte) error {
	const failure = "14:failure reason"
	if i := bytes.Index(body, []byte(failure)); i >= 0 {
		return fmt.Errorf("failure reason %.80q", body[i+len(failure):])
	}
	if status != http.StatusOK {
		return fmt.Errorf("status %d", status)
	}
	if !bytes.HasPrefix(body, []byte("d")) || !bytes.Contains(body, []byte("8:interval")) || !bytes.Contains(body, []byte("5:peers")) {
		return errors.New("a reply without peers")
	}
	return nil
}
