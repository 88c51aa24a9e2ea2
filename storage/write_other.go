//go:build !js && !linux

package storage

// writer writes pieces; only on Linux there is more than one way.
type writer struct{}

// writeAt writes all of p to file i of the given length.
func (*writer) writeAt(f diskFile, _ int, p []byte, off, _ int64) error {
	return plainWrite(f, p, off)
}
