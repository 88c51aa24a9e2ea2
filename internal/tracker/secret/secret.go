// Package secret reads the files in which operators keep secrets.
//
// Such a file has one secret a line, taken as it is written. Empty lines and those that begin
// with # are skipped, space at either end is cut. Where several secrets are valid at a time the
// first is the one in use, so that a secret is changed by putting the new one first and removing
// the old one later. No error holds a secret.
package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Min is the least length of a secret that nobody types in, in bytes: what cannot be guessed.
const Min = 16

// ErrEmpty reports a file without a secret.
var ErrEmpty = errors.New("there is no secret in it")

// A line is a secret and where it stands.
type line struct {
	number int // from 1
	text   string
}

// read returns the secrets of a file, one or more.
func read(path string) (list []line, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	number := 0
	for t := range strings.Lines(string(text)) {
		number++
		if t = strings.TrimSpace(t); t != "" && t[0] != '#' {
			list = append(list, line{number, t})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: %w", path, ErrEmpty)
	}
	return list, nil
}

// Lines returns the secrets of a file, one or more, of any length: for USER:PASSWORD.
func Lines(path string) ([]string, error) {
	list, err := read(path)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(list))
	for i, l := range list {
		out[i] = l.text
	}
	return out, nil
}

// List returns the secrets of a file, one or more, each of Min bytes or more.
func List(path string) ([]string, error) {
	list, err := read(path)
	if errors.Is(err, ErrEmpty) {
		return nil, fmt.Errorf("%w; write one of %d bytes or more", err, Min)
	}
	if err != nil {
		return nil, err
	}
	out := make([]string, len(list))
	for i, l := range list {
		if len(l.text) < Min {
			return nil, fmt.Errorf("%s:%d: the secret has %d bytes, it needs %d or more", path, l.number, len(l.text), Min)
		}
		out[i] = l.text
	}
	return out, nil
}
