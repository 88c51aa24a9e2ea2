//go:build !js

package storage

// Replace records what a check of everything has found: have is all that the next
// start may believe. Files must be attached.
func (r *Resume) Replace(have *Bits) error {
	r.wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.data == nil || r.closed {
		return &Error{Kind: ErrClosed, Op: "write", Path: r.path()}
	}
	r.pending = r.pending[:0]
	now := make(map[int]stamp)
	for i := range r.info.Files {
		if s, ok := r.data.stamp(i); ok {
			now[i] = s
		}
	}
	return r.begin(&judge{r: r, now: now, have: have, doubtful: NewBits(r.info.NumPieces())})
}
