package driver_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
)

// The application's messages reach the application at the other side.
func TestExtensionMessagesArrive(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		var heard []string
		speaks := func(c *driver.Config) {
			c.Machine.Extensions = []swarm.Extension{{Name: "x_talk"}}
			c.GotExt = func(to *driver.Torrent, m swarm.GotExt) {
				heard = append(heard, m.Name+" "+string(m.Payload))
				if len(heard) == 1 {
					go to.SendExt(m.Peer, "x_talk", []byte("hello yourself"))
				}
			}
		}
		a, addr := n.session(t, "192.0.2.1:1", speaks)
		share(t, a, tor, data)
		a.SetLimits(1000, 0) // so that they stay together
		b, _ := n.session(t, "192.0.2.2:1", speaks)
		got, _ := fetch(t, b, tor)
		ready(t, got)
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		time.Sleep(time.Second) // what Stats says may be that old
		for _, p := range got.Stats().Peers {
			got.SendExt(p.Peer, "x_talk", []byte("hello"))
			got.SendExt(p.Peer, "x_unknown", []byte("what nobody registered"))
		}
		time.Sleep(time.Minute)
		if all := strings.Join(heard, ", "); all != "x_talk hello, x_talk hello yourself" {
			t.Errorf("heard: %s", all)
		}
		broken, _ := n.session(t, "192.0.2.3:1", func(c *driver.Config) {
			c.Machine.Extensions = []swarm.Extension{{Name: strings.Repeat("x", 1000)}}
		})
		if _, err := broken.Add(driver.Options{Info: tor.Info, Open: memory(tor, nil)}); err == nil {
			t.Error("an extension with a name that no handshake holds is taken")
		}
	})
}
