//go:build !js

package driver

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// PeerError says why a peer that the user named could not be connected to.
type PeerError struct {
	Addr netip.AddrPort
	Err  error
	// Encryption is the level at which it was tried.
	Encryption transport.Encryption
}

// Error is one line for the user.
func (e *PeerError) Error() string {
	why := e.Err.Error()
	op := (*net.OpError)(nil)
	switch isOp := errors.As(e.Err, &op); {
	case errors.Is(e.Err, context.DeadlineExceeded), errors.Is(e.Err, os.ErrDeadlineExceeded):
		why = "it does not answer"
	case errors.Is(e.Err, io.ErrUnexpectedEOF), errors.Is(e.Err, io.EOF), isOp && (op.Op == "read" || op.Op == "write"):
		why = "it closed the connection instead of greeting: it may not have this torrent"
		switch e.Encryption {
		case transport.EncryptionOff:
			why += ", or take no peers but encrypted ones"
		case transport.EncryptionRequired:
			why += ", or take no encrypted peers"
		}
	case isOp:
		why = op.Err.Error() // the rest names both ends
	}
	return "peer " + e.Addr.String() + ": " + why
}

// Unwrap returns the cause.
func (e *PeerError) Unwrap() error { return e.Err }

// unreached warns, once for each, of a peer that could not be connected to though the
// user named it: of addresses that were found, most come to nothing. The loop calls it.
func (t *Torrent) unreached(addr netip.AddrPort, err error) {
	t.gate.mu.Lock()
	named := slices.Contains(t.gate.named, addr)
	t.gate.mu.Unlock()
	if named && !slices.Contains(t.warned, addr) {
		t.warned = append(t.warned, addr) // as many as can be named, at most
		t.Warn(&PeerError{addr, err, t.s.cfg.Encryption})
	}
}
