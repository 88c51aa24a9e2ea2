package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// strip takes out of a program the unused functions and what only a stack trace shows: file names,
// line tables, and the names of functions that are not of our module. Ours stay, without
// the package's path, so a crash in a tab still tells where. With the segments laid anew
// (see memory), a seventh of what a visitor downloads is gone.
//
// The tables are those of the Go linker (runtime.pcHeader, runtime._func); a
// program whose tables look otherwise is an error.
func strip(wasm []byte, module string, unused []string) ([]byte, error) {
	sections, err := readSections(wasm)
	if err != nil {
		return nil, err
	}
	if err := dropUnused(sections, unused); err != nil {
		return nil, err
	}
	out := append([]byte(nil), wasm[:len(wasmMagic)]...)
	found := false
	for _, s := range sections {
		switch s.id {
		case customSection:
			continue // names and producers
		case dataSection:
			m, err := readMemory(s.body)
			if err != nil {
				return nil, err
			}
			t, err := findTables(m.bytes)
			if err != nil {
				return nil, err
			}
			t.dropLines()
			t.dropNames(module)
			s.body = m.encode()
			found = true
		}
		out = s.append(out)
	}
	if !found {
		return nil, errors.New("strip: the program has no data")
	}
	return out, nil
}

// tables are Go's tables about functions, in the memory of the program.
type tables struct {
	mem []byte
	// Offsets into mem.
	names, units, files, pcs, funcs int
	n                               int // functions
}

// Offsets in runtime._func.
const (
	atName   = 4
	atPCSP   = 16
	atPCFile = 20
	atPCLine = 24
	atPCData = 28 // number of further tables
	atUnit   = 32 // where the names of its files are
	atLine   = 36
	funcLen  = 44 // then the offsets of the further tables
)

// header begins Go's tables: the magic of Go 1.20 and later, instructions of one
// byte, pointers of eight.
var header = []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}

func findTables(mem []byte) (*tables, error) {
	for at := 0; ; at++ {
		k := bytes.Index(mem[at:], header)
		if k < 0 {
			return nil, errors.New("strip: Go's function tables are not where this tool chain is known to put them")
		}
		at += k
		if t := tablesAt(mem, at); t != nil {
			return t, nil
		}
	}
}

// tablesAt reads the header at an offset; nil if it only looks like one.
func tablesAt(mem []byte, at int) *tables {
	if len(mem)-at < 72 {
		return nil
	}
	word := func(k int) int { return int(binary.LittleEndian.Uint64(mem[at+8*k:])) }
	t := &tables{mem: mem, n: word(1), names: at + word(4), units: at + word(5), files: at + word(6), pcs: at + word(7), funcs: at + word(8)}
	inOrder := at < t.names && t.names < t.units && t.units <= t.files && t.files < t.pcs && t.pcs < t.funcs && t.funcs < len(mem)
	if !inOrder || t.n < 1 || t.n > (len(mem)-t.funcs)/8 {
		return nil
	}
	for i := range t.n {
		f := t.fn(i)
		if f < t.funcs || f+funcLen > len(mem) || f+funcLen+4*t.get(f+atPCData) > len(mem) || t.get(f+atName) >= t.units-t.names {
			return nil
		}
		for _, off := range t.live(f, []int{t.get(f + atPCFile), t.get(f + atPCLine)}) {
			if off >= t.funcs-t.pcs {
				return nil
			}
		}
	}
	return t
}

func (t *tables) get(at int) int { return int(binary.LittleEndian.Uint32(t.mem[at:])) }

func (t *tables) set(at, v int) { binary.LittleEndian.PutUint32(t.mem[at:], uint32(v)) }

// fn is where function i is described.
func (t *tables) fn(i int) int { return t.funcs + t.get(t.funcs+8*i+4) }

// live appends the tables that a running program needs: how deep the stack is, and
// what the collector asks.
func (t *tables) live(f int, list []int) []int {
	list = append(list, t.get(f+atPCSP))
	for k := range t.get(f + atPCData) {
		list = append(list, t.get(f+funcLen+4*k))
	}
	return list
}

// dropLines removes what says which line of which file an instruction is of. The
// runtime shows "?:0" then.
func (t *tables) dropLines() {
	live, dead := map[int]bool{}, map[int]bool{}
	var list []int
	for i := range t.n {
		f := t.fn(i)
		for _, off := range t.live(f, list[:0]) {
			live[off] = true
		}
		dead[t.get(f+atPCFile)], dead[t.get(f+atPCLine)] = true, true
		t.set(f+atPCFile, 0)
		t.set(f+atPCLine, 0)
		t.set(f+atLine, 0)
		t.set(f+atUnit, 0)
	}
	for off := range dead {
		if off != 0 && !live[off] {
			clear(t.mem[t.pcs+off : t.endOfPCs(t.pcs+off)])
		}
	}
	clear(t.mem[t.units:t.pcs]) // the names of files, and who has which
}

// endOfPCs is the end of a table: pairs of varints, value and pc, until a value
// of 0 that is not the first.
func (t *tables) endOfPCs(at int) int {
	varint := func() (zero bool) {
		zero = t.mem[at] == 0
		for at < t.funcs-1 && t.mem[at] >= 0x80 {
			at++
		}
		at++
		return zero
	}
	for first := true; at < t.funcs; first = false {
		if varint() && !first {
			break
		}
		if at < t.funcs {
			varint()
		}
	}
	return min(at, t.funcs)
}

// dropNames keeps the names of functions of the module and of main, and what the
// runtime itself asks names for: whether a goroutine is one of its own, and the
// two stubs of package reflect.
func (t *tables) dropNames(module string) {
	names := t.mem[t.names:t.units]
	old := bytes.Clone(names)
	clear(names)
	at := 1 // offset 0 is the empty name
	put := func(name string) (off int) {
		off = at
		at += copy(names[at:], name) + 1
		return off
	}
	known := map[string]int{"": 0}
	for i := range t.n {
		f := t.fn(i)
		name, _, _ := bytes.Cut(old[t.get(f+atName):], []byte{0})
		short := shortName(string(name), module)
		off, ok := known[short]
		if !ok {
			off = put(short)
			known[short] = off
		}
		t.set(f+atName, off)
	}
}

// closure ends the name of a function that stands in another.
var closure = regexp.MustCompile(`(\.func\d|\.gowrap\d|\.deferwrap\d|-range\d|-fm$).*`)

// shortName is what is kept of a name: the last element of the package's path, the
// type, the method; a function within a function has the name of that.
func shortName(name, module string) string {
	switch {
	case strings.HasPrefix(name, module+"/"), strings.HasPrefix(name, "main."):
		name, _, _ = strings.Cut(name, "[")
		return closure.ReplaceAllString(name[strings.LastIndexByte(name, '/')+1:], "")
	case strings.HasPrefix(name, "runtime."):
		return "runtime."
	case strings.HasPrefix(name, "reflect."):
		return name
	}
	return ""
}

const (
	customSection = 0
	dataSection   = 11
)

var wasmMagic = []byte("\x00asm\x01\x00\x00\x00")

type section struct {
	id   byte
	body []byte
}

func (s *section) append(b []byte) []byte {
	b = append(b, s.id)
	b = binary.AppendUvarint(b, uint64(len(s.body)))
	return append(b, s.body...)
}

func readSections(wasm []byte) ([]section, error) {
	rest, ok := bytes.CutPrefix(wasm, wasmMagic)
	if !ok {
		return nil, errors.New("strip: not a WebAssembly program")
	}
	var all []section
	for len(rest) > 0 {
		id := rest[0]
		n, k := binary.Uvarint(rest[1:])
		if k <= 0 || n > uint64(len(rest)-1-k) {
			return nil, fmt.Errorf("strip: section %d is cut short", id)
		}
		all = append(all, section{id, rest[1+k : 1+k+int(n)]})
		rest = rest[1+k+int(n):]
	}
	return all, nil
}
