//go:build !js

package native

import "github.com/shoal-p2p/shoal/metainfo"

// localPeers finds peers on the local network and asks the router for a port.
type localPeers struct{}

func (c *Client) startLocal() *localPeers { return nil }

func (l *localPeers) announce(metainfo.Hash) {}
func (l *localPeers) withdraw(metainfo.Hash) {}
func (l *localPeers) close()                 {}
