//go:build !linux

package tracker

import (
	"crypto/tls"
	"net"
)

func (t *Tracker) serverTLS(nc net.Conn, conf *tls.Config) *tls.Conn { return tls.Server(nc, conf) }
