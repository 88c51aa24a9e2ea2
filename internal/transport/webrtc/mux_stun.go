//go:build !js

package webrtc

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// GetConnForURL implements ice.UniversalUDPMux: what comes to the address that a
// STUN server sees comes to the same socket.
func (m *mux) GetConnForURL(ufrag, _ string, addr net.Addr) (net.PacketConn, error) {
	return m.GetConn(ufrag, addr)
}

var errNoMapping = errors.New("webrtc: the STUN server gave no address")

// GetRelayedAddr implements ice.UniversalUDPMux; pion does not call it.
func (m *mux) GetRelayedAddr(net.Addr, time.Duration) (*net.Addr, error) { return nil, errNoMapping }

// GetXORMappedAddr implements ice.UniversalUDPMux.
func (m *mux) GetXORMappedAddr(server net.Addr, limit time.Duration) (*stun.XORMappedAddress, error) {
	return m.GetXORMappedAddrContext(context.Background(), server, limit)
}

// GetXORMappedAddrContext asks a STUN server how it sees our socket, or repeats
// an answer that is not old.
func (m *mux) GetXORMappedAddrContext(ctx context.Context, server net.Addr, limit time.Duration) (*stun.XORMappedAddress, error) {
	u, ok := server.(*net.UDPAddr)
	if !ok {
		return nil, errNoMapping
	}
	to := netaddr.Unmap(u.AddrPort())
	m.mu.Lock()
	known, ok := m.seen[to]
	m.mu.Unlock()
	if !ok || time.Now().After(known.until) {
		addr, err := m.askServer(ctx, to, limit)
		if err != nil {
			return nil, err
		}
		known = mapping{addr: addr, until: time.Now().Add(mappingLife)}
		m.mu.Lock()
		m.seen[to] = known
		m.mu.Unlock()
	}
	return &stun.XORMappedAddress{IP: known.addr.Addr().AsSlice(), Port: int(known.addr.Port())}, nil
}

func (m *mux) askServer(ctx context.Context, to netip.AddrPort, limit time.Duration) (netip.AddrPort, error) {
	var id [stunID]byte
	_, _ = rand.Read(id[:])
	req, err := stun.Build(stun.NewTransactionIDSetter(id), stun.BindingRequest)
	if err != nil {
		return netip.AddrPort{}, err
	}
	answer := make(chan netip.AddrPort, 1)
	m.mu.Lock()
	m.servers[id] = answer
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		delete(m.servers, id)
		m.mu.Unlock()
	}()
	end := time.After(limit)
	for wait := 250 * time.Millisecond; ; wait *= 2 { // the packet or its answer may be lost
		if _, err := m.sock.WriteToAddrPort(req.Raw, to); err != nil {
			return netip.AddrPort{}, err
		}
		select {
		case addr := <-answer:
			return addr, nil
		case <-time.After(wait):
		case <-end:
			return netip.AddrPort{}, errNoMapping
		case <-ctx.Done():
			return netip.AddrPort{}, ctx.Err()
		}
	}
}
