//go:build !js

package storage

// Rest closes the files and folders that are not in use at this moment. They are
// opened again when they are needed: a torrent that nobody asks for keeps no
// descriptors.
func (f *File) Rest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	for _, of := range f.open {
		if of.refs == 0 {
			f.retire(of)
		}
	}
	if r, ok := f.fs.(interface{ Rest() }); ok {
		r.Rest()
	}
}
