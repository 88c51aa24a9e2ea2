//go:build !js

package native

import (
	"io"
	"os"
	"path/filepath"
)

// readState reads a file of the state folder, at most so many bytes. What is missing,
// longer or cannot be read counts as empty: all that is kept can be found anew.
func readState(dir, name string, most int64) []byte {
	if dir == "" {
		return nil
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil || int64(len(b)) > most {
		return nil
	}
	return b
}

// writeState replaces a file of the state folder: it is there whole or not at all,
// whenever we are killed.
func writeState(dir, name string, b []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, name+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
