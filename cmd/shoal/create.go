package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/maketorrent"
	"github.com/shoal-p2p/shoal/metainfo"
)

type createCmd struct {
	Paths       []string `arg:"" name:"path" help:"Files or folders. A link to a file in the same folder becomes a copy of it."`
	Output      string   `short:"o" placeholder:"FILE.torrent" help:"Where to write, - for standard output; the name with .torrent by default."`
	Tracker     []string `placeholder:"URL" sep:"none" help:"Announce URL (repeatable, each a tier)."`
	WebSeed     []string `placeholder:"URL" sep:"none" help:"HTTP source of the content (repeatable)."`
	PieceLength string   `placeholder:"N" help:"Bytes a piece, as 262144 or 256K; automatic by default."`
	Private     bool     `help:"Peers from the named trackers only."`
	V1          bool     `name:"v1" xor:"version" help:"BitTorrent v1 only."`
	V2          bool     `name:"v2" xor:"version" help:"BitTorrent v2 only."`
	Hybrid      bool     `xor:"version" help:"Both (the default)."`
	Comment     string   `placeholder:"TEXT" help:"A comment."`
}

func (c *createCmd) Run(ctx context.Context) error {
	n, err := parseSize(c.PieceLength)
	if err != nil {
		return usagef("--piece-length %s: %w", c.PieceLength, err)
	}
	if err := errors.Join(checkTrackers(c.Tracker), checkWebSeeds(c.WebSeed)); err != nil {
		return err
	}
	for _, p := range c.Paths {
		if _, err := os.Stat(p); err != nil {
			return fmt.Errorf("cannot read %s: %w", p, cause(err))
		}
	}
	opt := shoal.CreateOptions{
		V1: c.V1 || !c.V2, V2: c.V2 || !c.V1, PieceLength: n, Private: c.Private,
		Comment: c.Comment, CreatedBy: "Shoal/" + shoal.Version, CreationDate: time.Now().Unix(), WebSeeds: c.WebSeed,
	}
	for _, u := range c.Tracker {
		opt.Announce = append(opt.Announce, []string{u})
	}
	out, err := c.output()
	if err != nil {
		return err
	}
	if out != "-" {
		opt.Output = out
	}
	opt.Skipped = noteSkipped
	b := newBar("hashing", false)
	opt.Progress = b.set
	t, err := shoal.Create(ctx, c.Paths, opt)
	b.clear()
	if errors.Is(err, metainfo.ErrPieceLength) {
		return usagef("--piece-length %s: a v2 or hybrid torrent needs a power of two from 16K on, a v1 torrent a multiple of 16K", c.PieceLength)
	}
	if err != nil {
		return stopped(ctx, err, "before everything was hashed; nothing was written")
	}
	notePortable(t)
	if out == "-" {
		stdout.Write(t.Marshal()) // which remembers what it could not write
		return nil
	}
	if err := writeFile(out, t.Marshal()); err != nil {
		return fmt.Errorf("cannot write %s: %w", out, cause(err))
	}
	say("%s: %s, %s of %s, info hash %s\n", out, size(t.Info.TotalSize()),
		plural(t.Info.NumPieces(), "piece", "pieces"), size(t.Info.PieceLength), t.Info.Key())
	return nil
}

// maxName is how many bytes the name of a file may have on the systems of today.
const maxName = 255

// output is the path of the file to write. What is named with 255 bytes leaves no room
// for .torrent behind it: then it is shortened.
func (c *createCmd) output() (string, error) {
	if c.Output != "" {
		return c.Output, nil
	}
	name, err := maketorrent.Name(c.Paths)
	if err != nil {
		return "", err
	}
	const suffix = ".torrent"
	if len(name) > maxName-len(suffix) {
		name = strings.ToValidUTF8(name[:maxName-len(suffix)], "")
	}
	return name + suffix, nil
}

// noteSkipped names what is in a folder and does not become part of the torrent.
func noteSkipped(path, why string) { tell("shoal: left out: %s: %s\n", path, why) }

// notePortable tells of a name that some system cannot hold: what is shared goes to
// strangers with other systems.
func notePortable(t *metainfo.Torrent) {
	if err := t.Info.CheckPortable(); err != nil {
		tell("shoal: note: %s; rename it if people with Windows or macOS are to get it\n", strings.TrimPrefix(oneLine(err), "metainfo: "))
	}
}

// writeFile replaces a file whole or not at all. What is no file, as a pipe or a
// device, is written to, and where a link leads there.
func writeFile(name string, b []byte) error {
	if to, err := filepath.EvalSymlinks(name); err == nil {
		name = to
	}
	switch fi, err := os.Stat(name); {
	case err == nil && fi.IsDir():
		return errors.New("it is a folder; name a file in it")
	case err == nil && !fi.Mode().IsRegular():
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(b)
		return errors.Join(err, f.Close())
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".shoal-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok { // which names our temporary file
		err = le.Err
	}
	return err
}

func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	shift := 0
	num := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s), "IB"), "B")
	for i, suffix := range []string{"K", "M", "G"} {
		if n, ok := strings.CutSuffix(num, suffix); ok {
			num, shift = n, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(num, 10, 32)
	if err != nil || n <= 0 {
		return 0, errors.New("not a number of bytes such as 262144 or 256K")
	}
	return n << shift, nil
}
