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
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
)

type createCmd struct {
	Paths       []string `arg:"" name:"path" help:"Files or folders."`
	Output      string   `short:"o" placeholder:"FILE.torrent" help:"Where to write; the name with .torrent by default."`
	Tracker     []string `placeholder:"URL" help:"Announce URL (repeatable, each a tier)."`
	WebSeed     []string `placeholder:"URL" help:"HTTP source of the content (repeatable)."`
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
	b := newBar("hashing", false)
	opt.Progress = b.set
	t, err := shoal.Create(ctx, c.Paths, opt)
	b.clear()
	if errors.Is(err, metainfo.ErrPieceLength) {
		return usagef("--piece-length %s: a v2 or hybrid torrent needs a power of two from 16K on, a v1 torrent a multiple of 16K", c.PieceLength)
	}
	if err != nil {
		return err
	}
	out := c.Output
	if out == "" {
		out = t.Info.Name + ".torrent"
	}
	if err := writeFile(out, t.Marshal()); err != nil {
		return fmt.Errorf("cannot write %s: %w", out, cause(err))
	}
	fmt.Printf("%s: %s, %s of %s, info hash %s\n", out, size(t.Info.TotalSize()),
		plural(t.Info.NumPieces(), "piece", "pieces"), size(t.Info.PieceLength), t.Info.Key())
	return nil
}

// writeFile replaces a file whole or not at all.
func writeFile(name string, b []byte) error {
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

type infoCmd struct {
	Input string `arg:"" name:"file|magnet" help:"A .torrent file or a magnet link."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

type infoFile struct {
	Path   string `json:"path"`
	Length int64  `json:"length"`
}

type infoOut struct {
	Name        string     `json:"name"`
	InfoHash    string     `json:"info_hash,omitempty"`
	InfoHashV2  string     `json:"info_hash_v2,omitempty"`
	Version     string     `json:"version"`
	Bytes       int64      `json:"bytes,omitempty"`
	PieceLength int64      `json:"piece_length,omitempty"`
	Pieces      int        `json:"pieces,omitempty"`
	Private     bool       `json:"private"`
	Comment     string     `json:"comment,omitempty"`
	CreatedBy   string     `json:"created_by,omitempty"`
	Created     string     `json:"created,omitempty"`
	Trackers    [][]string `json:"trackers"`
	WebSeeds    []string   `json:"web_seeds"`
	Peers       []string   `json:"peers,omitempty"`
	Files       []infoFile `json:"files"`
	Magnet      string     `json:"magnet"`
}

func (c *infoCmd) Run() error {
	out := infoOut{Trackers: [][]string{}, WebSeeds: []string{}, Files: []infoFile{}}
	if strings.HasPrefix(c.Input, "magnet:") {
		m, err := magnet.Parse(c.Input)
		if err != nil {
			return fmt.Errorf("%s is no valid magnet link: %w", c.Input, reason(err))
		}
		out.Name, out.Bytes, out.Peers, out.Magnet = m.Name, m.Length, m.Peers, m.String()
		out.WebSeeds = append(out.WebSeeds, m.WebSeeds...)
		for _, tr := range m.Trackers {
			out.Trackers = append(out.Trackers, []string{tr})
		}
		if m.HashV1 != nil {
			out.InfoHash = m.HashV1.String()
		}
		if m.HashV2 != nil {
			out.InfoHashV2 = m.HashV2.String()
		}
		out.Version = version(m.HashV1 != nil, m.HashV2 != nil)
	} else {
		t, err := readTorrent(c.Input)
		if err != nil {
			return err
		}
		out.fill(t)
	}
	if c.JSON {
		newEvents(true).emit(out)
		return nil
	}
	out.print()
	return nil
}

func version(v1, v2 bool) string {
	switch {
	case v1 && v2:
		return "hybrid"
	case v2:
		return "v2"
	}
	return "v1"
}

func (o *infoOut) fill(t *metainfo.Torrent) {
	i := t.Info
	m := magnet.Magnet{Name: i.Name, Length: i.TotalSize(), WebSeeds: t.WebSeeds}
	o.Name, o.Bytes, o.PieceLength, o.Pieces, o.Private = i.Name, i.TotalSize(), i.PieceLength, i.NumPieces(), i.Private
	o.Comment, o.CreatedBy, o.Version = t.Comment, t.CreatedBy, version(i.HasV1, i.HasV2)
	if t.CreationDate > 0 {
		o.Created = time.Unix(t.CreationDate, 0).UTC().Format(time.RFC3339)
	}
	if i.HasV1 {
		o.InfoHash = i.HashV1.String()
		m.HashV1 = &i.HashV1
	}
	if i.HasV2 {
		o.InfoHashV2 = i.HashV2.String()
		m.HashV2 = &i.HashV2
	}
	o.Trackers = append(o.Trackers, t.Announce...)
	o.WebSeeds = append(o.WebSeeds, t.WebSeeds...)
	for _, tier := range t.Announce {
		m.Trackers = append(m.Trackers, tier...)
	}
	for _, f := range i.Files {
		if !f.Pad {
			o.Files = append(o.Files, infoFile{strings.Join(f.Path, "/"), f.Length})
		}
	}
	o.Magnet = m.String()
}

func (o *infoOut) print() {
	line := func(name, value string) {
		if value != "" {
			fmt.Printf("%-13s %s\n", name, value)
		}
	}
	line("name", o.Name)
	line("version", o.Version)
	line("info hash", o.InfoHash)
	line("info hash v2", o.InfoHashV2)
	if o.Bytes > 0 {
		line("size", fmt.Sprintf("%s (%d bytes)", size(o.Bytes), o.Bytes))
	}
	if o.Pieces > 0 {
		line("pieces", fmt.Sprintf("%d of %s", o.Pieces, size(o.PieceLength)))
	}
	if o.Private {
		line("private", "yes")
	}
	line("comment", o.Comment)
	line("created by", o.CreatedBy)
	line("created", o.Created)
	for _, tier := range o.Trackers {
		line("tracker", strings.Join(tier, ", "))
	}
	for _, w := range o.WebSeeds {
		line("web seed", w)
	}
	for _, p := range o.Peers {
		line("peer", p)
	}
	for _, f := range o.Files {
		line("file", fmt.Sprintf("%10s  %s", size(f.Length), f.Path))
	}
	line("magnet", o.Magnet)
}

// maxTorrentFile bounds what is read, on disk or from the network.
const maxTorrentFile = metainfo.MaxTorrentSize

func readTorrent(name string) (*metainfo.Torrent, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, cause(err))
	}
	if st.IsDir() {
		return nil, fmt.Errorf("cannot read %s: it is a folder, not a .torrent file", name)
	}
	if st.Size() > maxTorrentFile {
		return nil, fmt.Errorf("%s is no .torrent file: it is larger than %s", name, size(maxTorrentFile))
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, cause(err))
	}
	t, err := metainfo.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s is no valid .torrent file: %w", name, reason(err))
	}
	return t, nil
}
