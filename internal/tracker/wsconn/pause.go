package wsconn

// Pause says that the message that the Handler has cannot be handled yet. It counts as not having come
// whole: of the connection nothing more is read or handled until Resume, then the message comes to the
// Handler again, and after it what follows. What was read already is held in the memory for what has
// begun, as any message is that has not ended. Only the Handler calls it, in Message.
func (c *Conn) Pause() { c.flags |= flagPaused }

// Resume ends a Pause. It is called once for each, by any goroutine, and may come before it.
func (c *Conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state < cut {
		c.resumed = true
		c.link.resume(c)
	}
}

func (c *Conn) paused() bool { return c.flags&flagPaused != 0 }

// again goes on after a Pause if there was a Resume, and reports false when the connection is to end
// without more ado. Only the owner calls it.
func (c *Conn) again(b *Batch) bool {
	c.mu.Lock()
	resumed, ended := c.resumed, c.state >= cut
	c.resumed = false
	c.mu.Unlock()
	if ended || !resumed || !c.paused() {
		return !ended
	}
	c.flags = c.flags&^flagPaused | flagAgain
	data := c.in
	rest, ok := c.frames(b, data)
	if ok {
		c.keepRest(b, rest, len(rest) != len(data), true)
	}
	return ok
}
