package admin

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"unicode"
)

// names knows what torrents are called: what stands behind the # in a line of a list of info hashes.
// Nobody announces a name.
type names struct {
	paths []string

	mu    sync.Mutex
	stamp string              // of the files, when known was read
	known map[[20]byte]string // of those that were asked for; "" has none
}

const (
	// maxKnown bounds the names in memory.
	maxKnown = 4096
	// maxName bounds a name, in characters.
	maxName = 120
)

// of returns the names of some torrents; those without one are left out. It reads the lists only when
// they have changed or somebody is asked for whom it does not know.
func (n *names) of(hashes [][20]byte) map[[20]byte]string {
	out := make(map[[20]byte]string)
	if len(n.paths) == 0 {
		return out
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if stamp := n.look(); stamp != n.stamp || len(n.known) > maxKnown {
		n.stamp, n.known = stamp, nil
	}
	if n.known == nil {
		n.known = make(map[[20]byte]string)
	}
	before := len(n.known)
	for _, h := range hashes {
		if _, ok := n.known[h]; !ok {
			n.known[h] = ""
		}
	}
	if len(n.known) > before {
		for _, path := range n.paths {
			n.read(path)
		}
	}
	for _, h := range hashes {
		if name := n.known[h]; name != "" {
			out[h] = name
		}
	}
	return out
}

func (n *names) look() string {
	var b strings.Builder
	for _, path := range n.paths {
		if fi, err := os.Stat(path); err == nil {
			fmt.Fprint(&b, fi.ModTime().UnixNano(), fi.Size())
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// read fills in known from a list. What cannot be read has no names.
func (n *names) read(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		hash, name, ok := bytes.Cut(line, []byte("#"))
		var h [32]byte
		if hash = bytes.TrimSpace(hash); ok && !long && (len(hash) == 40 || len(hash) == 64) {
			if _, bad := hex.Decode(h[:], hash); bad == nil {
				if old, asked := n.known[[20]byte(h[:20])]; asked && old == "" {
					n.known[[20]byte(h[:20])] = clean(string(name))
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// clean makes a name fit to be shown in one line.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, s)
	runes := []rune(strings.Join(strings.Fields(s), " "))
	if len(runes) > maxName {
		runes = append(runes[:maxName-1], '…')
	}
	return string(runes)
}
