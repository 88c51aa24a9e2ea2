package webseed

import (
	"slices"
	"strconv"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

// The last block of a piece makes it whole, so it does not wait for those behind it.
func TestAPieceThatBecomesWholeDoesNotWait(t *testing.T) {
	r := start(t, folder(10*pl), Config{})
	r.ask(r.blocks(0)...)
	r.step(Arrived{1, 1})
	r.ask(append(r.blocks(5)[3:], r.blocks(6)[:2]...)...)
	if len(r.fetches) != 2 || !slices.Equal(r.last().Blocks, r.blocks(5)[3:]) {
		t.Errorf("%+v", r.fetches)
	}
}

// A flight through many small files is cut, to as many requests as there may be.
func TestAFlightThroughManyFilesIsCut(t *testing.T) {
	info := &metainfo.Info{Name: "d", PieceLength: pl, HasV1: true}
	const size = bs / 8
	for k := range 64 {
		info.Files = append(info.Files, metainfo.File{Path: []string{strconv.Itoa(k)}, Offset: info.Length, Length: size})
		info.Length += size
	}
	r := start(t, info, Config{})
	all := r.blocks(0, 1)
	r.ask(all...)
	if f := r.fetches[0]; len(f.Parts) != maxParts || !slices.Equal(f.Blocks, all[:4]) {
		t.Fatalf("%d requests for %d blocks", len(f.Parts), len(f.Blocks))
	}
	r.finish(r.fetches[0])
	if f := r.last(); len(f.Parts) != maxParts || !slices.Equal(f.Blocks, all[4:]) {
		t.Errorf("then %d requests for %d blocks", len(f.Parts), len(f.Blocks))
	}
}

// The first file is a file like others.
func TestTheFirstFileIsMissing(t *testing.T) {
	r := start(t, folder(2*pl, 2*pl), Config{})
	r.ask(r.blocks(0)...)
	r.step(Ended{Flight: r.last().Flight, Problem: &Problem{Kind: Gone, Why: "no such file"}})
	if r.over != nil || !slices.Equal(r.offered, []int{2}) {
		t.Errorf("given up: %v, offered %v", r.over, r.offered)
	}
}

// A piece by BEP 17 that is not there is no file that is missing: there is nothing
// else to ask for.
func TestAMissingPieceOfBEP17(t *testing.T) {
	r := start(t, folder(2*pl, 2*pl), Config{Pieces: true})
	r.ask(r.blocks(0)...)
	r.step(Ended{Flight: r.last().Flight, Problem: &Problem{Kind: Gone, Why: "no such file"}})
	if r.over == nil {
		t.Error("it is asked on")
	}
}
