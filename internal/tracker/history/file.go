package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	metaBucket   = []byte("meta")
	swarmsBucket = []byte("swarms")
	hoursBucket  = []byte("hours")
	daysBucket   = []byte("days")
	formatKey    = []byte("format")
)

const format = 1

// lockTimeout is how long Open waits for another process: one that ends, at a restart.
const lockTimeout = time.Second

// Open reads a file, or makes it. It fails if it cannot write there, or another process has it; the error
// names the file.
func Open(path string, conf Config) (*Store, error) {
	if conf.Swarms <= 0 {
		conf.Swarms = defaultSwarms
	}
	s := &Store{
		conf: conf, swarms: make(map[Hash]record), dirty: make(map[Hash]struct{}),
		hours: series{step: hour, keep: keepHours}, days: series{step: day, keep: keepDays},
	}
	if err := s.open(path); err != nil {
		return nil, fmt.Errorf("cannot keep the history in %s: %w", path, explain(err))
	}
	return s, nil
}

var errFormat = errors.New("it was written by a newer version of this program")

func (s *Store) open(path string) (err error) {
	// bbolt trusts its pages: in a file that is damaged it panics, or reads beyond the end.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w (%v)", bolterrors.ErrInvalid, r)
		}
	}()
	// Not NoFreelistSync: then bbolt reads all pages in a goroutine of its own, where nobody
	// recovers from what it does not like.
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	ok := false
	defer func() {
		if !ok {
			db.Close()
		}
	}()
	// A commit at once tells whether one is possible at all, such as on a full disk.
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{metaBucket, swarmsBucket, hoursBucket, daysBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(metaBucket)
		if was := meta.Get(formatKey); was != nil && (len(was) != 1 || was[0] != format) {
			return errFormat
		}
		return meta.Put(formatKey, []byte{format})
	})
	if err == nil {
		err = db.View(s.load)
	}
	if err != nil {
		return err
	}
	s.db, ok = db, true
	return nil
}

// load reads everything. What is not of the expected shape is left out.
func (s *Store) load(tx *bbolt.Tx) error {
	err := tx.Bucket(swarmsBucket).ForEach(func(k, v []byte) error {
		if len(k) == len(Hash{}) && v != nil {
			h := Hash(k)
			s.swarms[h] = parseRecord(v)
			if len(s.swarms) > s.conf.Swarms { // it was larger once
				s.drop(s.least())
			}
		}
		return nil
	})
	for _, from := range []struct {
		bucket []byte
		to     *series
	}{{hoursBucket, &s.hours}, {daysBucket, &s.days}} {
		if err != nil {
			return err
		}
		err = tx.Bucket(from.bucket).ForEach(func(k, v []byte) error {
			if p, ok := parsePoint(k, v); ok {
				from.to.points = append(from.to.points, p)
			}
			return nil
		})
	}
	return err
}

// explain says an error of bbolt in words for the operator.
func explain(err error) error {
	var p *fs.PathError
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return errors.New("another process uses it")
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("it is damaged or something else, move it away to begin anew: %w", err)
	case errors.As(err, &p):
		return p.Err
	}
	return err
}

// Flush writes what has changed since the last time, in one transaction: after a crash the file has
// all of it or nothing. What could not be written is tried again by the next Flush. It is
// to be called twice a minute or so; with an idle tracker it does nothing.
func (s *Store) Flush(now time.Time) error {
	s.flush.Lock()
	defer s.flush.Unlock()
	type change struct {
		h    Hash
		text []byte // nil: delete
	}
	s.mu.Lock()
	s.age(now)
	s.hours.trim(now)
	s.days.trim(now)
	changes := make([]change, 0, len(s.dirty))
	for h := range s.dirty {
		c := change{h: h}
		if r, ok := s.swarms[h]; ok {
			c.text = r.appendTo(nil)
		}
		changes = append(changes, c)
	}
	hours, days := s.hours.unwritten(), s.days.unwritten()
	s.dirty = make(map[Hash]struct{})
	s.mu.Unlock()
	if len(changes) == 0 && len(hours) == 0 && len(days) == 0 {
		return nil
	}

	err := s.db.Update(func(tx *bbolt.Tx) error {
		swarms := tx.Bucket(swarmsBucket)
		for i := range changes {
			c := &changes[i]
			var err error
			if c.text == nil {
				err = swarms.Delete(c.h[:])
			} else {
				err = swarms.Put(c.h[:], c.text)
			}
			if err != nil {
				return err
			}
		}
		if err := writePoints(tx.Bucket(hoursBucket), hours, now.Add(-keepHours)); err != nil {
			return err
		}
		return writePoints(tx.Bucket(daysBucket), days, now.Add(-keepDays))
	})
	if err != nil {
		s.mu.Lock()
		for i := range changes {
			s.dirty[changes[i].h] = struct{}{}
		}
		s.hours.dirty = min(s.hours.dirty+len(hours), len(s.hours.points))
		s.days.dirty = min(s.days.dirty+len(days), len(s.days.points))
		s.mu.Unlock()
		return fmt.Errorf("cannot write the history to %s: %w", s.db.Path(), explain(err))
	}
	return nil
}

// unwritten returns the points that differ from the file, which then count as written.
func (s *series) unwritten() []Point {
	out := slices.Clone(s.points[len(s.points)-s.dirty:])
	s.dirty = 0
	return out
}

// writePoints puts points and deletes those before a time.
func writePoints(b *bbolt.Bucket, points []Point, before time.Time) error {
	var key [8]byte
	for i := range points {
		binary.BigEndian.PutUint64(key[:], uint64(points[i].Start.Unix()))
		if err := b.Put(key[:], points[i].appendTo(nil)); err != nil {
			return err
		}
	}
	for c := b.Cursor(); ; {
		k, v := c.First()
		if k == nil {
			return nil
		}
		// The last one stays, whatever the clock says, as in memory.
		if p, ok := parsePoint(k, v); ok && !p.Start.Before(before) {
			return nil
		}
		if last, _ := b.Cursor().Last(); string(last) == string(k) {
			return nil
		}
		if err := b.Delete(k); err != nil {
			return err
		}
	}
}

// Close writes what has changed and closes the file.
func (s *Store) Close(now time.Time) error {
	err := s.Flush(now)
	return errors.Join(err, s.db.Close())
}
