package access

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

// A Skipped says what of a file could not be read. A line that is no entry costs itself alone, as
// lists that others publish always have some.
type Skipped struct {
	Lines int     // how many
	First []error // the first of them, with file and line
}

// firstSkipped bounds Skipped.First: enough to see what is wrong, and not a log full of it.
const firstSkipped = 3

func (s *Skipped) add(err error) {
	s.Lines++
	if len(s.First) < firstSkipped {
		s.First = append(s.First, err)
	}
}

// Err is nil if nothing was skipped, else it says how much, and where first.
func (s Skipped) Err() error {
	if s.Lines == 0 {
		return nil
	}
	return fmt.Errorf("%d lines were skipped: %w", s.Lines, errors.Join(s.First...))
}

const (
	// maxInflate bounds how many times its size a gzip file may become. Lists of addresses become
	// 3 to 10 times; a kilobyte that becomes a megabyte is an attack.
	maxInflate = 100
	// minInflate may come from any gzip file.
	minInflate = 1 << 20
)

// readLines calls entry with each line of a file, gzip or not, without space at either end. Empty
// lines and those that begin with #, ; or // are left out. Errors of entry are the
// line's; one that readLines returns names the file. If every line is wrong, so is the file.
func readLines(path string, entry func(line []byte) error) (skipped Skipped, err error) {
	f, err := os.Open(path)
	if err != nil {
		return Skipped{}, fmt.Errorf("cannot read the list in %s: %w", path, cause(err))
	}
	defer f.Close()
	skipped, taken, err := scanLines(f, path, entry)
	if err != nil {
		return skipped, fmt.Errorf("cannot read the list in %s: %w", path, cause(err))
	}
	if taken == 0 && skipped.Lines > 0 {
		return skipped, fmt.Errorf("%s is no such list: %w", path, skipped.First[0])
	}
	return skipped, nil
}

func scanLines(f io.Reader, path string, entry func(line []byte) error) (skipped Skipped, taken int, err error) {
	plain := &counter{r: f}
	r := bufio.NewReaderSize(plain, maxLine)
	if magic, _ := r.Peek(2); string(magic) == "\x1f\x8b" {
		gz, err := gzip.NewReader(r)
		if err != nil {
			return skipped, 0, err
		}
		r = bufio.NewReaderSize(&bounded{r: gz, packed: plain}, maxLine)
	}
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		long := false
		for errors.Is(err, bufio.ErrBufferFull) {
			long = true
			_, err = r.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return skipped, taken, err
		}
		if n == 1 && !long {
			line = bytes.TrimPrefix(line, []byte("\ufeff")) // some editors put it there
		}
		switch line = bytes.TrimSpace(line); {
		case long:
			skipped.add(fmt.Errorf("%s:%d: the line has more than %d bytes", path, n, maxLine))
		case len(line) == 0 || line[0] == '#' || line[0] == ';' || bytes.HasPrefix(line, []byte("//")):
		default:
			if bad := entry(line); bad != nil {
				skipped.add(fmt.Errorf("%s:%d: %w", path, n, bad))
			} else {
				taken++
			}
		}
		if err == io.EOF {
			return skipped, taken, nil
		}
	}
}

// A counter counts what was read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

var errInflates = fmt.Errorf("it inflates to more than %d times its size", maxInflate)

// A bounded reader ends when more comes out than may for what has gone in.
type bounded struct {
	r      io.Reader
	packed *counter
	n      int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.n += int64(n); b.n > max(minInflate, maxInflate*b.packed.n) {
		return 0, errInflates
	}
	return n, err
}
