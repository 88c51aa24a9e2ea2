package storage

import (
	"sync"
	"time"
)

const (
	// paceSample is how many bytes are written at once before they are judged: enough to fill
	// what a disk takes without writing it.
	paceSample = 32 << 20
	// slowDisk is what a byte may take on its way to a disk that keeps up: 100 MB/s. Where memory
	// is slowest to get, a write into the page cache alone takes about as long.
	slowDisk = 10 * time.Nanosecond
	// pageCacheFirst is how many bytes are left to the page cache once the disk did not keep up,
	// and pageCacheMost how many at most when it does so again and again.
	pageCacheFirst = 256 << 20
	pageCacheMost  = 4 << 30
)

// pace tells whether the disk keeps up with writes that go to it at once. One that does not has
// the download wait for it, one piece after the other in the order they happened to come; the
// page cache takes them as they come and writes them in the order of the disk.
type pace struct {
	mu     sync.Mutex
	bytes  int64         // written at once since the last judgement
	spent  time.Duration // on that
	cached int64         // bytes that the page cache still takes
	next   int64         // how many it takes the next time
}

// atOnce reports whether a write of n bytes should go to the disk at once.
func (p *pace) atOnce(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cached <= 0 {
		return true
	}
	p.cached -= int64(n)
	return false
}

// took notes how long a write took that went to the disk at once.
func (p *pace) took(n int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += int64(n)
	p.spent += d
	if p.bytes < paceSample {
		return
	}
	if p.spent > time.Duration(p.bytes)*slowDisk {
		p.next = min(max(2*p.next, pageCacheFirst), pageCacheMost)
		p.cached = p.next
	} else {
		p.next = 0
	}
	p.bytes, p.spent = 0, 0
}
