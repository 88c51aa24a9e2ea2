//go:build !js

package driver

import (
	"context"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/transport/mse"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// veil is what a session needs for streams that are encrypted.
type veil struct {
	responder mse.Responder
	// keys finds a torrent by the hash that an encrypted handshake names it by. It is nil
	// until somebody comes with one, and follows the session's torrents from then on: a
	// stranger costs one look. Guarded by the session's mu.
	keys map[[20]byte]metainfo.Hash
}

func (v *veil) added(key metainfo.Hash) {
	if v.keys != nil {
		v.keys[mse.KeyHash(key)] = key
	}
}

func (v *veil) removed(key metainfo.Hash) {
	if v.keys != nil {
		delete(v.keys, mse.KeyHash(key))
	}
}

// unveil finds the key of a swarm of ours.
func (s *Session) unveil(keyHash [20]byte) ([20]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &s.veil
	if v.keys == nil {
		v.keys = make(map[[20]byte]metainfo.Hash, len(s.torrents))
		for key := range s.torrents {
			v.added(key)
		}
	}
	key, ok := v.keys[keyHash]
	return key, ok
}

// methods are what we take and offer behind an encrypted handshake, and the one that we
// select.
func (s *Session) methods() (all, preferred mse.Method) {
	switch s.cfg.Encryption {
	case transport.EncryptionRequired:
		return mse.RC4, mse.RC4
	case transport.EncryptionPreferred:
		return mse.Plain | mse.RC4, mse.RC4
	}
	return mse.Plain | mse.RC4, mse.Plain
}

// hear reads the handshake of whoever has come. Its first bytes decide whether it is an
// encrypted one; then the stream is another from there on.
func (s *Session) hear(c transport.Conn) (transport.Conn, wire.Handshake, error) {
	level := s.cfg.Encryption
	if level == transport.EncryptionOff || c.Kind() == transport.WebRTC {
		h, err := readHandshake(s.ctx, c)
		return c, h, err
	}
	defer hurry(s.ctx, c)()
	var buf [wire.HandshakeLen]byte
	n, err := readGreeting(c, &buf)
	switch {
	case err == wire.ErrHandshake:
		all, preferred := s.methods()
		if c, err = s.veil.responder.Accept(c, buf[:n], all, preferred, s.unveil); err != nil {
			return nil, wire.Handshake{}, err
		}
		_, err = readGreeting(c, &buf)
	case err == nil && level == transport.EncryptionRequired:
		err = wire.ErrHandshake
	}
	if err != nil {
		return nil, wire.Handshake{}, err
	}
	h, err := wire.ParseHandshake(buf[:])
	return c, h, err
}

// greet says our handshake on a stream that we have opened, encrypted or not.
func (s *Session) greet(ctx context.Context, c transport.Conn, h wire.Handshake, encrypted bool) (transport.Conn, error) {
	defer hurry(ctx, c)()
	if !encrypted {
		_, err := c.Write(h.Append(nil))
		return c, err
	}
	all, _ := s.methods()
	return mse.Connect(c, h.InfoHash, all, h.Append(nil))
}

// ways are the handshakes to try with a peer, encrypted or not, in order.
func (s *Session) ways(hint swarm.Hint) []bool {
	switch level := s.cfg.Encryption; {
	case level == transport.EncryptionOff:
		return []bool{false}
	case level == transport.EncryptionRequired:
		return []bool{true, true} // rtorrent fails one of 256, and has no other way
	case level == transport.EncryptionPreferred, hint.Encrypted:
		return []bool{true, false}
	}
	return []bool{false, true}
}

// made says what a connection is made of.
func made(c transport.Conn) swarm.Hint { return swarm.Hint{Encrypted: mse.MethodOf(c) != 0} }
