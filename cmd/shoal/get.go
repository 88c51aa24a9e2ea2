package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/node"
)

type getCmd struct {
	Source     string   `arg:"" name:"link|magnet|file|url" help:"A share link, magnet link, info hash, .torrent file or its URL."`
	Dir        string   `short:"o" default:"." placeholder:"DIR" help:"Folder to download into (the current one)."`
	Select     []string `placeholder:"N,NAME" sep:"none" help:"Download these files only: numbers as shoal info lists them, ranges, names or patterns such as '*.mp4'. Commas part them, but for one in a name that is given alone or has a backslash before the comma (repeatable)."`
	Sequential bool     `help:"Fetch pieces in their order, not the rarest first."`
	Listen     string   `placeholder:"ADDR" help:"Serve the files over HTTP at this address while they download, with --seed also after (port 0 takes a free one)."`
	Peer       []string `placeholder:"HOST:PORT" help:"Connect to this peer (repeatable)."`
	Transport  []string `default:"tcp,webrtc" enum:"tcp,webrtc" placeholder:"LIST" help:"Transports to use (${default})."`
	Seed       bool     `help:"Go on seeding until Ctrl-C, or until --ratio or --seed-time is reached."`
	visitors
	goals
	network
}

// gotFile is a file of a torrent that is being downloaded.
type gotFile struct {
	infoFile
	Selected bool   `json:"selected"`
	URL      string `json:"url,omitempty"` // with --listen
}

type metadataEvent struct {
	Event    string    `json:"event"`
	InfoHash string    `json:"info_hash"`
	Name     string    `json:"name"`
	Bytes    int64     `json:"bytes"` // of the selected files
	Pieces   int       `json:"pieces"`
	Files    []gotFile `json:"files"`
}

type progressEvent struct {
	Event    string  `json:"event"`
	Progress float64 `json:"progress"` // 0 to 1
	Bytes    int64   `json:"bytes"`    // verified
	Total    int64   `json:"total"`
	Peers    int     `json:"peers"`
	Down     int64   `json:"down"` // bytes a second
	Up       int64   `json:"up"`
	Waiting  string  `json:"waiting,omitempty"` // why nothing has come for ten seconds
}

type doneEvent struct {
	Event   string  `json:"event"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

const beforeComplete = "before it was complete; the same command goes on where it ended"

func (c *getCmd) Run(ctx context.Context) error {
	chosen, err := parseSelection(c.Select)
	if err != nil {
		return err
	}
	limits, err := c.limits()
	if err != nil {
		return err
	}
	goals, err := c.goals.goals()
	if err != nil {
		return err
	}
	if goals != (shoal.Goals{}) && !c.Seed {
		return usagef("--ratio and --seed-time end seeding: they need --seed")
	}
	src, err := shoal.ParseSource(c.Source)
	if err != nil {
		return err
	}
	if err := errors.Join(checkTrackers(c.Tracker), checkPeers(c.Peer), checkSTUN(c.STUN)); err != nil {
		return err
	}
	if src, err = src.Fetch(ctx); err != nil {
		return stopped(ctx, err, "before the torrent was known")
	}
	noteLeftOut(src)
	var web *webServer
	if c.Listen != "" {
		if web, err = listenWeb(c.Listen); err != nil {
			return err
		}
		defer web.close()
	}
	cfg := c.config(src)
	cfg.Limits, cfg.Goals = limits, goals
	client, err := shoal.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	return (&download{getCmd: c, ev: newEvents(c.JSON), chosen: chosen, web: web, started: time.Now()}).run(ctx, client, src)
}

// config is local where every address that the user gave is on this machine: then
// nothing beyond it is asked.
func (c *getCmd) config(src shoal.Source) shoal.Config {
	tcp, rtc := slices.Contains(c.Transport, "tcp"), slices.Contains(c.Transport, "webrtc")
	local := c.NoDHT && c.NoLSD || src.Page()
	for _, a := range slices.Concat(src.Hosts(), c.Peer, hostsOf(c.Tracker)) {
		local = local && loopback(a)
	}
	return shoal.Config{
		Local: local, Encryption: c.Encryption, NoTCP: !tcp, NoWebRTC: !rtc, NoDHT: c.NoDHT || !tcp, NoLSD: c.NoLSD || !tcp,
		NoNATMap: !c.Seed, ICEServers: c.iceServers(), StateDir: c.stateDir(),
	}
}

// download is one run of get.
type download struct {
	*getCmd
	ev      *events
	chosen  *selection
	web     *webServer // nil without --listen
	started time.Time
	t       *shoal.Torrent
	reports *reports
}

func (d *download) run(ctx context.Context, client *shoal.Client, src shoal.Source) error {
	checking := newBar("checking what is there", d.JSON)
	opt := shoal.AddOptions{Dir: d.Dir, Trackers: d.Tracker, Peers: d.Peer, Sequential: d.Sequential, Progress: checking.set}
	if len(d.Select) > 0 {
		opt.Priority = d.chosen.priority
	}
	t, err := client.Add(ctx, src, opt)
	checking.clear()
	if err != nil {
		return stopped(ctx, err, beforeComplete)
	}
	d.t, d.reports = t, newReports(t, d.Tracker)
	if d.web != nil {
		n := node.New(client, d.nodeConfig(d.web, nil))
		n.Add(t)
		d.web.serve(n)
	}
	if err := d.learn(ctx, src); err != nil {
		return stopped(ctx, err, beforeComplete)
	}
	if missed := d.chosen.missed(); missed != "" {
		return usagef("--select %s: %s has no such file; it has %s, which shoal info lists", missed, t.Name(), plural(len(t.Files()), "file", "files"))
	}
	some := slices.ContainsFunc(t.Files(), func(f *shoal.File) bool { return f.Priority() != shoal.Skip })
	if link := src.Magnet(); !some && len(link.Select) > 0 {
		return fmt.Errorf("the link selects files that %s does not have; choose others with --select, of the %s that shoal info lists", t.Name(), plural(len(t.Files()), "file", "files"))
	}
	bytes := d.tell()
	if err := d.fetch(ctx, bytes); err != nil {
		return stopped(ctx, err, beforeComplete)
	}
	if err := t.Finish(); err != nil {
		return err
	}
	d.reports.look()
	took := time.Since(d.started).Seconds()
	d.ev.emit(doneEvent{"done", bytes, took})
	if !d.JSON {
		tell("%s: %s in %.1f s, verified\n", t.Name(), size(bytes), took)
	}
	if d.Seed {
		return seed(ctx, d.reports, d.ev, d.JSON)
	}
	if d.web != nil {
		d.web.finish(ctx) // a player may still be reading
	}
	return nil
}

// learn waits for the info dictionary of a link.
func (d *download) learn(ctx context.Context, src shoal.Source) error {
	st := newStatus(d.JSON)
	defer st.clear()
	return watch(ctx, d.reports, time.Second, func(ctx context.Context) error {
		_, err := d.t.WaitInfo(ctx)
		return err
	}, func(s shoal.Stats) {
		st.show("%s: looking for peers who know what it is · %s", src, plural(s.Peers, "peer", "peers"))
	})
}

// tell says what is about to be downloaded, and returns how much it is.
func (d *download) tell() (bytes int64) {
	meta := metadataEvent{Event: "metadata", InfoHash: d.t.Key().String(), Name: d.t.Name(), Pieces: d.t.Info().NumPieces()}
	for _, f := range d.t.Files() {
		g := gotFile{infoFile: infoFile{Path: f.Path(), Length: f.Length()}, Selected: f.Priority() != shoal.Skip}
		if g.Selected {
			meta.Bytes += f.Length()
		}
		if d.web != nil {
			g.URL = d.web.base() + "/stream/" + meta.InfoHash + "/" + (&url.URL{Path: f.Path()}).EscapedPath()
		}
		meta.Files = append(meta.Files, g)
	}
	d.ev.emit(meta)
	for _, g := range meta.Files {
		if g.Selected && g.URL != "" && !d.JSON {
			say("%s\n", g.URL)
		}
	}
	return meta.Bytes
}

// fetch shows progress until every selected byte is verified and stored.
func (d *download) fetch(ctx context.Context, total int64) error {
	b := newBar(d.t.Name(), d.JSON)
	defer b.clear()
	stall := waiting{tell: tell}
	return watch(ctx, d.reports, 250*time.Millisecond, d.t.Wait, func(s shoal.Stats) {
		part := 1.0
		if s.Wanted > 0 {
			part = 1 - float64(s.Left)/float64(s.Wanted)
		}
		done := int64(part * float64(total))
		why := stall.look(time.Now(), s)
		b.describe(strings.TrimSuffix(fmt.Sprintf("%s · %s · %s", d.t.Name(), plural(s.Peers, "peer", "peers"), why), " · "))
		b.set(done, total)
		d.ev.emit(progressEvent{"progress", part, done, total, s.Peers, int64(s.DownRate), int64(s.UpRate), why})
	})
}

// hostsOf returns the host:port of URLs, port 0 for the default one.
func hostsOf(urls []string) (hosts []string) {
	for _, u := range urls {
		if p, err := url.Parse(u); err == nil {
			hosts = append(hosts, p.Hostname()+":0")
		}
	}
	return hosts
}
