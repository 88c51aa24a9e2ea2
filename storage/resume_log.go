//go:build !js

package storage

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/metainfo"
)

// A resume file is a log. It only grows, so that the end of the process at any
// moment costs at most the record being written. Numbers are little-endian.
//
//	file    "shoal resume 1\n" 0x00, key [20], crc32c [4] of both; then records
//	record  length of body u32, kind u8, body, crc32c u32 of kind and body
//	info    'i'  the bencoded info dictionary
//	session 's'  boot id (u8 length, bytes), pieces in place (bits), pieces in doubt (bits):
//	             replaces what earlier records said about pieces
//	have    'h'  time i64 (ms), piece u32 ...
//	stamps  't'  time i64 (ms), upto i64, closing u8, then file u32, size i64, mtime i64 (ns) ...:
//	             pieces recorded before byte upto of the log are safe on the disk
//
// A reader stops at the first record that is cut off or fails its checksum.
const resumeMagic = "shoal resume 1\n\x00"

const (
	recInfo    = 'i'
	recSession = 's'
	recHave    = 'h'
	recStamps  = 't'

	resumeHeaderLen = len(resumeMagic) + 20 + 4
	recordOverhead  = 4 + 1 + 4
	maxRecord       = 64 << 20
	maxResume       = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// resumeLog is what a log says.
type resumeLog struct {
	end      int64  // bytes of valid log, 0 for none
	damage   string // why reading ended before the end of the file
	info     *metainfo.Info
	boot     string
	have     *Bits // claimed to be in place; nil without info
	doubtful *Bits // had to be hashed again when the last session began
	unsafe   []claim
	stamps   map[int]stamp
	last     time.Time // of the last record
	clean    bool      // ends with a closing stamps record
}

// claim is a piece recorded since the last checkpoint.
type claim struct {
	at    int64 // offset of the record
	piece int
}

func appendResumeHeader(dst []byte, key metainfo.Hash) []byte {
	from := len(dst)
	dst = append(dst, resumeMagic...)
	dst = append(dst, key[:]...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
}

func appendRecord(dst []byte, kind byte, body []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
	from := len(dst)
	dst = append(dst, kind)
	dst = append(dst, body...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
}

func appendTime(dst []byte, t time.Time) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(t.UnixMilli()))
}

func appendHave(dst []byte, now time.Time, pieces []int) []byte {
	body := appendTime(make([]byte, 0, 8+4*len(pieces)), now)
	for _, i := range pieces {
		body = binary.LittleEndian.AppendUint32(body, uint32(i))
	}
	return appendRecord(dst, recHave, body)
}

func appendSession(dst []byte, boot string, have, doubtful *Bits) []byte {
	body := append([]byte{byte(len(boot))}, boot...)
	body = append(body, have.Bytes()...)
	body = append(body, doubtful.Bytes()...)
	return appendRecord(dst, recSession, body)
}

// stampRecord is a stamps record.
type stampRecord struct {
	time    time.Time
	upto    int64
	closing bool
	files   []fileStamp
}

type fileStamp struct {
	file int
	stamp
}

func (s *stampRecord) append(dst []byte) []byte {
	body := appendTime(make([]byte, 0, 17+20*len(s.files)), s.time)
	body = binary.LittleEndian.AppendUint64(body, uint64(s.upto))
	closing := byte(0)
	if s.closing {
		closing = 1
	}
	body = append(body, closing)
	for _, f := range s.files {
		body = binary.LittleEndian.AppendUint32(body, uint32(f.file))
		body = binary.LittleEndian.AppendUint64(body, uint64(f.size))
		body = binary.LittleEndian.AppendUint64(body, uint64(f.mtime))
	}
	return appendRecord(dst, recStamps, body)
}

// readResumeLog reads what is valid. An error says why nothing is.
func readResumeLog(file *os.File, key metainfo.Hash) (resumeLog, error) {
	fi, err := file.Stat()
	if err != nil {
		return resumeLog{}, err
	}
	return parseResumeLog(io.NewSectionReader(file, 0, fi.Size()), fi.Size(), key)
}

func parseResumeLog(src io.Reader, size int64, key metainfo.Hash) (resumeLog, error) {
	if size == 0 {
		return resumeLog{}, nil // just created
	}
	if size > maxResume {
		return resumeLog{}, errors.New("too large to be resume data")
	}
	in := bufio.NewReaderSize(src, 64<<10)
	head := make([]byte, resumeHeaderLen)
	if _, err := io.ReadFull(in, head); err != nil || string(head[:len(resumeMagic)]) != resumeMagic ||
		binary.LittleEndian.Uint32(head[len(head)-4:]) != crc32.Checksum(head[:len(head)-4], castagnoli) {
		return resumeLog{}, errors.New("not resume data of this version")
	}
	if metainfo.Hash(head[len(resumeMagic):len(head)-4]) != key {
		return resumeLog{}, errors.New("resume data of another torrent")
	}
	l := resumeLog{end: int64(len(head)), stamps: make(map[int]stamp)}
	for l.end < size {
		kind, body, err := readRecord(in, size-l.end)
		if err == nil {
			err = l.apply(kind, body, key)
		}
		if err != nil {
			l.damage = err.Error()
			break
		}
		l.end += int64(recordOverhead + len(body))
	}
	return l, nil
}

// readRecord reads one record of at most left bytes.
func readRecord(in io.Reader, left int64) (kind byte, body []byte, err error) {
	var head [5]byte
	if left < recordOverhead {
		return 0, nil, errors.New("cut off")
	}
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, nil, errors.New("cut off")
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n > left-recordOverhead || n > maxRecord {
		return 0, nil, errors.New("cut off")
	}
	body = make([]byte, n+4)
	if _, err := io.ReadFull(in, body); err != nil {
		return 0, nil, errors.New("cut off")
	}
	body, sum := body[:n], binary.LittleEndian.Uint32(body[n:])
	if crc32.Update(crc32.Checksum(head[4:], castagnoli), castagnoli, body) != sum {
		return 0, nil, errors.New("checksum")
	}
	return head[4], body, nil
}

// apply takes one record in. An error means that the record, though whole,
// makes no sense; nothing of it is used.
func (l *resumeLog) apply(kind byte, body []byte, key metainfo.Hash) error {
	if kind == recInfo {
		return l.applyInfo(body, key)
	}
	if l.info == nil {
		return errors.New("record without info dictionary")
	}
	clean := false
	switch kind {
	case recSession:
		if err := l.applySession(body); err != nil {
			return err
		}
	case recHave:
		if err := l.applyHave(body); err != nil {
			return err
		}
	case recStamps:
		if err := l.applyStamps(body); err != nil {
			return err
		}
		clean = body[16] == 1
	default:
		return errors.New("unknown record")
	}
	l.clean = clean
	return nil
}

func (l *resumeLog) applyInfo(body []byte, key metainfo.Hash) error {
	info, err := metainfo.ParseInfo(body)
	if err != nil {
		return errors.New("damaged info dictionary")
	}
	if info.Key() != key {
		// Found under its v2 hash or damaged: its pieces are kept under
		// the main key, see SetInfo.
		return errors.New("info dictionary of another torrent")
	}
	l.info = info
	l.have, l.doubtful = NewBits(info.NumPieces()), NewBits(info.NumPieces())
	return nil
}

func (l *resumeLog) applySession(body []byte) error {
	n := len(l.have.Bytes())
	if len(body) == 0 || len(body) != 1+int(body[0])+2*n {
		return errors.New("session record of another size")
	}
	boot, sets := body[1:1+body[0]], body[1+body[0]:]
	have, ok := bits.FromBytes(sets[:n], l.info.NumPieces())
	doubtful, too := bits.FromBytes(sets[n:], l.info.NumPieces())
	if !ok || !too {
		return errors.New("session record with pieces that do not exist")
	}
	l.boot, l.unsafe = string(boot), nil
	l.have, l.doubtful = &have, &doubtful
	return nil
}

func (l *resumeLog) applyHave(body []byte) error {
	if len(body) < 8 || len(body)%4 != 0 {
		return errors.New("have record of odd size")
	}
	pieces := body[8:]
	for p := pieces; len(p) > 0; p = p[4:] {
		if int64(binary.LittleEndian.Uint32(p)) >= int64(l.info.NumPieces()) {
			return errors.New("have record of a piece that does not exist")
		}
	}
	for p := pieces; len(p) > 0; p = p[4:] {
		i := int(binary.LittleEndian.Uint32(p))
		l.have.Set(i)
		l.doubtful.Clear(i)
		l.unsafe = append(l.unsafe, claim{at: l.end, piece: i})
	}
	l.last = readTime(body)
	return nil
}

func (l *resumeLog) applyStamps(body []byte) error {
	if len(body) < 17 || (len(body)-17)%20 != 0 {
		return errors.New("stamps record of odd size")
	}
	l.last = readTime(body)
	upto := int64(binary.LittleEndian.Uint64(body[8:]))
	for len(l.unsafe) > 0 && l.unsafe[0].at < upto {
		l.unsafe = l.unsafe[1:]
	}
	for f := body[17:]; len(f) > 0; f = f[20:] {
		l.stamps[int(binary.LittleEndian.Uint32(f))] = stamp{
			size:  int64(binary.LittleEndian.Uint64(f[4:])),
			mtime: int64(binary.LittleEndian.Uint64(f[12:])),
		}
	}
	return nil
}

func readTime(body []byte) time.Time {
	return time.UnixMilli(int64(binary.LittleEndian.Uint64(body)))
}
