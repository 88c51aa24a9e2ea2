//go:build !js

package native

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// Content is where the bytes of a torrent are. Make one with Download, Seed or
// Sources.
type Content interface {
	// prepare is called first. It returns the info dictionary where it is known.
	prepare(key metainfo.Hash, t *metainfo.Torrent) (*metainfo.Info, error)
	open(ctx context.Context, info *metainfo.Info) (driver.Content, error)
	close(complete bool)
}

// Download keeps a torrent below a folder, with resume data beside it.
func Download(dir string, progress storage.Progress) Content {
	return &download{dir: dir, progress: progress}
}

type download struct {
	dir      string
	progress storage.Progress
	warn     func(error) // tells the user of what goes on all the same; nil: nobody

	key     metainfo.Hash
	torrent *metainfo.Torrent
	mu      sync.Mutex
	resume  *storage.Resume
	note    string // of the resume data, that the user was told
	files   *storage.File
	store   *storage.Proven // over files
}

func (d *download) prepare(key metainfo.Hash, t *metainfo.Torrent) (*metainfo.Info, error) {
	r, err := storage.OpenResume(d.dir, key)
	if err != nil {
		return nil, err
	}
	d.key, d.resume, d.torrent = key, r, t
	if t != nil {
		return t.Info, nil
	}
	return r.Info(), nil
}

func (d *download) open(ctx context.Context, info *metainfo.Info) (c driver.Content, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() {
		if err != nil {
			d.shut(false)
		}
	}()
	if d.resume == nil { // it was shut after an error
		if d.resume, err = storage.OpenResume(d.dir, d.key); err != nil {
			return c, err
		}
	}
	if d.resume.Info() == nil {
		if err := d.resume.SetInfo(info); err != nil {
			return c, err
		}
	}
	if d.files, err = storage.OpenFiles(d.dir, info, storage.FileOptions{}); err != nil {
		return c, err
	}
	c.Store = d.files
	d.store = guard(&c, info, known(d.torrent, info))
	have, doubtful, err := d.resume.Attach(d.files)
	if err != nil {
		return c, err
	}
	d.tell()
	c.Stored, c.Rest = d.stored, d.rest
	if d.torrent != nil {
		c.Layers = d.torrent.Layers()
	} else if info.HasV2 {
		c.Layers = metainfo.NewLayers(info)
	}
	c.Check = func(ctx context.Context, progress storage.Progress) (*bits.Set, error) {
		return d.check(ctx, info, c.Layers, progress)
	}
	if doubtful.Count() > 0 {
		if c.Layers != nil && !c.Layers.Complete() {
			if err := storage.ProveLayers(ctx, d.files, c.Layers); err != nil {
				return c, err
			}
			d.store.Share(c.Layers)
		}
		found, err := d.store.Verify(ctx, doubtful, d.progress)
		if err != nil {
			return c, err
		}
		var again []int
		for i := range info.NumPieces() {
			if found.Has(i) {
				have.Set(i)
				again = append(again, i)
			}
		}
		if err := d.resume.MarkHave(again...); err != nil {
			return c, err
		}
	}
	if err := d.spare(have); err != nil {
		return c, err
	}
	c.Have = have
	if c.Have.All() {
		return c, d.finish()
	}
	return c, nil
}

// spare keeps files of the user's from being overwritten, which have the name of one
// of the torrent's and nothing else of it. Where nothing at all is the torrent's, it is
// the wrong folder. In an older or unfinished copy of it the download goes on beside
// them. Callers hold mu.
func (d *download) spare(have *storage.Bits) error {
	foreign, err := d.resume.Foreign(have)
	if err != nil || len(foreign) == 0 {
		return err
	}
	if have.Count() == 0 {
		// The resume data would be of a download that never began.
		err := d.files.Taken(foreign[0])
		d.resume.Remove()
		d.resume = nil
		return err
	}
	var kept string // as the first is called now
	for _, i := range foreign {
		now, err := d.files.SetAside(i)
		if err != nil {
			return err
		}
		if kept == "" {
			kept = now
		}
	}
	if len(foreign) > 1 {
		kept += ", and so are " + strconv.Itoa(len(foreign)-1) + " more"
	}
	if d.warn != nil {
		d.warn(errors.New("a file that holds nothing of the torrent was in the way: it is kept as " + kept))
	}
	return nil
}

// finish puts the files of a whole download in their final state. Callers hold mu.
func (d *download) finish() error {
	if err := d.files.Finish(); err != nil {
		return err
	}
	if err := d.files.Restore(); err != nil && d.warn != nil {
		d.warn(err)
	}
	return nil
}

func (d *download) stored(index int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.resume != nil {
		// A full disk shows itself at the next piece; this one is recorded with
		// the next call that succeeds.
		d.resume.MarkHave(index)
		d.tell()
	}
}

// tell has the user know what the resume data has to say. Callers hold mu.
func (d *download) tell() {
	if note := d.resume.Note(); note != d.note {
		if d.note = note; note != "" && d.warn != nil {
			d.warn(errors.New(note))
		}
	}
}

// check hashes everything and has the resume data say what was found. The lock is
// not held meanwhile.
func (d *download) check(ctx context.Context, info *metainfo.Info, layers *metainfo.Layers, progress storage.Progress) (*bits.Set, error) {
	d.store.Share(layers) // what peers have sent meanwhile
	found, err := d.store.Verify(ctx, nil, progress)
	d.store.Share(layers)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.resume != nil:
		err = d.resume.Replace(found)
	case found.Count() < info.NumPieces():
		// It was complete, so that there is no resume data any more.
		if d.resume, err = storage.OpenResume(d.dir, info.Key()); err != nil {
			break
		}
		if err = d.resume.SetInfo(info); err != nil {
			break
		}
		if _, _, err = d.resume.Attach(d.files); err == nil {
			err = d.resume.Replace(found)
		}
	}
	return found, err
}

// rest gives back what an idle torrent does not need.
func (d *download) rest() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files != nil {
		d.files.Rest()
	}
}

func (d *download) close(complete bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut(complete)
}

func (d *download) shut(complete bool) {
	if d.files != nil && complete {
		d.finish()
	}
	if d.resume != nil {
		if complete {
			d.resume.Remove()
		} else {
			d.resume.Close()
		}
		d.resume = nil
	}
	if d.files != nil {
		d.store.Close()
		d.files, d.store = nil, nil
	}
}

// complete ends the resume data of a finished download, so that nothing but the
// content is left in the folder. Seeding goes on.
func (d *download) complete() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil || d.resume == nil {
		return nil
	}
	if err := d.finish(); err != nil {
		return err
	}
	err := d.resume.Remove()
	d.resume = nil
	return err
}

// Finish puts a finished download in its final state: empty files made, resume
// data removed. It does nothing for content that was not downloaded.
func (t *Torrent) Finish() error {
	if d, ok := t.content.(*download); ok {
		return d.complete()
	}
	return nil
}

// Seed serves files that were downloaded or made before; they are verified
// first. A file that is missing or differs is an error.
func Seed(dir string, progress storage.Progress) Content {
	return &seed{progress: progress, openStore: func(info *metainfo.Info) (*storage.File, error) {
		return storage.OpenFiles(dir, info, storage.FileOptions{ReadOnly: true})
	}, check: true}
}

// Sources serves the paths from which the torrent has just been made; a piece is hashed
// again when it is read for the first time.
func Sources(paths []string) Content {
	return &seed{openStore: func(info *metainfo.Info) (*storage.File, error) {
		return storage.OpenSources(info, paths, storage.FileOptions{})
	}}
}

type seed struct {
	openStore func(*metainfo.Info) (*storage.File, error)
	progress  storage.Progress
	check     bool
	torrent   *metainfo.Torrent
	mu        sync.Mutex
	store     *storage.Proven
}

func (s *seed) prepare(_ metainfo.Hash, t *metainfo.Torrent) (*metainfo.Info, error) {
	s.torrent = t
	return t.Info, nil
}

func (s *seed) open(ctx context.Context, info *metainfo.Info) (c driver.Content, err error) {
	files, err := s.openStore(info)
	if err != nil {
		return c, err
	}
	c.Store, c.Rest, c.Layers, c.Original = files, files.Rest, s.torrent.Layers(), true
	store := guard(&c, info, s.torrent.Layers())
	check := func(ctx context.Context, progress storage.Progress) (*bits.Set, error) {
		found, err := store.Verify(ctx, nil, progress)
		store.Share(c.Layers)
		return found, err
	}
	if c.Check = check; s.check {
		if c.Have, err = check(ctx, s.progress); err != nil {
			store.Close()
			return c, err
		}
	} else {
		have := bits.New(info.NumPieces())
		have.Fill()
		c.Have = &have
	}
	s.mu.Lock()
	s.store = store
	s.mu.Unlock()
	return c, nil
}

func (s *seed) close(bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		s.store.Close()
	}
}

// lookup resolves host:port.
func lookup(ctx context.Context, hostport string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(hostport); err == nil {
		return a, nil
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(n)), nil
}
