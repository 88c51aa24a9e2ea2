package driver

// NumHave is the number of stored pieces. It does not wait for the loop.
func (t *Torrent) NumHave() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.have.Count()
}
