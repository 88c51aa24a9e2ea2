//go:build unix

package rig

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy is a slow TCP line to a peer.
type Proxy struct {
	Addr string
	back atomic.Int64 // bytes that came from the target
	rate atomic.Int64
	lis  net.Listener

	target atomic.Value // string, where new connections go

	mu    sync.Mutex
	conns []net.Conn
}

// StartProxy forwards connections to target; rate bounds the bytes a second
// that come back from it, 0 does not.
func StartProxy(t T, target string, rate int64) *Proxy {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	p := &Proxy{Addr: lis.Addr().String(), lis: lis}
	p.rate.Store(rate)
	p.Retarget(target)
	t.Cleanup(p.Close)
	go func() {
		for {
			in, err := lis.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", p.target.Load().(string))
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			go func() {
				io.Copy(out, in)
				out.Close()
				in.Close()
			}()
			go func() {
				p.slow(in, out)
				out.Close()
				in.Close()
			}()
		}
	}()
	return p
}

func (p *Proxy) slow(dst io.Writer, src io.Reader) {
	buf := make([]byte, 16<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			p.back.Add(int64(n))
			if rate := p.rate.Load(); rate > 0 {
				time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Bytes is how much came back from the target so far.
func (p *Proxy) Bytes() int64 { return p.back.Load() }

// Speed sets another rate.
func (p *Proxy) Speed(rate int64) { p.rate.Store(rate) }

// Retarget sends new connections to another address, as a load balancer does.
func (p *Proxy) Retarget(addr string) { p.target.Store(addr) }

// Close cuts every connection.
func (p *Proxy) Close() {
	p.lis.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
}
