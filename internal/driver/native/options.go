//go:build !js

package native

import (
	"context"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// Opener makes the content of a torrent whose info dictionary is known.
type Opener func(ctx context.Context, info *metainfo.Info) (driver.Content, error)

// Stored keeps a torrent wherever open says. The store is closed with the torrent.
func Stored(open Opener) Content { return &stored{openStore: open} }

type stored struct {
	openStore Opener
	torrent   *metainfo.Torrent
	store     storage.Store
}

func (s *stored) prepare(_ metainfo.Hash, t *metainfo.Torrent) (*metainfo.Info, error) {
	if s.torrent = t; t == nil {
		return nil, nil
	}
	return t.Info, nil
}

func (s *stored) open(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
	c, err := s.openStore(ctx, info)
	if err != nil {
		return c, err
	}
	if s.torrent != nil {
		c.Layers = s.torrent.Layers()
	}
	if _, ours := c.Store.(*storage.Memory); !ours { // nobody else can write to that
		guard(&c, info, known(s.torrent, info))
	}
	s.store = c.Store
	return c, nil
}

func (s *stored) close(bool) {
	if s.store != nil {
		s.store.Close()
	}
}
