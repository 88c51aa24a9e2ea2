package access

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// A ClientList is the beginnings of peer ids in a file, by which programs name themselves
// (BEP 20). It may be used by many goroutines, while it is reloaded too.
//
// The file has one beginning a line, of 1 to 20 bytes, such as -qB or -UT35; %23 stands for the
// byte with this hexadecimal number. What follows a space is a comment, as are lines that
// begin with #, ; or //.
type ClientList struct {
	path string
	set  atomic.Pointer[clientSet]
}

type clientSet struct {
	sorted  []string // none begins with another
	skipped Skipped
}

// LoadClients reads a ClientList from a file. The error names the file. Lines that cannot be read
// are skipped, see Skipped; a file in which there is no other is an error.
func LoadClients(path string) (*ClientList, error) {
	l := &ClientList{path: path}
	if err := l.Reload(); err != nil {
		return nil, err
	}
	return l, nil
}

// Reload reads the file again. If that fails, what was read before stays.
func (l *ClientList) Reload() error {
	s := &clientSet{}
	var err error
	s.skipped, err = readLines(l.path, func(line []byte) error {
		prefix, err := parsePrefix(line)
		if err == nil {
			s.sorted = append(s.sorted, prefix)
		}
		return err
	})
	if err != nil {
		return err
	}
	s.settle()
	l.set.Store(s)
	return nil
}

// settle sorts, and leaves out what a shorter beginning says.
func (s *clientSet) settle() {
	slices.Sort(s.sorted)
	kept := s.sorted[:0]
	for _, p := range s.sorted {
		if n := len(kept); n == 0 || !begins([]byte(p), kept[n-1]) {
			kept = append(kept, p)
		}
	}
	s.sorted = slices.Clone(kept)
}

func begins(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// Skipped tells of the lines that the last load could not read.
func (l *ClientList) Skipped() Skipped { return l.set.Load().skipped }

// Len is the number of beginnings, without those that begin with another.
func (l *ClientList) Len() int { return len(l.set.Load().sorted) }

// Has reports whether a peer id begins as the list says. It takes as many looks as the length of
// the list has bits, and no memory.
func (l *ClientList) Has(id [20]byte) bool { return l.set.Load().has(id[:]) }

func (s *clientSet) has(id []byte) bool {
	// The last that is not after id: whatever lay between its beginning and id would begin with it too.
	lo, hi := 0, len(s.sorted)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); s.sorted[mid] <= string(id) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo > 0 && begins(id, s.sorted[lo-1])
}

// Clients decides which programs a tracker serves, by what they say of themselves. A nil list
// decides nothing.
type Clients struct {
	Allow *ClientList // only these
	Deny  *ClientList // not these, even if allowed
}

// ErrClient says that a program is denied, or is not among those allowed.
var ErrClient = errors.New("this tracker does not serve your client")

// Check returns nil or ErrClient.
func (c Clients) Check(id [20]byte) error {
	if c.Deny != nil && c.Deny.Has(id) || c.Allow != nil && !c.Allow.Has(id) {
		return ErrClient
	}
	return nil
}

// parsePrefix reads a line.
func parsePrefix(line []byte) (string, error) {
	text := line
	if i := bytes.IndexAny(text, " \t"); i >= 0 {
		text = text[:i]
	}
	out := make([]byte, 0, len(text))
	for rest := text; len(rest) > 0; {
		if rest[0] != '%' {
			out, rest = append(out, rest[0]), rest[1:]
			continue
		}
		var b [1]byte
		if len(rest) < 3 {
			return "", fmt.Errorf("%.60q: two hexadecimal digits belong after %%", text)
		}
		if _, err := hex.Decode(b[:], rest[1:3]); err != nil {
			return "", fmt.Errorf("%.60q: two hexadecimal digits belong after %%", text)
		}
		out, rest = append(out, b[0]), rest[3:]
	}
	if len(out) > 20 {
		return "", fmt.Errorf("%.60q is longer than a peer id, which has 20 bytes", text)
	}
	return string(out), nil
}
