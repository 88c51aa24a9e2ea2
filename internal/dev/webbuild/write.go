package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
)

// size is what one asset weighs, in bytes; brotli is 0 for what is not compressed.
type size struct {
	name        string
	raw, brotli int
}

// placeholder keeps the folder in the repository, which go:embed needs before
// the first build.
const placeholder = ".keep"

// writeAll makes the folder hold the assets, their .br and .gz forms and
// nothing else. What has not changed is not touched.
func writeAll(dir string, assets map[string][]byte) ([]size, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	keep := map[string]bool{placeholder: true}
	var sizes []size
	for name, content := range assets {
		s, err := write(filepath.Join(dir, name), content)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, s)
		keep[name] = true
		if compressible(name) {
			keep[name+".br"], keep[name+".gz"] = true, true
		}
	}
	if err := os.WriteFile(filepath.Join(dir, placeholder), nil, 0o644); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !keep[e.Name()] {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(sizes, func(a, b size) int { return strings.Compare(a.name, b.name) })
	return sizes, nil
}

func compressible(name string) bool {
	return !strings.HasSuffix(name, ".png")
}

// write writes one asset and its compressed forms, unless they are there already.
func write(file string, content []byte) (size, error) {
	s := size{name: filepath.Base(file), raw: len(content)}
	old, err := os.ReadFile(file)
	same := err == nil && bytes.Equal(old, content)
	if !compressible(file) {
		if same {
			return s, nil
		}
		return s, os.WriteFile(file, content, 0o644)
	}
	if same {
		br, errBr := os.Stat(file + ".br")
		_, errGz := os.Stat(file + ".gz")
		if errBr == nil && errGz == nil {
			s.brotli = int(br.Size())
			return s, nil
		}
	}
	// The plain file goes first and comes back last: a build that is stopped
	// half-way must not leave it beside compressed forms of something else.
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return s, err
	}
	if s.brotli, err = compress(file, content); err != nil {
		return s, err
	}
	return s, os.WriteFile(file, content, 0o644)
}

// compress writes file.br and file.gz and returns the size of the former.
func compress(file string, content []byte) (int, error) {
	var br, gz bytes.Buffer
	bw := brotli.NewWriterLevel(&br, brotli.BestCompression)
	gw, err := gzip.NewWriterLevel(&gz, gzip.BestCompression)
	if err != nil {
		return 0, err
	}
	for _, w := range []io.WriteCloser{bw, gw} {
		if _, err := w.Write(content); err != nil {
			return 0, err
		}
		if err := w.Close(); err != nil {
			return 0, err
		}
	}
	if err := os.WriteFile(file+".br", br.Bytes(), 0o644); err != nil {
		return 0, err
	}
	return br.Len(), os.WriteFile(file+".gz", gz.Bytes(), 0o644)
}
