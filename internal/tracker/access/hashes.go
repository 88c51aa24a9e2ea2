// Package access decides who may use a tracker.
package access

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"slices"
	"sync/atomic"
)

// A HashList is the info hashes of a file. It may be used by many goroutines, while it is
// reloaded too.
//
// The file has one info hash a line, as 40 hexadecimal digits, or 64 for BitTorrent v2, of
// which the first 40 count, as in an announce. What follows a # is a comment; empty
// lines and space at either end are ignored.
type HashList struct {
	path string
	set  atomic.Pointer[hashSet]
}

// LoadHashes reads a HashList from a file. The error names the file and the line.
func LoadHashes(path string) (*HashList, error) {
	l := &HashList{path: path}
	if err := l.Reload(); err != nil {
		return nil, err
	}
	return l, nil
}

// Reload reads the file again. If that fails, what was read before stays.
func (l *HashList) Reload() error {
	f, err := os.Open(l.path)
	if err != nil {
		return fmt.Errorf("cannot read the info hashes in %s: %w", l.path, cause(err))
	}
	defer f.Close()
	sorted, err := parseHashes(f)
	if err != nil {
		return fmt.Errorf("%s%w", l.path, err)
	}
	l.set.Store(newHashSet(sorted))
	return nil
}

func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// maxLine bounds a line, comment included.
const maxLine = 4096

// parseHashes returns the hashes sorted. Its errors begin with ":line: ".
func parseHashes(r io.Reader) ([][20]byte, error) {
	var all [][20]byte
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, maxLine), maxLine)
	n := 0
	for s.Scan() {
		n++
		text, _, _ := bytes.Cut(s.Bytes(), []byte("#"))
		if n == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors put it there
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		var h [32]byte
		if len(text) != 40 && len(text) != 64 {
			return nil, fmt.Errorf(":%d: %.80q is no info hash: write 40 hexadecimal digits, or 64 for v2", n, text)
		}
		if _, err := hex.Decode(h[:], text); err != nil {
			return nil, fmt.Errorf(":%d: %.80q is no info hash: a character is not a hexadecimal digit", n, text)
		}
		all = append(all, [20]byte(h[:20]))
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf(":%d: the line has more than %d bytes", n+1, maxLine)
	} else if s.Err() != nil {
		return nil, fmt.Errorf(": cannot read it: %w", cause(s.Err()))
	}
	slices.SortFunc(all, compare)
	return slices.Clip(slices.Compact(all)), nil
}

func compare(a, b [20]byte) int { return bytes.Compare(a[:], b[:]) }

// A hashSet finds an info hash with few looks into memory: the first bits, which are as good as
// random, tell where among a handful it must be.
type hashSet struct {
	sorted [][20]byte
	starts []uint32 // by the first bits, where such hashes start; and the end
	shift  uint     // of the first 64 bits, to get these
}

func newHashSet(sorted [][20]byte) *hashSet {
	log := max(bits.Len(uint(len(sorted)))-3, 0)
	s := &hashSet{sorted: sorted, starts: make([]uint32, 1<<log+1), shift: uint(64 - log)}
	for _, h := range sorted {
		s.starts[s.first(h)+1]++
	}
	for i := range len(s.starts) - 1 {
		s.starts[i+1] += s.starts[i]
	}
	return s
}

func (s *hashSet) first(h [20]byte) uint64 { return binary.BigEndian.Uint64(h[:]) >> s.shift }

// Has reports whether h is in the list.
func (l *HashList) Has(h [20]byte) bool {
	s := l.set.Load()
	i := s.first(h)
	_, ok := slices.BinarySearchFunc(s.sorted[s.starts[i]:s.starts[i+1]], h, compare)
	return ok
}

// Len is the number of info hashes.
func (l *HashList) Len() int { return len(l.set.Load().sorted) }

// Hashes decides which torrents a tracker serves. A nil list decides nothing.
type Hashes struct {
	Allow *HashList // only these
	Deny  *HashList // not these, even if allowed
}

// ErrHash says that a torrent is denied, or is not among those allowed.
var ErrHash = errors.New("this tracker does not serve this torrent")

// Check returns nil or ErrHash.
func (h Hashes) Check(infoHash [20]byte) error {
	if h.Deny != nil && h.Deny.Has(infoHash) || h.Allow != nil && !h.Allow.Has(infoHash) {
		return ErrHash
	}
	return nil
}
