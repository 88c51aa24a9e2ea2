//go:build !js

package shoal

import (
	"context"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/driver/native"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// Storage keeps the bytes of torrents. Package storage has stores for files and
// memory; implement Storage to keep them in a database, encrypted, or wherever.
type Storage interface {
	// Open is called once for a torrent, when its info dictionary is known, maybe
	// by several goroutines for several torrents. It returns where the bytes are
	// kept, and which pieces are in place already: every bit of have is believed.
	// Where a storage does not keep track, [storage.Verify] hashes what is there.
	// A have that is nil, or of another length than the torrent, is nothing.
	//
	// Each call of the store's WriteAt brings one whole verified piece, so what it
	// returned nil for may be put into have next time. The store is closed when the
	// torrent is.
	Open(ctx context.Context, info *metainfo.Info) (store storage.Store, have *storage.Bits, err error)
}

// StorageFunc makes a [Storage] of a function.
type StorageFunc func(ctx context.Context, info *metainfo.Info) (storage.Store, *storage.Bits, error)

// Open implements Storage.
func (f StorageFunc) Open(ctx context.Context, info *metainfo.Info) (storage.Store, *storage.Bits, error) {
	return f(ctx, info)
}

// MemoryStorage keeps torrents in memory, at most maxBytes of all that use it; 0
// means no bound. A torrent that does not fit fails with storage.ErrNoSpace.
func MemoryStorage(maxBytes int64) Storage {
	var opt storage.MemoryOptions
	if maxBytes > 0 {
		opt.Budget = storage.NewBudget(maxBytes)
	}
	return StorageFunc(func(_ context.Context, info *metainfo.Info) (storage.Store, *storage.Bits, error) {
		return storage.NewMemory(info, opt), nil, nil
	})
}

// opener opens a Storage for the driver.
func opener(s Storage) native.Opener {
	return func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
		store, have, err := s.Open(ctx, info)
		if err != nil {
			return driver.Content{}, err
		}
		if have != nil {
			own := have.Clone() // the storage may go on with its own
			have = &own
		}
		return driver.Content{Store: store, Have: have}, nil
	}
}
