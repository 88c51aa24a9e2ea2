package wsconn

// Attach is Serve without a socket: sink gets whole frames, which are its own until it returns,
// and nothing comes in. It is for tests, benchmarks and simulations. Detach ends it.
func (s *Server) Attach(c *Conn, h Handler, sink func(frames []byte)) {
	s.init(c, h, false)
	c.link = sinkLink{sink}
}

// Detach ends a connection of Attach.
func (c *Conn) Detach(b *Batch) { c.end(b) }

type sinkLink struct{ sink func(frames []byte) }

func (k sinkLink) flush(c *Conn) {
	k.sink(c.out)
	c.flushed()
}

func (sinkLink) hangup(*Conn) {}

func (sinkLink) resume(*Conn) {}

func (sinkLink) waiting() int { return 0 }
