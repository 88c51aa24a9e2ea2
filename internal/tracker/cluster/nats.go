package cluster

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-p2p/shoal/internal/tracker/cluster/mesh"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// dialer ends with its Cluster, so that Close need not wait for a server that does not answer.
type dialer struct{ c *Cluster }

func (d dialer) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.c.ctx, 2*time.Second)
	defer cancel()
	var nd net.Dialer
	return nd.DialContext(ctx, network, addr)
}

// connect waits for the first attempt; the later ones are NATS's own.
func (c *Cluster) connect() {
	defer c.running.Done()
	for {
		conn, err := nats.Connect(c.servers, c.options...)
		if err == nil {
			if err = c.subscribe(conn); err == nil {
				return
			}
			conn.Close()
		}
		c.log.Warn("cannot use the cluster's NATS, trying again", "error", err)
		select {
		case <-c.ctx.Done():
			return
		case <-time.After(2 * time.Second):
		}
	}
}

func (c *Cluster) subscribe(conn *nats.Conn) error {
	// One channel for both, so that a node's messages stay in order.
	for _, subject := range []string{c.beats, c.subject(c.mesh.ID())} {
		if _, err := conn.ChanSubscribe(subject, c.messages); err != nil {
			return err
		}
	}
	c.connMu.Lock()
	c.conn, c.ready = conn, true
	c.connMu.Unlock()
	if conn.IsConnected() {
		c.online(conn)
	} else {
		c.log.Warn("the cluster's NATS does not answer, trying again; peers of this node are served meanwhile", "error", conn.LastError())
	}
	return nil
}

func (c *Cluster) subject(id mesh.NodeID) string {
	var b [8]byte
	for i := range b {
		b[i] = byte(id >> (56 - 8*i))
	}
	return c.inbox + hex.EncodeToString(b[:])
}

// online is called when there is a connection, by subscribe or by NATS, whoever comes last.
func (c *Cluster) online(conn *nats.Conn) {
	c.connMu.Lock()
	defer c.connMu.Unlock()
	if !c.ready || c.ctx.Err() != nil || !conn.IsConnected() || c.connected.Swap(true) {
		return
	}
	server := "in this process"
	if c.cfg.InProcess == nil {
		server = conn.ConnectedUrlRedacted()
	}
	c.log.Info("joined the cluster's NATS", "server", server, "node", c.subject(c.mesh.ID()))
	c.mu.Lock()
	c.mesh.Connected(time.Now(), int(conn.MaxPayload()))
	c.unlock()
	select {
	case c.reconcile <- struct{}{}:
	default:
	}
}

func (c *Cluster) offline(_ *nats.Conn, err error) {
	c.connMu.Lock()
	defer c.connMu.Unlock()
	if !c.connected.Swap(false) {
		return
	}
	if c.ctx.Err() == nil {
		c.log.Warn("lost the cluster's NATS, trying again; peers of this node are served meanwhile", "error", err)
	}
	c.mu.Lock()
	c.mesh.Disconnected(time.Now())
	c.unlock()
}

// failed is told of errors that belong to no call.
func (c *Cluster) failed(_ *nats.Conn, _ *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) {
		c.dropped.Add(1)
		c.tell(limit.ClusterOverload, 1)
	}
	c.complain("the cluster's NATS reports an error", err)
}

// complain logs at most once in ten seconds.
func (c *Cluster) complain(what string, err error) {
	now := time.Now().Unix()
	if last := c.complained.Load(); now-last >= 10 && c.complained.CompareAndSwap(last, now) {
		c.log.Warn(what, "error", err)
	}
}

func (c *Cluster) publish(frames []mesh.Frame) {
	if len(frames) == 0 {
		return
	}
	c.connMu.Lock()
	conn := c.conn
	c.connMu.Unlock()
	for i := range frames {
		subject := c.beats
		if frames[i].To != 0 {
			subject = c.subject(frames[i].To)
		}
		if conn == nil || conn.Publish(subject, frames[i].Bytes) != nil {
			c.dropped.Add(1)
			c.tell(limit.ClusterOverload, 1)
			continue
		}
		c.messagesOut.Add(1)
		c.bytesOut.Add(uint64(len(frames[i].Bytes)))
	}
}
