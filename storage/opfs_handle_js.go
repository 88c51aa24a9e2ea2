package storage

import (
	"errors"
	"sync"
	"syscall/js"
	"time"
)

// handleChunk is how much goes through one call, in bytes.
const handleChunk = 1 << 20

// handleRoom is the JavaScript side of what goes through, for all files.
var handleRoom struct {
	sync.Mutex
	buf js.Value // Uint8Array, made at the first use
}

// handle is a synchronous access handle: while it is open nobody else can open
// the file.
type handle struct {
	name string
	v    js.Value
	at   js.Value // {at: offset}
}

// openHandle opens a file, and makes it if create is set. While somebody else has it open
// it tries again for so long as patience says.
func openHandle(dir js.Value, name string, create bool, patience time.Duration) (*handle, error) {
	how := js.Global().Get("Object").New()
	how.Set("create", create)
	file, err := tryAwait(dir, "getFileHandle", name, how)
	var open js.Value
	for until := time.Now().Add(patience); err == nil; {
		if open, err = tryAwait(file, "createSyncAccessHandle"); err == nil {
			return &handle{name: name, v: open, at: js.Global().Get("Object").New()}, nil
		}
		if errors.Is(explainJS("open", name, err), ErrInUse) && time.Now().Before(until) {
			time.Sleep(50 * time.Millisecond)
			err = nil
		}
	}
	return nil, explainJS("open", "this torrent's storage", err)
}

// chunk returns the JavaScript side of n bytes at off. Callers hold the lock of handleRoom.
func (h *handle) chunk(n int, off int64) js.Value {
	if handleRoom.buf.IsUndefined() || handleRoom.buf.Length() < n {
		handleRoom.buf = newBytes(n)
	}
	h.at.Set("at", float64(off))
	if handleRoom.buf.Length() == n {
		return handleRoom.buf
	}
	return handleRoom.buf.Call("subarray", 0, n)
}

// read reads until p is full or the file ends.
func (h *handle) read(p []byte, off int64) (int, error) {
	handleRoom.Lock()
	defer handleRoom.Unlock()
	done := 0
	for done < len(p) {
		n := min(len(p)-done, handleChunk)
		chunk := h.chunk(n, off+int64(done))
		got, err := try(h.v, "read", chunk, h.at)
		if err != nil {
			return done, err
		}
		if got.Int() <= 0 {
			break
		}
		js.CopyBytesToGo(p[done:done+min(got.Int(), n)], chunk)
		done += min(got.Int(), n)
	}
	return done, nil
}

// write writes all of p.
func (h *handle) write(p []byte, off int64) error {
	handleRoom.Lock()
	defer handleRoom.Unlock()
	for len(p) > 0 {
		n := min(len(p), handleChunk)
		chunk := h.chunk(n, off)
		js.CopyBytesToJS(chunk, p[:n])
		got, err := try(h.v, "write", chunk, h.at)
		if err != nil {
			return err
		}
		wrote := min(got.Int(), n)
		if wrote <= 0 {
			// Some browsers write less instead of throwing.
			return &Error{Kind: ErrNoSpace, Op: "write", Path: h.name, Detail: "the browser takes no more"}
		}
		p, off = p[wrote:], off+int64(wrote)
	}
	return nil
}

func (h *handle) flush() error {
	_, err := try(h.v, "flush")
	return err
}

func (h *handle) truncate(size int64) error {
	_, err := try(h.v, "truncate", float64(size))
	return err
}

func (h *handle) size() (int64, error) {
	n, err := try(h.v, "getSize")
	if err != nil {
		return 0, explainJS("read", h.name, err)
	}
	return int64(n.Float()), nil
}

func (h *handle) close() {
	_, _ = try(h.v, "close") // everything that matters was flushed
}
