package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/node"
)

// network are the flags of finding peers that share, seed and get have in common.
type network struct {
	Tracker    []string         `placeholder:"URL" sep:"none" help:"Announce to this tracker too (repeatable; ws, wss, http, https, udp)."`
	NoDHT      bool             `name:"no-dht" help:"Do not use the distributed hash table."`
	NoLSD      bool             `name:"no-lsd" help:"Do not look for peers on the local network."`
	Encryption shoal.Encryption `default:"allowed" placeholder:"LEVEL" help:"Encrypt connections over TCP: off, allowed, preferred or required (${default})."`
	LimitUp    string           `placeholder:"RATE" help:"Send at most so many bytes a second, as 500K or 2M."`
	LimitDown  string           `placeholder:"RATE" help:"Receive at most so many bytes a second."`
	STUN       []string         `name:"stun" placeholder:"URL" help:"STUN or TURN server for WebRTC (repeatable; 'none' for none)."`
	JSON       bool             `name:"json" help:"Print one JSON object a line."`
}

// iceServers are the STUN flags as shoal.Config wants them.
func (n *network) iceServers() []string {
	switch {
	case len(n.STUN) == 0:
		return nil
	case len(n.STUN) == 1 && n.STUN[0] == "none":
		return []string{}
	}
	return n.STUN
}

// limits reads --limit-up and --limit-down.
func (n *network) limits() (l shoal.Limits, err error) {
	if l.Up, err = parseSize(n.LimitUp); err != nil {
		return l, usagef("--limit-up %s: %w", n.LimitUp, err)
	}
	if l.Down, err = parseSize(n.LimitDown); err != nil {
		return l, usagef("--limit-down %s: %w", n.LimitDown, err)
	}
	return l, nil
}

// goals are the flags that end seeding.
type goals struct {
	Ratio    float64       `placeholder:"R" help:"Stop seeding when R times the bytes received (or shared) were sent, as 2 or 1.5."`
	SeedTime time.Duration `placeholder:"D" help:"Stop seeding after that time, as 90m or 24h."`
}

// goals reads --ratio and --seed-time.
func (g *goals) goals() (shoal.Goals, error) {
	switch {
	case g.Ratio < 0 || math.IsNaN(g.Ratio) || math.IsInf(g.Ratio, 0):
		return shoal.Goals{}, usagef("--ratio %v: it is not a number from 0 on", g.Ratio)
	case g.SeedTime < 0:
		return shoal.Goals{}, usagef("--seed-time %v: it is negative", g.SeedTime)
	}
	return shoal.Goals{Ratio: g.Ratio, Time: g.SeedTime}, nil
}

// stateDir is the folder of this user where the DHT's table is kept for the next run;
// "" without the DHT, or where the system names none.
func (n *network) stateDir() string {
	if n.NoDHT {
		return ""
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "shoal")
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// listenError says which address is taken, and how to choose another.
func listenError(addr, flag string, err error) error {
	if le, ok := errors.AsType[*shoal.ListenError](err); ok {
		err = le.Err
	}
	if oe, ok := errors.AsType[*net.OpError](err); ok {
		err = oe.Err
	}
	if se, ok := errors.AsType[*os.SyscallError](err); ok {
		err = se.Err
	}
	return fmt.Errorf("%w; choose another with %s (port 0 takes a free one)", &shoal.ListenError{Addr: addr, Err: err}, flag)
}

// webServer is a node on an address.
type webServer struct {
	ln   net.Listener
	host string // under which others reach us
	http *http.Server
}

// listenWeb takes the address of --listen; serve begins to answer.
func listenWeb(listen string) (*webServer, error) {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, listenError(listen, "--listen", err)
	}
	return &webServer{ln: ln, host: reachableHost(listen)}, nil
}

func (w *webServer) serve(n *node.Node) {
	w.http = &http.Server{Handler: n, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	go w.http.Serve(w.ln)
}

func (w *webServer) port() int { return w.ln.Addr().(*net.TCPAddr).Port }

// at is host:port under which others reach a port of ours.
func (w *webServer) at(port int) string { return net.JoinHostPort(w.host, strconv.Itoa(port)) }

// base is the URL of the node for others.
func (w *webServer) base() string { return "http://" + w.at(w.port()) }

// finish waits for the answers under way, until the context ends.
func (w *webServer) finish(ctx context.Context) { w.http.Shutdown(ctx) }

func (w *webServer) close() {
	w.ln.Close()
	if w.http != nil {
		w.http.Close()
	}
}

// reachableHost is the address of this machine that others can use: the one
// listened on or, for all of them, the first private IPv4 address.
func reachableHost(listen string) string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil || host == "localhost" {
		return "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return host
	}
	addrs, _ := net.InterfaceAddrs()
	best := "127.0.0.1"
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.To4() == nil || n.IP.IsLinkLocalUnicast() {
			continue
		}
		if n.IP.IsPrivate() {
			return n.IP.String()
		}
		if best == "127.0.0.1" {
			best = n.IP.String()
		}
	}
	return best
}

// loopbackAddr is how this machine itself reaches a port we listen on.
func loopbackAddr(listen string, port int) string {
	host, _, _ := net.SplitHostPort(listen)
	if ip, err := netip.ParseAddr(host); err != nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
