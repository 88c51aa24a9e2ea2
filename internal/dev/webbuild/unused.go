package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// unused are functions that the linker keeps and a tab never runs: nobody asks the engine for a
// trace, a profile, metrics or a report of its scheduler, no environment variable reaches it to
// search for a fault by halving, no second module is loaded, and it writes no date and no
// fraction. A name that ends in a dot or * stands for all that begin so. Names are those of the
// name section, where what is no letter, digit or dot is an underscore. A name that no function
// has is an error: the tool chain has changed.
var unused = []string{
	"runtime.initMetrics*",
	"runtime.schedtrace*",
	"runtime.printScavTrace",
	"runtime.checkFinalizersAndCleanups*",
	"runtime.typesEqual",
	"runtime.__profBuf_.",
	"runtime.saveblockevent",
	"runtime.stkbucket",
	"runtime.dumpScanStats",
	"runtime.dumpStacksRec",
	"runtime.dumpTypesRec",
	"runtime.printOneCgoTraceback",
	"runtime.printAncestorTraceback*",
	"runtime.traceAdvance*",
	"runtime.traceStack",
	"runtime.traceReadCPU",
	"runtime.traceCPUFlush*",
	"runtime.traceRegisterLabelsAndReasons",
	"runtime.traceSyncBatch*",
	"runtime.traceThreadDestroy*",
	"runtime.traceWriter.",
	"runtime.traceEventWriter.",
	"runtime.traceLocker.",
	"runtime.__traceMap_.",
	"runtime.__traceRegionAlloc_.",
	"runtime.__traceStackTable_.",
	"runtime.__traceStringTable_.",
	"runtime.__traceTypeTable_.",
	"runtime.makeTraceFrame*",
	"internal_bisect.",
	"time.Time.appendFormat*",
	"time.nextStdChunk",
	"time.tzset*",
	"internal_strconv.fmtB",
	"internal_strconv.fmtE",
	"internal_strconv.fmtF",
	"internal_strconv.fmtX",
	"internal_strconv.dbox*",
	"internal_strconv.genericFtoa",
	"internal_strconv.fixedFtoa",
	"internal_strconv.bigFtoa",
	"internal_strconv.roundShortest",
	"internal_strconv.AppendComplex",
	"internal_strconv.leftShift",
	"internal_strconv.rightShift",
}

// needed are of those above the ones that run all the same.
var needed = []string{"runtime.traceLocker.ok"}

// dropUnused makes the bodies of the unused functions a trap: should one run against all
// expectation, the engine crashes and the page starts another.
func dropUnused(sections []section, unused []string) error {
	if len(unused) == 0 {
		return nil
	}
	names, err := functionNames(sections)
	if err != nil {
		return err
	}
	found := make([]bool, len(unused))
	drop := map[uint64]bool{}
	for i, name := range names {
		for k, u := range unused {
			prefix, many := strings.CutSuffix(u, "*")
			if name == u || (many || strings.HasSuffix(u, ".")) && strings.HasPrefix(name, prefix) {
				found[k] = true
				drop[i] = true
			}
		}
		for _, n := range needed {
			if name == n {
				delete(drop, i)
			}
		}
	}
	for k, ok := range found {
		if !ok {
			return fmt.Errorf("strip: no function is named %s", unused[k])
		}
	}
	imported, err := importedFunctions(sections)
	if err != nil {
		return err
	}
	for i := range sections {
		if s := &sections[i]; s.id == codeSection {
			if s.body, err = trapBodies(s.body, imported, drop); err != nil {
				return err
			}
		}
	}
	return nil
}

// trapBodies replaces functions of a code section, WebAssembly 2.0 section 5.5.13, by their index;
// the first of them has the index first.
func trapBodies(code []byte, first uint64, drop map[uint64]bool) ([]byte, error) {
	r := reader{b: code}
	n := r.uint()
	out := binary.AppendUvarint(nil, n)
	for i := uint64(0); i < n && r.err == nil; i++ {
		body := r.bytes(r.uint())
		if drop[first+i] {
			body = []byte{0, opUnreachable, opEnd} // no locals
		}
		out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	}
	return out, r.err
}

const (
	importSection = 2
	codeSection   = 10

	opUnreachable = 0x00
	opEnd         = 0x0b

	functionNameMap = 1 // of the name section's parts
	functionImport  = 0
)

// importedFunctions counts the functions that the host brings; they have the first indices.
func importedFunctions(sections []section) (count uint64, err error) {
	for _, s := range sections {
		if s.id != importSection {
			continue
		}
		r := reader{b: s.body}
		for n := r.uint(); n > count && r.err == nil; count++ {
			r.bytes(r.uint())
			r.bytes(r.uint())
			if kind := r.bytes(1); r.err == nil && kind[0] != functionImport {
				return 0, errors.New("strip: the program imports more than functions")
			}
			r.uint()
		}
		return count, r.err
	}
	return 0, nil
}

// functionNames reads the name section, section 7.4.1 of WebAssembly 2.0.
func functionNames(sections []section) (map[uint64]string, error) {
	names := map[uint64]string{}
	for _, s := range sections {
		if s.id != customSection {
			continue
		}
		r := reader{b: s.body}
		if string(r.bytes(r.uint())) != "name" {
			continue
		}
		for len(r.b) > 0 && r.err == nil {
			kind := r.bytes(1)
			part := reader{b: r.bytes(r.uint())}
			if r.err != nil || kind[0] != functionNameMap {
				continue
			}
			for n := part.uint(); n > 0 && part.err == nil; n-- {
				i := part.uint()
				names[i] = string(part.bytes(part.uint()))
			}
			if part.err != nil {
				return nil, part.err
			}
		}
		return names, r.err
	}
	return nil, errors.New("strip: the program does not name its functions")
}

// reader takes numbers and bytes off the front; after an error it returns nothing.
type reader struct {
	b   []byte
	err error
}

func (r *reader) uint() uint64 {
	n, k := binary.Uvarint(r.b)
	if k <= 0 {
		r.b, r.err = nil, errCut
		return 0
	}
	r.b = r.b[k:]
	return n
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.b, r.err = nil, errCut
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

var errCut = errors.New("strip: a section is cut short")
