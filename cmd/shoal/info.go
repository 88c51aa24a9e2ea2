package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal"
)

type infoCmd struct {
	Input string `arg:"" name:"file|magnet" help:"A .torrent file, its URL, a magnet link or a share link."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

type infoFile struct {
	Path   string `json:"path"`
	Length int64  `json:"length"`
	// Executable files get their bit where they arrive.
	Executable bool `json:"executable,omitempty"`
}

type infoSymlink struct {
	Path   string `json:"path"`
	Target string `json:"target"` // a path of the torrent, too
}

type infoOut struct {
	Name        string        `json:"name"`
	InfoHash    string        `json:"info_hash,omitempty"`
	InfoHashV2  string        `json:"info_hash_v2,omitempty"`
	Version     string        `json:"version"`
	Bytes       int64         `json:"bytes,omitempty"`
	PieceLength int64         `json:"piece_length,omitempty"`
	Pieces      int           `json:"pieces,omitempty"`
	Private     bool          `json:"private"`
	Comment     string        `json:"comment,omitempty"`
	CreatedBy   string        `json:"created_by,omitempty"`
	Created     string        `json:"created,omitempty"`
	Trackers    [][]string    `json:"trackers"`
	WebSeeds    []string      `json:"web_seeds"`
	Peers       []string      `json:"peers,omitempty"`
	Files       []infoFile    `json:"files"`
	Symlinks    []infoSymlink `json:"symlinks,omitempty"`
	Magnet      string        `json:"magnet"`
}

func (c *infoCmd) Run(ctx context.Context) error {
	src, err := shoal.ParseSource(c.Input)
	if err == nil {
		src, err = src.Fetch(ctx)
	}
	if err != nil {
		return err
	}
	noteLeftOut(src)
	out := infoOut{Trackers: [][]string{}, WebSeeds: []string{}, Files: []infoFile{}}
	out.fill(src)
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

func (o *infoOut) fill(src shoal.Source) {
	m := src.Magnet()
	o.Name, o.Bytes, o.Peers, o.Magnet = m.Name, m.Length, m.Peers, m.String()
	o.Version = version(m.HashV1 != nil, m.HashV2 != nil)
	o.WebSeeds = append(o.WebSeeds, m.WebSeeds...)
	if m.HashV1 != nil {
		o.InfoHash = m.HashV1.String()
	}
	if m.HashV2 != nil {
		o.InfoHashV2 = m.HashV2.String()
	}
	t := src.Torrent()
	if t == nil {
		for _, tr := range m.Trackers {
			o.Trackers = append(o.Trackers, []string{tr})
		}
		return
	}
	i := t.Info
	o.PieceLength, o.Pieces, o.Private = i.PieceLength, i.NumPieces(), i.Private
	o.Comment, o.CreatedBy = t.Comment, t.CreatedBy
	o.Trackers = append(o.Trackers, t.Announce...)
	if t.CreationDate > 0 {
		o.Created = time.Unix(t.CreationDate, 0).UTC().Format(time.RFC3339)
	}
	for _, f := range i.Files {
		if !f.Pad {
			o.Files = append(o.Files, infoFile{strings.Join(f.Path, "/"), f.Length, f.Executable})
		}
	}
	for _, l := range i.Symlinks {
		o.Symlinks = append(o.Symlinks, infoSymlink{strings.Join(l.Path, "/"), strings.Join(l.Target, "/")})
	}
}

func (o *infoOut) print() {
	line := func(name, value string) {
		if value != "" {
			say("%-13s %s\n", name, value)
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
	for i, f := range o.Files {
		line(fmt.Sprintf("file %d", i+1), fmt.Sprintf("%10s  %s", size(f.Length), f.Path))
	}
	for _, l := range o.Symlinks {
		line("symlink", l.Path+" -> "+l.Target)
	}
	line("magnet", o.Magnet)
}
