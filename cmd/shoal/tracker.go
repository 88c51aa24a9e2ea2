package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/shoal-p2p/shoal/tracker"
)

type trackerCmd struct {
	Listen string `default:":8000" placeholder:"ADDR" help:"TCP address for WebSocket and HTTP, and UDP on the same port (${default})."`
}

func (c *trackerCmd) Run(ctx context.Context) error {
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return listenError(c.Listen, "--listen", err)
	}
	defer ln.Close()
	udp, err := net.ListenPacket("udp", ln.Addr().String())
	if err != nil {
		return listenError(ln.Addr().String()+" (UDP)", "--listen", err)
	}
	t, err := tracker.New(tracker.Config{})
	if err != nil {
		udp.Close()
		return err
	}
	defer t.Close()
	srv := &http.Server{Handler: t, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 2)
	go func() { failed <- srv.Serve(ln) }()
	go func() { failed <- t.ServeUDP(udp) }()
	fmt.Printf("tracker ready on %s (ws, http, udp)\n", ln.Addr())
	select {
	case <-ctx.Done():
		srv.Close()
		return nil
	case err := <-failed:
		return err
	}
}
