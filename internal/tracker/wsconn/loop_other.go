//go:build !linux

package wsconn

import "net"

// A loop does not exist here: every connection has its goroutine.
type loop struct{}

func (s *Server) startLoops() error { return nil }

func (s *Server) pokeLoops() {}

// Turns appends how often each loop has come round.
func (s *Server) Turns(dst []uint32) []uint32 { return dst }

func (s *Server) adopt(*Conn, net.Conn, []byte) bool { return false }
