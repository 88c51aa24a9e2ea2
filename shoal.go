//go:build !js

// Package shoal shares files with browsers and with every BitTorrent client.
//
// # Two things to know
//
// [Client.Add] joins a swarm and downloads, [Client.Share] publishes files. Both
// belong to a [Client], which needs no configuration:
//
//	c, err := shoal.New(shoal.Config{})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	t, err := c.Add(ctx, shoal.Link("magnet:?xt=urn:btih:..."), shoal.AddOptions{Dir: "films"})
//	if err != nil {
//		return err
//	}
//	return t.Wait(ctx) // every byte is verified and stored
//
// A [Source] is whatever names a torrent: a magnet link, an info hash, a .torrent
// file or its address, the link of a Shoal page, or what is in memory already.
//
// # Streaming
//
// A file can be read while it is being fetched. A reader waits for the bytes it
// needs, has them fetched first, and never returns one that was not verified:
//
//	if _, err := t.WaitInfo(ctx); err != nil {
//		return err
//	}
//	r := t.Files()[0].NewReader(ctx)
//	defer r.Close()
//	_, err = io.Copy(w, r)
//
// [Torrent.Handler] serves the files over HTTP with ranges, for players;
// [Torrent.FS] is the torrent as a read-only file system.
//
// # Watching and steering
//
// [Torrent.Wait] and [Torrent.WaitInfo] wait, [Torrent.Events] iterates over what
// happens, [Torrent.Stats] may be called at any rate. [File.SetPriority],
// [Torrent.SetSequential], [Torrent.SetLimits], [Torrent.SetGoals] and [Torrent.Pause]
// steer a torrent while it runs; [Torrent.Recheck] verifies what is stored.
//
// Many torrents share what a client has: [Client.SetLimits] bounds what all of them
// send and receive, and [Config] how many are at work, how many connections and how
// much memory they have. The rest waits; [Torrent.SetForced] and AddOptions.Manual
// make exceptions.
//
// # Replacing parts
//
// [Storage] says where bytes are kept, [Transport] how peers are reached. Both are
// small interfaces; implement them for a database or a proxy. An [Extension] is a
// protocol of a program's own between the peers of a torrent.
//
// The same engine, compiled to WebAssembly, runs in a browser's tab; see web/.
package shoal

import (
	"errors"
	"sync"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/driver/native"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Version is what peers and users are told.
const Version = driver.Version

// Errors that callers may want to tell apart with errors.Is.
var (
	// ErrExists says that the client has the torrent already.
	ErrExists = driver.ErrExists
	// ErrClosed says that the client was closed.
	ErrClosed = driver.ErrClosed
	// ErrNotRunning says that the torrent was closed.
	ErrNotRunning = driver.ErrNotRunning
)

// Config says which networks a client uses. The zero value uses all of them,
// with public defaults.
type Config struct {
	// PeerListen is the "host:port" for TCP peers. "" means ":6881" or, where
	// that is taken, any free port; port 0 takes a free one; "-" accepts none.
	PeerListen string
	// Local keeps all traffic on this machine: loopback addresses only, no DHT,
	// local discovery, port mapping or STUN. The default is the whole network.
	Local bool
	// NoTCP and NoWebRTC leave a transport out. By default both are used.
	NoTCP, NoWebRTC bool
	// Encryption says where the connections of TCP are encrypted. The default is
	// EncryptionAllowed.
	Encryption Encryption
	// ICEServers are STUN and TURN URLs, used besides those that WebSocket trackers
	// hand out. nil means public STUN servers, empty none at all.
	ICEServers []string
	// NoDHT, NoLSD and NoNATMap switch off the Mainline DHT (BEP 5), local service
	// discovery (BEP 14) and the mapping of our port in the router. By default all
	// three are used.
	NoDHT, NoLSD, NoNATMap bool
	// Limits bound what all torrents send and receive together. The default is no
	// bound. See [Client.SetLimits].
	Limits Limits
	// MaxActiveDownloads is how many torrents fetch at a time; the rest waits in the
	// order in which they were added. Those that have found nobody for two minutes are
	// not counted. 0 means 20, a negative number no bound.
	MaxActiveDownloads int
	// MaxActiveSeeds is how many complete torrents are announced and served at a time.
	// 0 or a negative number mean no bound: one that nobody asks for costs next to
	// nothing.
	MaxActiveSeeds int
	// Goals end the seeding of torrents that have none of their own. The default is
	// none.
	Goals Goals
	// MaxConns bounds the connections of all torrents together; 0 means 500. MaxDials
	// bounds those that are being opened; 0 means 64.
	MaxConns, MaxDials int
	// BufferBytes is the memory for pieces that are being fetched, of all torrents
	// together; each may have two pieces in any case. 0 means 64 MiB.
	BufferBytes int64
	// StateDir is a folder for what the next run is better off with: whom the DHT
	// knows, and for Goals how much of each torrent was given and taken. It is made
	// where it is missing. "" keeps nothing.
	StateDir string
	// Transport carries peers in place of TCP, for example through a proxy. nil
	// means TCP. With it, PeerListen and NoTCP have no meaning.
	Transport Transport
	// Extensions are protocols of the program's own between its peers (BEP 10), at
	// most 64. None by default.
	Extensions []Extension
}

// Client is a member of any number of swarms. Its methods may be called by any
// goroutine.
type Client struct {
	n         *native.Client
	transport *customTransport // nil: TCP
	mail      *mailbox         // nil without extensions

	mu       sync.Mutex
	torrents map[metainfo.Hash]*Torrent // by Key
}

// ListenError says that an address could not be listened on.
type ListenError struct {
	Addr string // as it was asked for
	Err  error
}

// Error says which address, and what to do.
func (e *ListenError) Error() string {
	return (&native.ListenError{Addr: e.Addr, Err: e.Err}).Error()
}

// Unwrap returns the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// New starts a client. The error is a *[ListenError] where an address cannot be
// listened on.
func New(cfg Config) (*Client, error) {
	c := &Client{torrents: map[metainfo.Hash]*Torrent{}}
	nc := native.Config{
		PeerListen: cfg.PeerListen, Local: cfg.Local, TCP: !cfg.NoTCP, WebRTC: !cfg.NoWebRTC,
		ICEServers: cfg.ICEServers, DHT: !cfg.NoDHT, LSD: !cfg.NoLSD, NATMap: !cfg.NoNATMap, StateDir: cfg.StateDir,
		Limits: native.Limits{Downloads: cfg.MaxActiveDownloads, Seeds: cfg.MaxActiveSeeds}, Goals: native.Goals(cfg.Goals),
		Session: driver.Config{MaxConns: cfg.MaxConns, MaxDials: cfg.MaxDials, Encryption: transport.Encryption(cfg.Encryption)},
	}
	nc.Session.Machine.BufferBytes = max(cfg.BufferBytes, 0)
	if len(cfg.Extensions) > 0 {
		var err error
		if c.mail, err = newMailbox(c, cfg.Extensions); err != nil {
			return nil, err
		}
		nc.Session.GotExt, nc.Session.Machine.Extensions = c.mail.got, c.mail.names
	}
	var fallback string // where the address of choice is taken
	switch {
	case cfg.Transport != nil:
		c.transport = &customTransport{t: cfg.Transport}
		nc.TCP, nc.PeerListen, nc.Session.Dial = false, "", c.transport.dial
	case cfg.NoTCP || cfg.PeerListen == "-":
		nc.PeerListen = ""
	case cfg.PeerListen == "":
		host := ""
		if cfg.Local {
			host = "127.0.0.1"
		}
		nc.PeerListen, fallback = host+":6881", host+":0"
	}
	var err error
	if c.n, err = native.New(nc); err != nil && fallback != "" {
		nc.PeerListen = fallback
		c.n, err = native.New(nc)
	}
	if le, ok := errors.AsType[*native.ListenError](err); ok {
		return nil, &ListenError{Addr: le.Addr, Err: le.Err}
	}
	if err != nil {
		return nil, err
	}
	c.SetLimits(cfg.Limits)
	if c.transport != nil {
		c.transport.start(c.n.Session)
	}
	if c.mail != nil {
		c.mail.start()
	}
	return c, nil
}

// Close leaves all swarms, telling the trackers within two seconds, and closes
// what the client opened. Calls that wait return [ErrNotRunning].
func (c *Client) Close() {
	if c.transport != nil {
		c.transport.t.Close()
	}
	c.n.Close()
	if c.mail != nil {
		c.mail.close()
	}
	if c.transport != nil {
		c.transport.wg.Wait()
	}
}

// PeerAddr is "host:port" where TCP peers are accepted, "" where none are.
func (c *Client) PeerAddr() string {
	if a := c.n.PeerAddr(); a.IsValid() {
		return a.String()
	}
	return ""
}

// ICEServers are the STUN and TURN servers in use.
func (c *Client) ICEServers() []string { return c.n.ICEServers() }

// Local reports whether all traffic stays on this machine.
func (c *Client) Local() bool { return c.n.Local() }

// Torrent returns the torrent with that info hash, by any of the hashes it has
// (v1, or v2 cut to 20 bytes); nil where the client has none.
func (c *Client) Torrent(hash metainfo.Hash) *Torrent {
	if d := c.n.Session.Torrent(hash); d != nil {
		hash = d.Key()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.torrents[hash]
}

// Torrents returns all torrents in no particular order.
func (c *Client) Torrents() []*Torrent {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*Torrent, 0, len(c.torrents))
	for _, t := range c.torrents {
		list = append(list, t)
	}
	return list
}

func (c *Client) forget(t *Torrent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.torrents[t.Key()] == t {
		delete(c.torrents, t.Key())
	}
}
