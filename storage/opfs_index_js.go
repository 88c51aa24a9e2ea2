package storage

import (
	"hash/crc32"

	"github.com/shoal-p2p/shoal/metainfo"
)

// The index of a torrent in OPFS. Numbers are little-endian.
//
//	file   "shoal opfs 1\n" 0x00 0x00 0x00, key [20], length of info u32, info, crc32c u32
//	       of all that; then one entry per slot of the data file
//	entry  piece u32, crc32c u32 of slot u32 and piece u32; the complement of it while
//	       nobody knows whether the data is on the disk
//
// An entry that fails its checksum marks a slot as free, so that an entry cut
// off by the end of the tab costs one piece. An entry is proven after the data
// has been flushed to the disk, never before; what a tab wrote before it was closed
// is there as a rule, but a crash of the system may have taken it.
const (
	opfsMagic    = "shoal opfs 1\n\x00\x00\x00"
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

// appendEntry says that slot holds piece.
func appendEntry(dst []byte, slot, piece int) []byte {
	pair := appendU32(appendU32(nil, uint32(slot)), uint32(piece))
	return appendU32(append(dst, pair[4:]...), crc32.Checksum(pair, castagnoli))
}

// appendUnsure says that slot holds piece unless the system has crashed.
func appendUnsure(dst []byte, slot, piece int) []byte {
	dst = appendEntry(dst, slot, piece)
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
	} else if n < len(head) || string(head[:len(opfsMagic)]) != opfsMagic ||
		metainfo.Hash(head[len(opfsMagic):len(opfsMagic)+20]) != o.key {
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
	size, err := o.data.size()
	if err != nil {
		return err
	}
	for slot := 0; len(b) >= opfsEntryLen; slot++ {
		piece := int(u32(b))
		entry := string(b[:opfsEntryLen])
		_, double := o.slots[piece]
		there := piece < o.info.NumPieces() && !double && int64(slot)*o.info.PieceLength+o.info.PieceSize(piece) <= size
		switch {
		case there && entry == string(appendEntry(nil, slot, piece)):
			o.slots[piece] = slot
			o.stored.Set(piece)
		case there && entry == string(appendUnsure(nil, slot, piece)):
			o.slots[piece] = slot
			o.unsure.Set(piece)
		default:
			o.free = append(o.free, slot)
		}
		o.next = slot + 1
		b = b[opfsEntryLen:]
	}
	return nil
}

// empty begins anew without an info dictionary.
func (o *OPFS) empty() error {
	err := o.index.truncate(0)
	if err == nil {
		err = o.data.truncate(0)
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
	o.info, o.entries = info, entries
	o.stored, o.unsure = *NewBits(info.NumPieces()), *NewBits(info.NumPieces())
}

// slot returns the slot to write piece i to.
func (o *OPFS) slot(i int) (int, error) {
	if slot, ok := o.slots[i]; ok {
		if !o.stored.Has(i) {
			return slot, nil
		}
		// About to be written over: it must not count as stored when the tab
		// is closed halfway.
		if err := o.index.write(make([]byte, opfsEntryLen), o.entry(slot)); err != nil {
			return 0, err
		}
		o.stored.Clear(i)
		return slot, nil
	}
	slot := o.next
	if n := len(o.free); n > 0 {
		slot, o.free = o.free[n-1], o.free[:n-1]
	} else {
		o.next++
	}
	o.slots[i] = slot
	return slot, nil
}

func (o *OPFS) entry(slot int) int64 { return o.entries + int64(slot)*opfsEntryLen }

// flush makes the pending pieces permanent: first their data, then the word
// that it is there.
func (o *OPFS) flush() error {
	if len(o.pending) == 0 {
		return nil
	}
	err := o.data.flush()
	for k := 0; k < len(o.pending) && err == nil; k++ {
		i := o.pending[k]
		slot := o.slots[i]
		if err = o.index.write(appendEntry(nil, slot, i), o.entry(slot)); err == nil {
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
