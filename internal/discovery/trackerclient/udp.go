//go:build !js

package trackerclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/compact"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/schedule"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"
	"github.com/shoal-p2p/shoal/internal/reach"
)

func (t *tcpAnnouncer) announceUDP(ctx context.Context, announce string, r *tcpRequest) (tcpReply, error) {
	u, err := url.Parse(announce)
	if err != nil {
		return tcpReply{}, err
	}
	if u.Port() == "" {
		return tcpReply{}, fmt.Errorf("tracker: %s has no port", u.Host)
	}
	req := udpwire.AnnounceRequest{
		InfoHash: r.a.Key, PeerID: r.a.PeerID, Port: r.port(),
		Uploaded: r.stats.Uploaded, Downloaded: r.stats.Downloaded, Left: r.stats.Left,
		Event: udpEvent(r.event), NumWant: numWant, Key: t.c.key,
	}
	if r.event == schedule.Stopped {
		req.NumWant = 0
	}
	if path := u.RequestURI(); path != "/" {
		req.URLData = []byte(path)
	}
	d := net.Dialer{ControlContext: reach.Control}
	conn, err := d.DialContext(reach.With(ctx, reach.New(u, r.a.isNamed(announce), mayReachBare)), "udp", u.Host)
	if err != nil {
		return tcpReply{}, err
	}
	defer conn.Close()
	// A canceled context ends a blocked Read.
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	reply, err := exchangeUDP(ctx, conn, newExchange(&req, t.c.source()))
	if err != nil {
		return tcpReply{}, err
	}
	out := tcpReply{
		interval: seconds(int64(reply.Interval)),
		seeders:  count(int64(reply.Seeders)), leechers: count(int64(reply.Leechers)),
	}
	if from, _ := netip.ParseAddrPort(conn.RemoteAddr().String()); from.Addr().Unmap().Is6() {
		out.peers = compact.Parse6(nil, reply.Peers, httpwire.MaxPeers)
	} else {
		out.peers = compact.Parse4(nil, reply.Peers, httpwire.MaxPeers)
	}
	return out, nil
}

func udpEvent(e schedule.Event) uint32 {
	switch e {
	case schedule.Started:
		return udpwire.EventStarted
	case schedule.Completed:
		return udpwire.EventCompleted
	case schedule.Stopped:
		return udpwire.EventStopped
	}
	return udpwire.EventNone
}

// exchangeUDP runs an exchange over a connected socket.
func exchangeUDP(ctx context.Context, conn net.Conn, x *exchange) (udpwire.Reply, error) {
	in := make([]byte, 64<<10)
	var packet []byte
	for {
		send, err := x.step(time.Now(), packet)
		if err != nil {
			return udpwire.Reply{}, err
		}
		if x.done {
			return x.reply, nil
		}
		if len(send) > 0 {
			if _, err := conn.Write(send); err != nil {
				return udpwire.Reply{}, err
			}
		}
		conn.SetReadDeadline(x.deadline)
		if ctx.Err() != nil {
			return udpwire.Reply{}, ctx.Err()
		}
		n, err := conn.Read(in)
		packet = in[:n]
		var ne net.Error
		switch {
		case ctx.Err() != nil:
			return udpwire.Reply{}, ctx.Err()
		case errors.As(err, &ne) && ne.Timeout():
			packet = nil
		case err != nil:
			return udpwire.Reply{}, err
		}
	}
}

const (
	// udpTries is how often each request is sent; BEP 15 allows 9, but the next
	// tracker should not wait for two hours.
	udpTries   = 3
	udpTimeout = 15 * time.Second // for the first try, doubled for each further one
	// connIDLife is how long a client may use a connection id.
	connIDLife = time.Minute
)

// An exchange is one announce by UDP: a connect, then the announce, each sent
// again when no reply comes. It has no clock and no socket.
type exchange struct {
	req *udpwire.AnnounceRequest
	rng *rand.Rand

	tries     int
	connected bool
	conn      uint64
	connAt    time.Time
	txn       uint32
	deadline  time.Time // when to call step without a packet

	done  bool
	reply udpwire.Reply
}

func newExchange(req *udpwire.AnnounceRequest, rng *rand.Rand) *exchange {
	return &exchange{req: req, rng: rng}
}

// step takes a packet that has arrived, or nil, and returns what to send, if
// anything. Packets that do not belong to the exchange are ignored.
func (x *exchange) step(now time.Time, packet []byte) (send []byte, err error) {
	if packet != nil {
		progress, err := x.take(now, packet)
		if err != nil || x.done {
			return nil, err
		}
		if !progress && now.Before(x.deadline) {
			return nil, nil
		}
		if progress {
			x.tries = 0
		}
	} else if now.Before(x.deadline) {
		return nil, nil
	}
	if x.tries == udpTries {
		return nil, ErrNoReply
	}
	x.deadline = now.Add(udpTimeout << x.tries)
	x.tries++
	x.txn = x.rng.Uint32()
	if x.connected && now.Sub(x.connAt) >= connIDLife {
		x.connected = false
	}
	if !x.connected {
		return udpwire.AppendConnect(nil, x.txn), nil
	}
	return udpwire.AppendAnnounce(nil, x.conn, x.txn, x.req), nil
}

func (x *exchange) take(now time.Time, packet []byte) (progress bool, err error) {
	r, err := udpwire.ParseReply(packet)
	if err != nil || r.Txn != x.txn || x.tries == 0 {
		return false, nil
	}
	switch {
	case r.Action == udpwire.Error:
		return false, refusal(string(r.Message[:min(len(r.Message), 500)]), 0)
	case r.Action == udpwire.Connect && !x.connected:
		x.connected, x.conn, x.connAt = true, r.ConnID, now
		return true, nil
	case r.Action == udpwire.Announce && x.connected:
		x.done, x.reply = true, r
	}
	return false, nil
}
