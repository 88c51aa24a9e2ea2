//go:build !js

// Package shoal shares files with browsers and with every BitTorrent client.
//
// A [Client] is one member of any number of swarms. [Client.Share] publishes
// files, [Client.Add] joins a swarm by magnet link or .torrent. A [Torrent] has
// [File]s, and [File.NewReader] streams one while it is still being fetched:
//
//	c, err := shoal.New(shoal.Config{})
//	t, err := c.Add(ctx, "magnet:?xt=urn:btih:...", shoal.AddOptions{Dir: "."})
//	<-t.Learned()
//	r := t.Files()[0].NewReader()
//	defer r.Close()
//	io.Copy(os.Stdout, r)
//
// The same engine, compiled to WebAssembly, runs in a browser's tab; see web/.
package shoal

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/driver/native"
	"github.com/shoal-p2p/shoal/internal/maketorrent"
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Version is what peers and users are told.
const Version = driver.Version

// Config says which networks a client uses. The zero value uses all of them,
// with public defaults.
type Config struct {
	// PeerListen is the "host:port" for TCP peers. "" means ":6881" or, where
	// that is taken, any free port. "-" accepts none.
	PeerListen string
	// Local keeps all traffic on this machine.
	Local bool
	// NoTCP and NoWebRTC leave a transport out.
	NoTCP, NoWebRTC bool
	// ICEServers are STUN and TURN URLs, used besides those that WebSocket trackers hand
	// out; nil means public ones, empty none at all.
	ICEServers []string
	// NoDHT, NoLSD and NoNATMap switch off the Mainline DHT, local service
	// discovery and port mapping.
	NoDHT, NoLSD, NoNATMap bool
}

// Client is a member of swarms. Its methods may be called by any goroutine.
type Client struct{ n *native.Client }

// ListenError says that an address could not be listened on.
type ListenError = native.ListenError

// New starts a client. The error is a *ListenError where a port is taken.
func New(cfg Config) (*Client, error) {
	nc := native.Config{
		PeerListen: cfg.PeerListen, Local: cfg.Local, TCP: !cfg.NoTCP, WebRTC: !cfg.NoWebRTC,
		ICEServers: cfg.ICEServers, DHT: !cfg.NoDHT, LSD: !cfg.NoLSD, NATMap: !cfg.NoNATMap,
	}
	switch {
	case cfg.NoTCP || cfg.PeerListen == "-":
		nc.PeerListen = ""
	case cfg.PeerListen == "":
		host := ""
		if cfg.Local {
			host = "127.0.0.1"
		}
		nc.PeerListen = host + ":6881"
		if n, err := native.New(nc); err == nil {
			return &Client{n}, nil
		}
		nc.PeerListen = host + ":0"
	}
	n, err := native.New(nc)
	if err != nil {
		return nil, err
	}
	return &Client{n}, nil
}

// Close leaves all swarms.
func (c *Client) Close() { c.n.Close() }

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

// Progress is told how far hashing has come, in bytes.
type Progress = func(done, total int64)

// AddOptions say what to do with a torrent. The zero value downloads into the
// current folder.
type AddOptions struct {
	Dir      string            // where the files go; "" is the current folder
	Seed     bool              // the files are in Dir already: verify and serve them
	Torrent  *metainfo.Torrent // instead of a link
	Trackers []string          // in addition to those of the link or torrent
	Peers    []string          // host:port, dialled at once
	Progress Progress          // of verifying what is there already
}

// ErrNoTorrent says that neither a link nor a torrent was given.
var ErrNoTorrent = errors.New("no magnet link and no torrent given")

// Add joins a swarm, by the magnet link or by opt.Torrent.
func (c *Client) Add(link string, opt AddOptions) (*Torrent, error) {
	o := native.Options{Torrent: opt.Torrent, Peers: opt.Peers}
	if opt.Dir == "" {
		opt.Dir = "."
	}
	var name string
	switch {
	case opt.Torrent != nil:
		o.Trackers = append(o.Trackers, opt.Torrent.Announce...)
		name = opt.Torrent.Info.Name
	case link != "":
		m, err := magnet.Parse(link)
		if err != nil {
			return nil, err
		}
		o.Key, o.HashV2, name = m.Key(), m.HashV2, m.Name
		for _, tr := range m.Trackers {
			o.Trackers = append(o.Trackers, []string{tr})
		}
		o.Peers = append(o.Peers, m.Peers...)
	default:
		return nil, ErrNoTorrent
	}
	for _, tr := range opt.Trackers {
		o.Trackers = append(o.Trackers, []string{tr})
	}
	o.Content = native.Download(opt.Dir, opt.Progress)
	if opt.Seed {
		o.Content = native.Seed(opt.Dir, opt.Progress)
	}
	t, err := c.n.Add(o)
	if err != nil {
		return nil, err
	}
	return &Torrent{Torrent: t, name: name, meta: opt.Torrent}, nil
}

// CreateOptions describe a torrent to make.
type CreateOptions = maketorrent.Options

// Create makes a torrent of files and folders.
func Create(ctx context.Context, paths []string, opt CreateOptions) (*metainfo.Torrent, error) {
	return maketorrent.Make(ctx, paths, opt)
}

// Share publishes the paths from which t was made with [Create].
func (c *Client) Share(t *metainfo.Torrent, paths []string) (*Torrent, error) {
	nt, err := c.n.Add(native.Options{Torrent: t, Trackers: t.Announce, Content: native.Sources(paths)})
	if err != nil {
		return nil, err
	}
	return &Torrent{Torrent: nt, name: t.Info.Name, meta: t}, nil
}

// Torrent is a swarm. See the embedded type for its state.
type Torrent struct {
	*native.Torrent
	name string
	meta *metainfo.Torrent
}

// Name is the torrent's name, as far as it is known.
func (t *Torrent) Name() string {
	if info := t.Info(); info != nil {
		return info.Name
	}
	return t.name
}

// Metainfo is the .torrent, nil when the swarm was joined by a link.
func (t *Torrent) Metainfo() *metainfo.Torrent { return t.meta }

// Files lists the files without padding; it is empty until the info dictionary
// is known.
func (t *Torrent) Files() []*File {
	info := t.Info()
	if info == nil {
		return nil
	}
	var list []*File
	for i := range info.Files {
		if !info.Files[i].Pad {
			list = append(list, &File{t: t, f: &info.Files[i], index: len(list)})
		}
	}
	return list
}

// File is one file of a torrent.
type File struct {
	t     *Torrent
	f     *metainfo.File
	index int
}

// Index is the file's place among the torrent's files, padding not counted.
func (f *File) Index() int { return f.index }

// Path is the file's path below the torrent's name, with slashes.
func (f *File) Path() string { return strings.Join(f.f.Path, "/") }

// Length is the file's size in bytes.
func (f *File) Length() int64 { return f.f.Length }

// NewReader streams the file: it blocks for bytes that are not verified yet and
// has them fetched first. Close it.
func (f *File) NewReader() io.ReadSeekCloser {
	return f.t.Torrent.NewReader(f.f.Offset, f.f.Length, true)
}
