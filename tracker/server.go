package tracker

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// Serve answers WebSocket and HTTP clients on ln until Close or Shutdown, then it
// returns nil. What is neither an announce nor a scrape goes to Config.Fallback.
func (t *Tracker) Serve(ln net.Listener) error {
	srv := &http.Server{Handler: t, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	go func() {
		<-t.done
		srv.Close()
	}()
	if err := srv.Serve(ln); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// ServeTLS is Serve behind TLS. conf must have a certificate, or a way to get one.
func (t *Tracker) ServeTLS(ln net.Listener, conf *tls.Config) error {
	return t.Serve(tls.NewListener(ln, conf))
}

// Shutdown ends all connections little by little until ctx is done, so that not all
// clients come back elsewhere at once, then it closes the Tracker. Meanwhile nothing
// new is accepted and Stats reports Draining.
func (t *Tracker) Shutdown(ctx context.Context) error {
	return t.Close()
}
