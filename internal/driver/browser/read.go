//go:build js

package browser

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall/js"

	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// maxChunk is the largest piece of a stream that is handed to the page at once.
const maxChunk = 256 << 10

// fileOf finds the torrent and the file that a call names.
func (c *Client) fileOf(arg js.Value) (t *tabTorrent, files []*metainfo.File, index int, err error) {
	if t, err = c.byID(arg); err != nil {
		return nil, nil, 0, err
	}
	info := t.Info()
	if info == nil {
		return nil, nil, 0, errors.New("the torrent's file list is not known yet")
	}
	files = realFiles(info)
	n, ok := integer(arg.Get("file"))
	if !ok || n < 0 || n >= int64(len(files)) {
		return nil, nil, 0, errors.New("the torrent has no such file")
	}
	return t, files, int(n), nil
}

// read streams a range of a file through a MessagePort: the receiver pulls with
// true and cancels with false.
func (c *Client) read(arg js.Value) (any, error) {
	t, files, index, err := c.fileOf(arg)
	if err != nil {
		return nil, err
	}
	f := files[index]
	start, whole := integer(arg.Get("start"))
	end, too := integer(arg.Get("end"))
	if !whole || !too || start < 0 || end > f.Length || start > end {
		return nil, errors.New("the range lies outside the file")
	}
	port := arg.Get("port")
	if kind(port) != js.TypeObject || kind(port.Get("postMessage")) != js.TypeFunction || kind(port.Get("close")) != js.TypeFunction {
		return nil, errors.New("there is no port to read to")
	}
	r := t.NewReader(f.Offset+start, end-start, start == 0 && end == f.Length)
	moved := func(int) {}
	left := func() {}
	if s, ok := t.store.(*shelf); ok {
		spot, leave := s.enter(f.Offset + start)
		moved, left = func(n int) { s.move(spot, n) }, leave
	}
	go func() {
		defer left()
		stream(port, r, moved, &c.closing)
	}()
	return map[string]any{}, nil
}

type streamReader interface {
	io.Reader
	io.Closer
}

// mostMisses is how often in a row a piece may drop out of the window just before it is
// read, or be found damaged; it is fetched again then.
const mostMisses = 8

// stream answers the pulls of one port until its end, and says how far it has come. Once
// closing is set it says nothing of errors: in other tabs the next engine goes on with it.
func stream(port js.Value, r streamReader, moved func(n int), closing *atomic.Bool) {
	pulls := make(chan bool, 64)
	onmessage := js.FuncOf(func(_ js.Value, args []js.Value) any {
		if !args[0].Get("data").Truthy() {
			r.Close() // a read that waits for a piece ends
			select {
			case pulls <- false:
			default:
			}
			return nil
		}
		select {
		case pulls <- true:
		default: // more pulls than anybody needs
		}
		return nil
	})
	port.Set("onmessage", onmessage)
	defer func() {
		port.Set("onmessage", js.Null())
		port.Call("close")
		onmessage.Release()
		r.Close()
	}()
	buf := make([]byte, maxChunk)
	for more := range pulls {
		if !more {
			return
		}
		n, err := r.Read(buf)
		for miss := 0; n == 0 && (errors.Is(err, storage.ErrMissing) || errors.Is(err, storage.ErrChanged)) && miss < mostMisses; miss++ {
			n, err = r.Read(buf)
		}
		moved(n)
		switch {
		case n > 0:
			a := toJS(buf[:n])
			port.Call("postMessage", a, []any{a.Get("buffer")})
		case err == io.EOF:
			port.Call("postMessage", js.Null())
			return
		case err != nil && closing.Load():
			return
		case err != nil:
			port.Call("postMessage", map[string]any{"error": err.Error()})
			return
		}
	}
}
