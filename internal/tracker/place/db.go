package place

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// A DB finds countries and autonomous systems in .mmdb files. Its methods may be called
// by any goroutine.
type DB struct {
	paths []string
	files atomic.Pointer[[]*mmdbFile]
}

// An mmdbFile is one .mmdb file in memory. It is not mapped: who writes a new one over it
// would end the process.
type mmdbFile struct {
	tree *maxminddb.Reader
	// records are what the data section says, by offset, read once: a lookup decodes
	// nothing.
	records map[uintptr]record
}

type record struct {
	asn     uint32
	country [2]byte
}

// Open reads .mmdb files that give the country, the autonomous system or both: those of
// MaxMind (GeoLite2-Country, -City, -ASN), DB-IP, IPinfo (Lite, country_asn) and
// ip-location-db. Where several know something, the first has the last word. Without
// a path, Locate tells what OfAddr tells.
//
// Every record is read, so that a damaged file is found now.
func Open(paths ...string) (*DB, error) {
	db := &DB{paths: paths}
	if err := db.Reload(); err != nil {
		return nil, err
	}
	return db, nil
}

// Reload reads the files again. If that fails for one, all stay as they were.
func (db *DB) Reload() error {
	var files []*mmdbFile
	for _, path := range db.paths {
		f, err := read(path)
		if err != nil {
			return fmt.Errorf("place database %s: %w", path, err)
		}
		files = append(files, f)
	}
	db.files.Store(&files)
	return nil
}

var errLoop = errors.New("damaged, fetch it again: its tree runs in circles")

var errNothing = errors.New("it has neither countries nor autonomous systems; a country, city or ASN database is needed")

func read(path string) (*mmdbFile, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		if p := new(os.PathError); errors.As(err, &p) {
			err = p.Err // the path is said already
		}
		return nil, err
	}
	return parse(b)
}

func parse(b []byte) (*mmdbFile, error) {
	tree, err := maxminddb.OpenBytes(b)
	if err != nil {
		return nil, fmt.Errorf("not a complete .mmdb file, fetch it again: %w", err)
	}
	f := &mmdbFile{tree: tree, records: make(map[uintptr]record)}
	useful := false
	// A tree has one leaf more than nodes; four times as many are a damaged one, in which
	// children point back, and could be walked forever.
	leaves := 4 * tree.Metadata.NodeCount
	for found := range tree.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if leaves == 0 {
			return nil, errLoop
		}
		leaves--
		if found.Err() == nil && !found.Found() {
			continue
		}
		at := found.Offset()
		if _, known := f.records[at]; known && found.Err() == nil {
			continue
		}
		var raw rawRecord
		if err := found.Decode(&raw); err != nil {
			return nil, fmt.Errorf("damaged, fetch it again: %w", err)
		}
		r := raw.record()
		f.records[at] = r
		useful = useful || r != record{}
	}
	if !useful {
		return nil, errNothing
	}
	return f, nil
}

// Locate tells where an address is. It allocates nothing.
func (db *DB) Locate(a netip.Addr) swarm.Place {
	a = a.Unmap()
	p := OfAddr(a)
	if !a.IsValid() {
		return p
	}
	for _, f := range *db.files.Load() {
		found := f.tree.Lookup(a)
		if !found.Found() {
			continue
		}
		r := f.records[found.Offset()]
		if p.ASN == 0 {
			p.ASN = r.asn
		}
		if p.Country == [2]byte{} {
			p.Country = r.country
		}
	}
	return p
}

// rawRecord has the names that the makers of databases use. Some of them use a name for a
// string where others have a map or a number under it.
type rawRecord struct {
	Country           any `maxminddb:"country"`
	RegisteredCountry any `maxminddb:"registered_country"`
	CountryCode       any `maxminddb:"country_code"`
	ASN               any `maxminddb:"asn"`
	ASNumber          any `maxminddb:"autonomous_system_number"`
}

func (r *rawRecord) record() (out record) {
	for _, v := range [...]any{r.CountryCode, r.Country, r.RegisteredCountry} {
		if m, ok := v.(map[string]any); ok {
			v = m["iso_code"]
		}
		if c, ok := country(v); ok {
			out.country = c
			break
		}
	}
	for _, v := range [...]any{r.ASNumber, r.ASN} {
		if n := asn(v); n != 0 {
			out.asn = n
			break
		}
	}
	return out
}

// country reads an ISO 3166-1 code. IPinfo has a country's name where others have its code.
func country(v any) (c [2]byte, ok bool) {
	s, _ := v.(string)
	if len(s) != 2 {
		return c, false
	}
	for i := range c {
		c[i] = s[i] &^ 0x20
		if c[i] < 'A' || c[i] > 'Z' {
			return [2]byte{}, false
		}
	}
	return c, true
}

// asn reads 64496, "64496" or "AS64496".
func asn(v any) uint32 {
	switch v := v.(type) {
	case uint64:
		if v>>32 == 0 {
			return uint32(v)
		}
	case string:
		n, err := strconv.ParseUint(strings.TrimPrefix(v, "AS"), 10, 32)
		if err == nil {
			return uint32(n)
		}
	}
	return 0
}
