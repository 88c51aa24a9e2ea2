package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mdp/qrterminal/v3"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/node"
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/tracker"
)

// network are the flags that share and seed have in common.
type network struct {
	Listen     string   `default:":8080" placeholder:"ADDR" help:"Address of the web page, the tracker and streams (${default}; port 0 takes a free one)."`
	PeerListen string   `default:":6881" placeholder:"ADDR" help:"Address for BitTorrent peers over TCP (${default})."`
	Tracker    []string `placeholder:"URL" help:"Announce to this tracker too (repeatable; ws, wss, http, https, udp)."`
	NoDHT      bool     `name:"no-dht" help:"Do not use the distributed hash table."`
	NoLSD      bool     `name:"no-lsd" help:"Do not look for peers on the local network."`
	NoNAT      bool     `name:"no-nat" help:"Do not ask the router to forward ports."`
	STUN       []string `name:"stun" placeholder:"URL" help:"STUN or TURN server for WebRTC (repeatable; 'none' for none)."`
	JSON       bool     `name:"json" help:"Print one JSON object a line."`
}

type shareCmd struct {
	Paths []string `arg:"" name:"path" help:"Files or folders."`
	V1    bool     `name:"v1" xor:"version" help:"BitTorrent v1 only."`
	V2    bool     `name:"v2" xor:"version" help:"BitTorrent v2 only."`
	network
}

type seedCmd struct {
	Torrent string `arg:"" name:"file.torrent" help:"The .torrent file."`
	Dir     string `short:"d" required:"" placeholder:"DIR" help:"Folder with the files."`
	network
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
		V1: c.V1 || !c.V2, V2: c.V2 || !c.V1, Announce: s.announce(c.Tracker), CreatedBy: "Shoal/" + shoal.Version, Progress: b.set,
	})
	b.clear()
	if err != nil {
		return err
	}
	t, err := s.client.Share(meta, c.Paths)
	if err != nil {
		return err
	}
	return s.serve(ctx, t)
}

func (c *seedCmd) Run(ctx context.Context) error {
	meta, err := readTorrent(c.Torrent)
	if err != nil {
		return err
	}
	s, err := c.start()
	if err != nil {
		return err
	}
	defer s.close()
	b := newBar("verifying", c.JSON)
	var trackers []string
	for _, tier := range s.announce(c.Tracker) {
		trackers = append(trackers, tier...)
	}
	t, err := s.client.Add("", shoal.AddOptions{Torrent: meta, Dir: c.Dir, Seed: true, Trackers: trackers, Progress: b.set})
	b.clear()
	if err != nil {
		return err
	}
	return s.serve(ctx, t)
}

// sharing is a running node: client, tracker, web server.
type sharing struct {
	network
	client  *shoal.Client
	tracker *tracker.Tracker
	ln      net.Listener
	web     *node.Server
	http    *http.Server
	host    string // under which others reach us
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// local reports whether the user asked for nothing beyond this machine: then no
// STUN server is asked and WebRTC binds to loopback.
func (n *network) local() bool {
	return loopback(n.Listen) && (loopback(n.PeerListen) || n.NoDHT && n.NoLSD && n.NoNAT)
}

func iceServers(flags []string) []string {
	if len(flags) == 1 && flags[0] == "none" {
		return []string{}
	}
	if len(flags) == 0 {
		return nil
	}
	return flags
}

func (n network) start() (*sharing, error) {
	s := &sharing{network: n}
	ln, err := net.Listen("tcp", n.Listen)
	if err != nil {
		return nil, listenError(n.Listen, "--listen", err)
	}
	s.ln = ln
	s.client, err = shoal.New(shoal.Config{
		PeerListen: n.PeerListen, Local: n.local(), ICEServers: iceServers(n.STUN),
		NoDHT: n.NoDHT, NoLSD: n.NoLSD, NoNATMap: n.NoNAT,
	})
	if err != nil {
		ln.Close()
		if le, ok := errors.AsType[*shoal.ListenError](err); ok {
			le.Flag = "--peer-listen"
		}
		return nil, err
	}
	s.tracker, err = tracker.New(tracker.Config{})
	if err != nil {
		s.client.Close()
		ln.Close()
		return nil, err
	}
	s.host = reachableHost(n.Listen)
	s.web = node.New(s.client, s.tracker, s.base())
	s.http = &http.Server{Handler: s.web, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	go s.http.Serve(ln)
	return s, nil
}

func listenError(addr, flag string, err error) error {
	var sys *net.OpError
	if errors.As(err, &sys) {
		err = sys.Err
	}
	if se, ok := errors.AsType[*os.SyscallError](err); ok {
		err = se.Err
	}
	return &shoal.ListenError{Addr: addr, Flag: flag, Err: err}
}

// reachableHost is the address of this machine that others can use: the one
// listened on or, for all of them, the first private IPv4 address.
func reachableHost(listen string) string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return "127.0.0.1"
	}
	if host == "localhost" {
		return "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return host
	}
	addrs, _ := net.InterfaceAddrs()
	best := ""
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.To4() == nil || n.IP.IsLinkLocalUnicast() {
			continue
		}
		if n.IP.IsPrivate() {
			return n.IP.String()
		}
		if best == "" {
			best = n.IP.String()
		}
	}
	if best == "" {
		return "127.0.0.1"
	}
	return best
}

func (s *sharing) port() int { return s.ln.Addr().(*net.TCPAddr).Port }

// at is host:port under which others reach a port of ours.
func (s *sharing) at(port int) string { return net.JoinHostPort(s.host, strconv.Itoa(port)) }

// base is the URL of this node for others.
func (s *sharing) base() string { return "http://" + s.at(s.port()) }

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
	s.web.Add(t)
	info := t.Info()
	base := s.base()
	peerPort := 0
	if a, err := netip.ParseAddrPort(s.client.PeerAddr()); err == nil {
		peerPort = int(a.Port())
	}
	m := magnet.Magnet{Name: info.Name, Length: info.TotalSize(), Peers: []string{s.at(peerPort)}}
	if info.HasV1 {
		m.HashV1 = &info.HashV1
	}
	ready := readyEvent{
		Event: "ready", InfoHash: t.Key().String(), Name: info.Name, Bytes: info.TotalSize(),
		Link:       base + "/#" + t.Key().String(),
		TorrentURL: base + node.TorrentPath(info.Name),
		HTTP:       loopbackAddr(s.Listen, s.port()), Peer: loopbackAddr(s.PeerListen, peerPort),
	}
	if info.HasV2 {
		m.HashV2 = &info.HashV2
		ready.InfoHashV2 = info.HashV2.String()
	}
	for _, tier := range s.announce(s.Tracker) {
		m.Trackers = append(m.Trackers, tier...)
	}
	ready.Magnet = m.String()
	newEvents(s.JSON).emit(ready)
	if !s.JSON {
		fmt.Printf("\nSharing %s (%s)\n\n", info.Name, size(info.TotalSize()))
		qrterminal.GenerateHalfBlock(ready.Link, qrterminal.L, os.Stdout)
		fmt.Printf("\n  Link    %s\n  Magnet  %s\n\nAnyone with the link can watch and download while this runs. Ctrl-C stops.\n\n", ready.Link, ready.Magnet)
	}
	st := newStatus(s.JSON)
	defer st.clear()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var warned error
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if w := t.Warning(); w != nil && warned == nil {
				warned = w
				st.clear()
				fmt.Fprintln(os.Stderr, "shoal: "+oneLine(w))
			}
			stats := t.Stats()
			st.show("%s · %s/s up · %s sent", plural(len(stats.Peers), "peer", "peers"), size(int64(stats.UpRate)), size(stats.Uploaded))
		}
	}
}

// loopbackAddr is how this machine itself reaches a port we listen on.
func loopbackAddr(listen string, port int) string {
	host, _, _ := net.SplitHostPort(listen)
	if ip, err := netip.ParseAddr(host); err != nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func (s *sharing) close() {
	s.client.Close()
	s.tracker.Close()
	s.http.Close()
}

// cause is the reason in a system error without the operation and path, which
// our own message names.
func cause(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		if errors.Is(pe.Err, syscall.ENOENT) {
			return errors.New("there is no such file or folder")
		}
		return pe.Err
	}
	return err
}

// reason is an error of one of our parsers without the package it comes from.
func reason(err error) error {
	msg := err.Error()
	for _, prefix := range []string{"metainfo: ", "magnet: ", "torrent: ", "bencode: "} {
		msg = strings.TrimPrefix(msg, prefix)
	}
	return errors.New(msg)
}
