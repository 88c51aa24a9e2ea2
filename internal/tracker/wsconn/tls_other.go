//go:build !linux

package wsconn

import (
	"crypto/tls"
	"net"
)

// TLS begins TLS on an accepted connection.
func (s *Server) TLS(nc net.Conn, conf *tls.Config) *tls.Conn { return tls.Server(nc, conf) }
