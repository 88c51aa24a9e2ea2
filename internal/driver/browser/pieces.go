//go:build js

package browser

import "syscall/js"

// parts tells which pieces of a file are verified and stored: their bits, as a bitfield
// message has them (BEP 3), from the byte on that has the file's first piece, and at, where
// the first of those bits begins, in bytes from the file's start. It takes a bit for each
// piece of the file, so a page may ask once a second.
func (c *Client) parts(arg js.Value) (any, error) {
	t, files, index, err := c.fileOf(arg)
	if err != nil {
		return nil, err
	}
	f, size := files[index], t.Info().PieceLength
	have := t.Have()
	bits, from := have.Bytes(), f.Offset/size/8
	end := min((f.End()+size-1)/size+7, int64(len(bits))*8) / 8
	bits = bits[min(from, end):end]
	return map[string]any{"bits": toJS(bits), "at": from*8*size - f.Offset, "pieceLength": size}, nil
}
