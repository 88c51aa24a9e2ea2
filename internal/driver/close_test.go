package driver_test

import (
	"context"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// ours are the stacks of the goroutines that run the driver's code.
func ours() (stacks []string) {
	buf := make([]byte, 4<<20)
	for s := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(s, "shoal/internal/driver.(") {
			stacks = append(stacks, s)
		}
	}
	return stacks
}

// A session is closed in the middle of everything: under a limit that makes both
// loops wait, with a reader that waits, a dial that does not end, a stranger that
// says nothing, a peer that stopped in the middle of a block, a store that takes
// its time. Close returns, and no goroutine of it is left.
func TestNothingSurvivesClose(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		const length = 64 << 10
		tor, data := makeTorrent(t, 4<<20, true, true)
		seed, seedAddr := n.session(t, "192.0.2.1:1", nil)
		shareSlowly(t, seed, tor, data)
		s, addr := n.session(t, "192.0.2.2:1", func(c *driver.Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, to netip.AddrPort) (transport.Conn, error) {
				if to == seedAddr {
					return dial(ctx, to)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		got, _ := fetch(t, s, tor)
		x := open(t, n, "192.0.2.9:1", addr, tor.Info.Key())
		half := piece(x.next(t, wire.Request), data, length)
		x.Write(half[:1000])
		if _, err := n.dialler(netip.MustParseAddrPort("192.0.2.8:1"))(t.Context(), addr); err != nil {
			t.Fatal(err)
		}
		r := got.NewReader(3<<20, 1000, false)
		read := make(chan error)
		go func() {
			_, err := io.ReadFull(r, make([]byte, 1000))
			read <- err
		}()
		got.AddPeers([]netip.AddrPort{seedAddr, netip.MustParseAddrPort("192.0.2.7:1")}, swarm.User)
		s.SetLimits(100, 100)
		seed.SetLimits(1000, 1000)
		time.Sleep(3 * time.Second)
		if got.NumPeers() != 2 || isDone(got) {
			t.Fatalf("%d peers, done: %v", got.NumPeers(), isDone(got))
		}
		s.Close()
		if err := <-read; err == nil {
			t.Error("the reader got what is not there")
		}
		seed.Close()
		synctest.Wait()
		if left := ours(); len(left) > 0 {
			t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
	})
}
