package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/mdp/qrterminal/v3"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/node"
	"github.com/shoal-p2p/shoal/tracker"
)

// serving are the flags that share and seed have in common.
type serving struct {
	Listen     string `default:":8080" placeholder:"ADDR" help:"Address of the web page, the tracker and streams (${default}; port 0 takes a free one)."`
	PeerListen string `default:":6881" placeholder:"ADDR" help:"Address for BitTorrent peers over TCP (${default})."`
	NoNAT      bool   `name:"no-nat" help:"Do not ask the router to forward ports."`
	visitors
	goals
	network
}

type shareCmd struct {
	Paths  []string `arg:"" name:"path" help:"Files or folders."`
	V1     bool     `name:"v1" xor:"version" help:"BitTorrent v1 only."`
	V2     bool     `name:"v2" xor:"version" help:"BitTorrent v2 only."`
	Hybrid bool     `xor:"version" help:"Both (the default)."`
	serving
}

type seedCmd struct {
	Torrent string `arg:"" name:"file.torrent" help:"The .torrent file."`
	Dir     string `short:"d" required:"" placeholder:"DIR" help:"Folder with the files."`
	serving
}

func (c *shareCmd) Run(ctx context.Context) error {
	for _, p := range c.Paths {
		if _, err := os.Stat(p); err != nil {
			return fmt.Errorf("cannot share %s: %w", p, cause(err))
		}
	}
	s, err := c.start()
	if err != nil {
		return err
	}
	defer s.close()
	b := newBar("hashing", c.JSON)
	meta, err := shoal.Create(ctx, c.Paths, shoal.CreateOptions{
		V1: c.V1 || !c.V2, V2: c.V2 || !c.V1, Announce: s.announce(c.Tracker), CreatedBy: "Shoal/" + shoal.Version,
		Progress: b.set, Skipped: noteSkipped,
	})
	b.clear()
	if err != nil {
		return stopped(ctx, err, "before everything was hashed; nothing is shared yet")
	}
	notePortable(meta)
	t, err := s.client.Share(ctx, meta, c.Paths...)
	if err != nil {
		return err
	}
	return s.serve(ctx, t)
}

func (c *seedCmd) Run(ctx context.Context) error {
	if src, err := shoal.ParseSource(c.Torrent); err == nil {
		m := src.Magnet()
		if _, err := os.Stat(c.Torrent); err != nil && (!m.Key().IsZero() || len(src.Hosts()) > 0) {
			return usagef("seed takes a .torrent file, and this is a link; 'shoal get --seed' joins by one: %s", src)
		}
	}
	src, err := shoal.FromFile(c.Torrent).Fetch(ctx)
	if err != nil {
		return err
	}
	s, err := c.start()
	if err != nil {
		return err
	}
	defer s.close()
	// The .torrent that we hand out names our tracker, as one that share has made.
	meta := *src.Torrent()
	meta.Announce = s.announce(c.Tracker)
	ours := slices.Concat(meta.Announce...)
	for _, tier := range src.Torrent().Announce {
		tier = slices.DeleteFunc(slices.Clone(tier), func(u string) bool { return slices.Contains(ours, u) })
		if len(tier) > 0 {
			meta.Announce = append(meta.Announce, tier)
		}
	}
	b := newBar("verifying", c.JSON)
	t, err := s.client.Add(ctx, shoal.FromTorrent(&meta), shoal.AddOptions{Dir: c.Dir, Seed: true, Progress: b.set})
	b.clear()
	if err != nil {
		return stopped(ctx, err, "before the files were verified; nothing is seeded yet")
	}
	return s.serve(ctx, t)
}

// sharing is a running node: client, tracker, web server.
type sharing struct {
	serving
	*webServer
	client  *shoal.Client
	tracker *tracker.Tracker
	node    *node.Node
}

// local reports whether the user asked for nothing beyond this machine: then no
// STUN server is asked and WebRTC binds to loopback.
func (n *serving) local() bool {
	return loopback(n.Listen) && (loopback(n.PeerListen) || n.NoDHT && n.NoLSD && n.NoNAT)
}

func (n serving) start() (*sharing, error) {
	limits, err := n.limits()
	if err != nil {
		return nil, err
	}
	goals, err := n.goals.goals()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkTrackers(n.Tracker), checkSTUN(n.STUN)); err != nil {
		return nil, err
	}
	web, err := listenWeb(n.Listen)
	if err != nil {
		return nil, err
	}
	s := &sharing{serving: n, webServer: web}
	s.client, err = shoal.New(shoal.Config{
		PeerListen: n.PeerListen, Local: n.local(), ICEServers: n.iceServers(),
		Encryption: n.Encryption, NoDHT: n.NoDHT, NoLSD: n.NoLSD, NoNATMap: n.NoNAT, Limits: limits, Goals: goals, StateDir: n.stateDir(),
	})
	if err != nil {
		web.close()
		return nil, listenError(n.PeerListen, "--peer-listen", err)
	}
	s.tracker, err = tracker.New(tracker.Config{})
	if err != nil {
		s.client.Close()
		web.close()
		return nil, err
	}
	s.node = node.New(s.client, n.nodeConfig(s.webServer, s.tracker))
	web.serve(s.node)
	return s, nil
}

// announce are the tracker tiers of what is shared here: our own tracker for
// browsers and for BitTorrent clients, then the user's.
func (s *sharing) announce(extra []string) [][]string {
	tiers := [][]string{{"ws://" + s.at(s.port()) + "/announce"}, {"http://" + s.at(s.port()) + "/announce"}}
	for _, u := range extra {
		tiers = append(tiers, []string{u})
	}
	return tiers
}

type readyEvent struct {
	Event      string `json:"event"`
	InfoHash   string `json:"info_hash"`
	InfoHashV2 string `json:"info_hash_v2,omitempty"`
	Name       string `json:"name"`
	Bytes      int64  `json:"bytes"`
	Link       string `json:"link"`
	Magnet     string `json:"magnet"`
	TorrentURL string `json:"torrent_url"`
	HTTP       string `json:"http"`
	Peer       string `json:"peer"`
}

func (s *sharing) serve(ctx context.Context, t *shoal.Torrent) error {
	s.node.Add(t)
	info := t.Info()
	base := s.base()
	peerPort := 0
	if a, err := netip.ParseAddrPort(s.client.PeerAddr()); err == nil {
		peerPort = int(a.Port())
	}
	m := t.Magnet()
	m.Trackers, m.Peers = slices.Concat(s.announce(s.Tracker)...), []string{s.at(peerPort)}
	ready := readyEvent{
		Event: "ready", InfoHash: t.Key().String(), Name: info.Name, Bytes: info.TotalSize(),
		Link:       base + "/#" + t.Key().String(),
		TorrentURL: base + node.TorrentPath(info.Name),
		HTTP:       loopbackAddr(s.Listen, s.port()), Peer: loopbackAddr(s.PeerListen, peerPort),
	}
	if info.HasV2 {
		ready.InfoHashV2 = info.HashV2.String()
	}
	ready.Magnet = m.String()
	ev := newEvents(s.JSON)
	ev.emit(ready)
	if !s.JSON {
		say("\nSharing %s (%s)\n\n", info.Name, size(info.TotalSize()))
		qrterminal.GenerateHalfBlock(ready.Link, qrterminal.L, stdout)
		say("\n  Link    %s\n  Magnet  %s\n\nAnyone with the link can watch and download while this runs. Ctrl-C stops.\n\n", ready.Link, ready.Magnet)
	}
	if err := stdout.failed(); err != nil {
		return err // nobody has the link
	}
	return seed(ctx, newReports(t, s.Tracker), ev, s.JSON)
}

func (s *sharing) close() {
	s.client.Close()
	s.tracker.Close()
	s.webServer.close()
}
