//go:build !js

package shoal

import (
	"context"
	"io/fs"
	"net/http"
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/driver/native"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Torrent is a swarm that a client is a member of. Its methods may be called by
// any goroutine.
type Torrent struct {
	c      *Client
	n      *native.Torrent
	name   string
	meta   *metainfo.Torrent
	wishes wishes
	rates  rates
}

// Key is the main info hash: that of version 1 where there is one, else that of
// version 2 cut to 20 bytes.
func (t *Torrent) Key() metainfo.Hash { return t.n.Key() }

// Name is the torrent's name, as far as it is known: a magnet link may give one,
// the info dictionary decides.
func (t *Torrent) Name() string {
	if info := t.Info(); info != nil {
		return info.Name
	}
	return t.name
}

// Info is the info dictionary, nil until it is known.
func (t *Torrent) Info() *metainfo.Info { return t.n.Info() }

// Metainfo is the .torrent, nil when the swarm was joined by a link.
func (t *Torrent) Metainfo() *metainfo.Torrent { return t.meta }

// Magnet is the link to the torrent, as far as it is known.
func (t *Torrent) Magnet() magnet.Magnet {
	switch info := t.Info(); {
	case t.meta != nil:
		return magnet.Of(t.meta)
	case info != nil:
		return magnet.Of(&metainfo.Torrent{Info: info})
	}
	key := t.Key()
	return magnet.Magnet{HashV1: &key, Name: t.name}
}

// Files lists the files without padding; it is empty until the info dictionary
// is known.
func (t *Torrent) Files() []*File {
	if info := t.Info(); info != nil {
		return filesOf(t, info)
	}
	return nil
}

// File returns the file with that [File.Path]; the torrent's name may stand in
// front of it, and "" is the only file of a torrent. It is nil where there is none.
func (t *Torrent) File(path string) *File {
	files := t.Files()
	if path == "" && len(files) == 1 {
		return files[0]
	}
	for _, f := range files {
		if p := f.Path(); p == path || t.Name()+"/"+p == path {
			return f
		}
	}
	return nil
}

// WaitInfo waits until the info dictionary is known and what is already there of
// the files has been verified. Errors: what made the torrent fail, or the
// context's.
func (t *Torrent) WaitInfo(ctx context.Context) (*metainfo.Info, error) {
	if err := t.n.Ready(ctx); err != nil {
		return nil, err
	}
	return t.Info(), nil
}

// Wait waits until every file that is wanted is verified and stored. Errors: what
// made the torrent fail, such as a full disk (*storage.Error), [ErrNotRunning]
// after Close, or the context's.
func (t *Torrent) Wait(ctx context.Context) error { return t.n.Wait(ctx) }

// Complete reports whether every file that is wanted is verified and stored.
func (t *Torrent) Complete() bool { return closed(t.n.Learned()) && closed(t.n.Done()) }

// Err is why fetching cannot go on, nil while it can. [Torrent.Resume] tries
// again.
func (t *Torrent) Err() error { return t.n.Err() }

// Warning is the last fault with which the torrent goes on: a stored file that was
// changed or removed, resume data that cannot be trusted or recorded. It is nil where
// there was none.
func (t *Torrent) Warning() error { return t.n.Warning() }

// SetPriorities asks wish how much each file is wanted. It does nothing before the
// info dictionary is known: see AddOptions.Priority. wish must not set priorities
// itself.
func (t *Torrent) SetPriorities(wish func(f *File) Priority) {
	t.wishes.one.Lock()
	defer t.wishes.one.Unlock()
	if files := t.Files(); len(files) > 0 {
		t.n.Prioritize(t.wishes.set(files, wish))
	}
}

// SetSequential fetches the pieces in their order instead of the rarest first, or
// ends that. Priorities and readers go before. It costs the swarm: use it for what
// is consumed in order by another program; readers need no help.
func (t *Torrent) SetSequential(on bool) { t.n.SetSequential(on) }

// SetSuperSeed hands a complete torrent out piece by piece, each to a peer that
// passes it on, so that the first copy costs little more than one upload (BEP 16).
// It is for the first seed of a swarm, and slows one down that has others.
func (t *Torrent) SetSuperSeed(on bool) { t.n.SetSuperSeed(on) }

// SetDownloadOnly stops serving peers, or starts it again.
func (t *Torrent) SetDownloadOnly(on bool) { t.n.SetDownloadOnly(on) }

// AddPeers dials more peers, each given as an address and a port.
func (t *Torrent) AddPeers(addrs ...netip.AddrPort) { t.n.AddPeers(addrs, swarm.User) }

// Finish puts a finished download into its final state at once: empty files are
// made and resume data is removed, so that nothing but the content is left in the
// folder. Seeding goes on. Close does the same. It does nothing while files are
// missing, also such that nobody wants, or for content that was not downloaded.
func (t *Torrent) Finish() error {
	if info := t.Info(); info == nil || t.n.NumHave() < info.NumPieces() {
		return nil
	}
	return t.n.Finish()
}

// FS is the torrent as a read-only file system: the files lie at its root under
// their [File.Path]. Reading fetches what is not there yet, within ctx. Files are
// io.Seekers and io.ReaderAts. Names that are no valid paths for [fs.ValidPath] are
// left out.
func (t *Torrent) FS(ctx context.Context) fs.FS { return &torrentFS{t: t, ctx: ctx} }

// Handler serves the files over HTTP under their [File.Path], also while they are
// being fetched: GET and HEAD with ranges and conditions, of any origin. What a
// torrent carries is a stranger's, so the answers keep pages and scripts from
// running with the server's rights. A request waits up to 30 seconds for the info
// dictionary. The parameter download=1 makes a browser save the file.
func (t *Torrent) Handler() http.Handler { return fileHandler{t} }

// Close leaves the swarm, telling the trackers within two seconds. What was
// verified stays on the disk.
func (t *Torrent) Close() {
	t.c.forget(t)
	t.n.Close()
}
