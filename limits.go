//go:build !js

package shoal

// Limits bound what passes over all transports together, payload and protocol, in
// bytes a second. 0 is no bound. The zero value bounds nothing.
type Limits struct {
	Up   int64 // sent
	Down int64 // received
}

// SetLimits changes what all torrents of the client may send and receive together.
// It holds at once.
func (c *Client) SetLimits(l Limits) { c.n.Session.SetLimits(l.Up, l.Down) }

// Limits are those of [Client.SetLimits] or Config.Limits.
func (c *Client) Limits() Limits {
	up, down := c.n.Session.Limits()
	return Limits{up, down}
}

// SetLimits changes what the torrent may send and receive, within the limits of the
// client. It holds at once.
func (t *Torrent) SetLimits(l Limits) { t.n.SetLimits(l.Up, l.Down) }

// Limits are those of [Torrent.SetLimits] or AddOptions.Limits.
func (t *Torrent) Limits() Limits {
	up, down := t.n.Limits()
	return Limits{up, down}
}
