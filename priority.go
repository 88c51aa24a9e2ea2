//go:build !js

package shoal

import (
	"sync"
	"sync/atomic"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Priority says how much a file is wanted.
type Priority uint8

// The priorities.
const (
	Skip   Priority = iota // not fetched, unless a reader asks for it
	Low                    // fetched after everything else
	Normal                 // fetched
	High                   // fetched before everything else
)

// String returns the word that flags and messages use.
func (p Priority) String() string {
	switch p {
	case Skip:
		return "skip"
	case Low:
		return "low"
	case Normal:
		return "normal"
	case High:
		return "high"
	}
	return "unknown"
}

// selected wants the files that a magnet link names (BEP 53). Its numbers count
// the entries of the info dictionary, and those of v1 torrents and hybrids have
// padding among them.
func selected(m magnet.Magnet) func(*File) Priority {
	return func(f *File) Priority {
		number := f.index
		if f.info.HasV1 {
			number = f.entry
		}
		if m.Wants(number) {
			return Normal
		}
		return Skip
	}
}

// wishes are the priorities of a torrent's files.
type wishes struct {
	one sync.Mutex // held while they change, so that changes follow each other
	now atomic.Pointer[wish]
}

// wish is what was wished for last.
type wish struct {
	files []Priority
	bytes int64 // of the wanted pieces
}

// get returns the priority of a file by its index.
func (w *wishes) get(index int) Priority {
	if now := w.now.Load(); now != nil && index < len(now.files) {
		return now.files[index]
	}
	return Normal
}

// size is what is wanted in bytes.
func (w *wishes) size(info *metainfo.Info) int64 {
	switch now := w.now.Load(); {
	case now != nil:
		return now.bytes
	case info.HasV1:
		return info.Length
	}
	return info.TotalSize()
}

// levels are the engine's names of the priorities.
var levels = [...]torrent.Priority{Skip: torrent.Skip, Low: torrent.Low, Normal: torrent.Normal, High: torrent.High}

// set asks ask about every file and returns the priority of every piece: where
// files share one, that of the file that is wanted most. Callers hold one.
func (w *wishes) set(files []*File, ask func(*File) Priority) []torrent.Priority {
	now := &wish{files: make([]Priority, len(files))}
	var each []torrent.Priority
	for i, f := range files {
		if i == 0 {
			each = make([]torrent.Priority, f.info.NumPieces())
		}
		now.files[i] = min(ask(f), High)
		first, end := f.Pieces()
		for piece := first; piece < end; piece++ {
			if each[piece] == torrent.Skip && now.files[i] != Skip {
				now.bytes += f.info.PieceSize(piece)
			}
			each[piece] = max(each[piece], levels[now.files[i]])
		}
	}
	w.now.Store(now)
	return each
}
