package storage

import (
	"hash/crc32"
	"strconv"

	"github.com/shoal-p2p/shoal/metainfo"
)

// The index of a torrent in OPFS. Numbers are little-endian.
//
//	file   "shoal opfs 2\n" 0x00 0x00 0x00, key [20], length of info u32, info, crc32c u32
//	       of all that; then one entry per piece
//	entry  piece u32, crc32c u32 of piece u32 and key; the complement of it while nobody
//	       knows whether the data is on the disk
//
// Version 1 had the pieces in one file, in the order in which they came. It is removed, as
// everything is that cannot be used.
//
// An entry that fails its checksum says that the piece is not there, so that an entry cut
// off by the end of the tab costs one piece. An entry is proven after the data
// has been flushed to the disk, never before; what a tab wrote before it was closed
// is there as a rule, but a crash of the system may have taken it.
const (
	opfsMagic    = "shoal opfs 2\n\x00\x00\x00"
	opfsHeadLen  = len(opfsMagic) + 20 + 4
	opfsEntryLen = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendU32(dst []byte, v uint32) []byte {
	return append(dst, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
}

func u32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// appendEntry says that a piece is there.
func (o *OPFS) appendEntry(dst []byte, piece int) []byte {
	dst = appendU32(dst, uint32(piece))
	sum := crc32.Checksum(dst[len(dst)-4:], castagnoli)
	return appendU32(dst, crc32.Update(sum, castagnoli, o.key[:]))
}

// appendUnsure says that a piece is there unless the system has crashed.
func (o *OPFS) appendUnsure(dst []byte, piece int) []byte {
	dst = o.appendEntry(dst, piece)
	for k := len(dst) - 4; k < len(dst); k++ {
		dst[k] = ^dst[k]
	}
	return dst
}

// load reads the index. What cannot be used is emptied.
func (o *OPFS) load() error {
	size, err := o.index.size()
	if err != nil {
		return err
	}
	head := make([]byte, opfsHeadLen)
	if n, err := o.index.read(head, 0); err != nil {
		return explainJS("read", o.index.name, err)
	} else if n < len(head) || !o.ours(head) {
		return o.empty()
	}
	infoLen := int64(u32(head[len(head)-4:]))
	end := int64(len(head)) + infoLen + 4
	if infoLen > metainfo.MaxInfoSize || end > size {
		return o.empty()
	}
	rest := make([]byte, size-int64(len(head)))
	if n, err := o.index.read(rest, int64(len(head))); err != nil || n < len(rest) {
		return explainJS("read", o.index.name, err)
	}
	raw, sum := rest[:infoLen], u32(rest[infoLen:])
	info, err := metainfo.ParseInfo(raw)
	if err != nil || crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, raw) != sum || !o.mine(info) {
		return o.empty()
	}
	o.adopt(info, end)
	// What is opened counts as used now, though nothing may be written to it.
	if err := o.index.write(head[:len(opfsMagic)], 0); err != nil {
		return explainJS("write", o.index.name, err)
	}
	return o.loadEntries(rest[infoLen+4:])
}

// ours reports whether an index begins as one of this torrent does.
func (o *OPFS) ours(head []byte) bool {
	return string(head[:len(head)-4]) == opfsMagic+string(o.key[:])
}

// mine reports whether info belongs to the key under which it was found.
func (o *OPFS) mine(info *metainfo.Info) bool {
	for _, key := range info.SwarmHashes() {
		if key == o.key {
			return true
		}
	}
	return false
}

// loadEntries believes the entries whose data is there.
func (o *OPFS) loadEntries(b []byte) error {
	sizes, err := folderSizes(o.dir, o.key)
	if err != nil {
		return explainJS("read", o.info.Name, err)
	}
	for i := 0; len(b) >= opfsEntryLen && i < o.info.NumPieces(); i++ {
		entry := string(b[:opfsEntryLen])
		b = b[opfsEntryLen:]
		proven := entry == string(o.appendEntry(nil, i))
		if !proven && entry != string(o.appendUnsure(nil, i)) || !o.whole(i, sizes) {
			continue
		}
		o.there.Set(i)
		if proven {
			o.stored.Set(i)
		} else {
			o.unsure.Set(i)
		}
	}
	return nil
}

// whole reports whether files of these sizes have room for a piece.
func (o *OPFS) whole(i int, sizes map[string]int64) bool {
	var room [8]metainfo.Span
	for _, s := range o.info.AppendSpans(room[:0], int64(i)*o.info.PieceLength, o.info.PieceSize(i)) {
		if !s.Pad && sizes[strconv.Itoa(s.File)] < s.FileOffset+s.Length {
			return false
		}
	}
	return true
}

// empty begins anew without an info dictionary.
func (o *OPFS) empty() error {
	err := o.index.truncate(0)
	if err == nil {
		err = removeData(o.dir, o.key)
	}
	return explainJS("write", o.index.name, err)
}

// begin writes the head of the index.
func (o *OPFS) begin(info *metainfo.Info) error {
	b := append([]byte(opfsMagic), o.key[:]...)
	b = appendU32(b, uint32(len(info.Bytes)))
	b = append(b, info.Bytes...)
	b = appendU32(b, crc32.Checksum(b, castagnoli))
	err := o.index.write(b, 0)
	if err == nil {
		err = o.index.flush()
	}
	if err != nil {
		return explainJS("write", info.Name, err)
	}
	o.adopt(info, int64(len(b)))
	return nil
}

func (o *OPFS) adopt(info *metainfo.Info, entries int64) {
	n := info.NumPieces()
	o.info, o.entries = info, entries
	o.there, o.stored, o.unsure = *NewBits(n), *NewBits(n), *NewBits(n)
}

// touch notes that piece i is about to be written. One that was stored must not count as
// that when the tab is closed halfway.
func (o *OPFS) touch(i int) error {
	if o.stored.Has(i) {
		if err := o.index.write(make([]byte, opfsEntryLen), o.entry(i)); err != nil {
			return err
		}
		o.stored.Clear(i)
	}
	o.there.Set(i)
	return nil
}

func (o *OPFS) entry(i int) int64 { return o.entries + int64(i)*opfsEntryLen }

// flush makes the pending pieces permanent: first their data, then the word
// that it is there.
func (o *OPFS) flush() error {
	if len(o.pending) == 0 {
		return nil
	}
	err := o.flushFiles()
	for k := 0; k < len(o.pending) && err == nil; k++ {
		i := o.pending[k]
		if err = o.index.write(o.appendEntry(nil, i), o.entry(i)); err == nil {
			o.stored.Set(i)
		}
	}
	if err == nil {
		err = o.index.flush()
	}
	if err == nil {
		o.pending = o.pending[:0]
	}
	return explainJS("write", o.info.Name, err)
}
