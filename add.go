//go:build !js

package shoal

import (
	"context"
	"errors"
	"slices"

	"github.com/shoal-p2p/shoal/internal/driver/native"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/maketorrent"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Progress is told how far hashing has come, in bytes. Calls follow each other,
// from changing goroutines.
type Progress = func(done, total int64)

// AddOptions say what to do with a torrent. The zero value downloads everything
// into the current folder.
type AddOptions struct {
	// Dir is the folder that the files are downloaded into; "" is the current one.
	// What is there already of the torrent is verified and kept. A file with the name of
	// one of the torrent's and nothing else of it is not overwritten: where nothing else
	// is there either, the torrent fails with storage.ErrExists, otherwise the file is
	// renamed, which Warning says.
	Dir string
	// Seed says that all files are in Dir already: they are verified and served,
	// and nothing is written. A file that is missing or differs is an error.
	Seed bool
	// Storage keeps the bytes elsewhere than in Dir. nil means files in Dir.
	Storage Storage

	// Trackers are announce URLs (ws, wss, http, https, udp), besides those of
	// the source. These may lead anywhere; those of a source lead to this machine or a
	// private network only where their path is one of an announce.
	Trackers []string
	// Peers are dialled at once, each "host:port", besides those of the source.
	Peers []string

	// WebSeeds are HTTP addresses of the content (BEP 19), besides those of the
	// source. These may be on this machine, those of a source may not.
	WebSeeds []string

	// Priority says how much each file is wanted, before anything is fetched; all
	// that can be asked of f then is what it is, not how far. nil means what the
	// source selects (BEP 53), or else every file at [Normal].
	Priority func(f *File) Priority
	// Sequential is that of [Torrent.SetSequential], from the start.
	Sequential bool
	// Limits bound what the torrent sends and receives, within those of the client.
	// The default is no bound of its own. See [Torrent.SetLimits].
	Limits Limits
	// Goals end its seeding; nil means those of the client. See [Torrent.SetGoals].
	Goals *Goals
	// Manual leaves the torrent out of the queue: it runs unless it is paused, and
	// takes no place of Config.MaxActiveDownloads or MaxActiveSeeds.
	Manual bool
	// Forced is that of [Torrent.SetForced], from the start.
	Forced bool
	// Paused adds the torrent without fetching or serving anything until
	// [Torrent.Resume]. The info dictionary is not fetched either.
	Paused bool

	// Progress, if set, is told about the verification of what is there already.
	Progress Progress
}

// Add joins the swarm that src names. It returns when what is already there has
// been verified; where only an info hash is known, that happens later, once the
// info dictionary has come from a peer. The context bounds Add alone, not the
// torrent. Errors: those of [Source.Fetch], [ErrExists], [ErrClosed], the
// context's, *storage.Error from a folder that cannot be used.
func (c *Client) Add(ctx context.Context, src Source, opt AddOptions) (*Torrent, error) {
	src, err := src.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	if opt.Dir == "" {
		opt.Dir = "."
	}
	m := src.magnet
	o := native.Options{Key: m.Key(), HashV2: m.HashV2, Torrent: src.torrent, Peers: append(m.Peers, opt.Peers...)}
	o.WebSeeds, o.FoundSeeds = opt.WebSeeds, m.WebSeeds
	o.NamedTrackers = opt.Trackers
	if src.torrent != nil {
		o.Trackers = append(o.Trackers, src.torrent.Announce...)
	}
	o.Trackers = append(o.Trackers, tiers(o.Trackers, append(m.Trackers, opt.Trackers...))...)
	switch {
	case opt.Storage != nil:
		o.Content = native.Stored(opener(opt.Storage))
	case opt.Seed && src.torrent == nil:
		return nil, errors.New("cannot seed " + src.String() + ": the .torrent itself is needed, a link does not say what the files are")
	case opt.Seed:
		o.Content = native.Seed(opt.Dir, opt.Progress)
	default:
		o.Content = native.Download(opt.Dir, opt.Progress)
	}
	t := &Torrent{c: c, name: m.Name, meta: src.torrent}
	wish := opt.Priority
	if wish == nil && len(m.Select) > 0 {
		wish = selected(m)
	}
	if wish != nil {
		o.Priorities = func(info *metainfo.Info) []torrent.Priority {
			t.wishes.one.Lock()
			defer t.wishes.one.Unlock()
			return t.wishes.set(filesOf(t, info), wish)
		}
	}
	o.Paused, o.Sequential, o.Manual, o.Forced = opt.Paused, opt.Sequential, opt.Manual, opt.Forced
	o.Goals = (*native.Goals)(opt.Goals)
	if _, err := c.add(ctx, t, o); err != nil {
		return nil, err
	}
	t.SetLimits(opt.Limits)
	return t, nil
}

func (c *Client) add(ctx context.Context, t *Torrent, o native.Options) (*Torrent, error) {
	n, err := c.n.Add(ctx, o)
	if err != nil {
		return nil, err
	}
	t.n = n
	if n.Info() != nil {
		if err := n.Ready(ctx); err != nil {
			n.Close()
			return nil, err
		}
	}
	c.mu.Lock()
	c.torrents[t.Key()] = t
	c.mu.Unlock()
	return t, nil
}

// tiers returns those urls that are in no tier of have, each as one of its own.
func tiers(have [][]string, urls []string) (out [][]string) {
	seen := map[string]bool{}
	for _, tier := range have {
		for _, u := range tier {
			seen[u] = true
		}
	}
	for _, u := range urls {
		if !seen[u] {
			seen[u] = true
			out = append(out, []string{u})
		}
	}
	return out
}

// CreateOptions describe a torrent to make. The zero value makes a hybrid
// torrent, of version 1 and 2 at once, without trackers.
type CreateOptions struct {
	// Name of the torrent; "" is the base name of the path, for several paths
	// that of the folder they lie in, or else of the first.
	Name string
	// PieceLength in bytes, a power of two from 16 KiB on; 0 chooses by size.
	PieceLength int64
	// V1 and V2 choose the versions; neither is both.
	V1, V2 bool
	// Private asks clients to find peers by the torrent's trackers alone (BEP 27).
	Private bool
	// Comment, CreatedBy and CreationDate, in seconds since 1970, are left out
	// where empty.
	Comment      string
	CreatedBy    string
	CreationDate int64
	// Announce are trackers in tiers (BEP 12); none by default.
	Announce [][]string
	// WebSeeds are HTTP addresses of the content (BEP 19); none by default.
	WebSeeds []string

	// Output, if set, is where the torrent will be written. A file that is there already
	// does not become part of it, and is told to Skipped.
	Output string

	// Progress, if set, is told about the hashing.
	Progress Progress
	// Skipped, if set, is told about everything in a folder that does not
	// become part of the torrent though a user might expect it.
	Skipped func(path, why string)
}

// CreateError says which path cannot be shared and why.
type CreateError struct{ Path, Why string }

// Error is one line for the user.
func (e *CreateError) Error() string { return (&maketorrent.Error{Path: e.Path, Why: e.Why}).Error() }

// Create makes a torrent of files and folders, hashing them with all cores.
// Errors name the path: *[CreateError], *storage.Error for what the system
// refuses, *metainfo.Error for what cannot be in a torrent, or the context's.
func Create(ctx context.Context, paths []string, opt CreateOptions) (*metainfo.Torrent, error) {
	t, err := maketorrent.Make(ctx, paths, maketorrent.Options(opt))
	if e, ok := errors.AsType[*maketorrent.Error](err); ok {
		return nil, &CreateError{e.Path, e.Why}
	}
	return t, err
}

// Share publishes the paths from which t has just been made with [Create]; they
// are not hashed again. A file that changed since is an error. The context
// bounds Share alone, not the torrent.
func (c *Client) Share(ctx context.Context, t *metainfo.Torrent, paths ...string) (*Torrent, error) {
	return c.add(ctx, &Torrent{c: c, name: t.Info.Name, meta: t}, native.Options{
		Torrent: t, Trackers: t.Announce, NamedTrackers: slices.Concat(t.Announce...), Content: native.Sources(paths),
	})
}
