package storage

import (
	"errors"
	"fmt"
	"syscall/js"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

// A folder of hundreds of files, whatever they are called, takes a bounded number of locks.
func TestOPFSOpensFewFilesAtOnce(t *testing.T) {
	fake := useFake(t)
	names := []string{"con:3", "..a/aux.txt:4", "A:9", "a:8", "a./b :5"}
	for k := range 300 {
		names = append(names, fmt.Sprintf("deep/%d.bin:%d", k, 1+k*37))
	}
	s := makeSample(t, true, true, names...)
	o := openOPFS(t, s)
	for i := range s.Info.NumPieces() {
		s.fill(t, o, i)
		if err := o.MarkHave(i); err != nil {
			t.Fatal(err)
		}
	}
	s.wantSpace(t, o)
	if most := fake.Get("most").Int(); most > maxOpenFiles+2 { // the index, and one that takes another's place
		t.Errorf("%d files were open at once", most)
	}
	s.wantFiles(t, fake)
	if err := o.Close(); err != nil || fake.Get("open").Get("size").Int() != 0 {
		t.Errorf("%v, %d files are open", err, fake.Get("open").Get("size").Int())
	}
	o = openOPFS(t, s)
	wantBits(t, "have", o.Have(), full(s.Info.NumPieces()))
	s.wantSpace(t, o)
	o.Close()
}

// What could not be flushed when its file was closed for another is not called stored.
func TestOPFSKnowsWhatWasNotFlushed(t *testing.T) {
	fake := useFake(t)
	var names []string
	for k := range maxOpenFiles + 1 {
		names = append(names, fmt.Sprintf("%03d:%d", k, pieceLen))
	}
	s := makeSample(t, true, false, names...)
	o := openOPFS(t, s)
	s.fill(t, o, 0)
	if err := o.MarkHave(0); err != nil {
		t.Fatal(err)
	}
	proto := o.index.v.Get("constructor").Get("prototype")
	mend := throws(proto, "flush", "QuotaExceededError")
	for i := 1; i <= maxOpenFiles; i++ {
		s.fill(t, o, i)
	}
	if o.files[0].h != nil || !o.files[0].dirty {
		t.Error("the first file is open, or counts as flushed")
	}
	o.timer.Stop()
	o.flushLater()
	if o.Have().Has(0) {
		t.Error("the piece counts as stored")
	}
	mend()
	o.flushLater()
	if !o.Have().Has(0) {
		t.Error("it was not tried again")
	}
	closeTab(fake, o)
}

// The tab that had a file open is gone a moment later.
func TestOPFSWaitsForATabThatIsClosing(t *testing.T) {
	fake := useFake(t)
	s := mixed(t, true, true)
	o := openOPFS(t, s)
	s.fill(t, o, 0)
	if err := o.MarkHave(0); err != nil {
		t.Fatal(err)
	}
	o.Close()
	open, key := fake.Get("open"), s.Info.Key().String()
	open.Call("set", key+".index", js.ValueOf(1))
	open.Call("set", key+"/0", js.ValueOf(1))
	time.AfterFunc(100*time.Millisecond, func() { open.Call("delete", key+".index") })
	time.AfterFunc(200*time.Millisecond, func() { open.Call("delete", key+"/0") })
	o = openOPFS(t, s)
	if _, err := o.ReadAt(make([]byte, pieceLen), 0); err != nil {
		t.Error(err)
	}
	// A file that stays locked is an error, and no reason to wait for ever.
	open.Call("set", key+"/2", js.ValueOf(1))
	if _, err := o.WriteAt(s.piece(4), 4*pieceLen); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
	o.Close()
}

// A file that was removed behind our back is missing, and can be written anew.
func TestOPFSWithoutOneOfItsFiles(t *testing.T) {
	fake := useFake(t)
	s := makeSample(t, true, true, "movie.mp4:200000")
	o := openOPFS(t, s)
	s.fill(t, o)
	o.closeFiles()
	fake.Get("files").Call("delete", s.Info.Key().String()+"/0")
	if _, err := o.ReadAt(make([]byte, 10), 0); !errors.Is(err, ErrMissing) {
		t.Errorf("got %v", err)
	}
	s.fill(t, o)
	s.wantSpace(t, o)
	o.Close()
}

// Nothing that a visit leaves half done takes room for ever.
func TestOPFSLeavesNothingBehind(t *testing.T) {
	fake := useFake(t)
	s := mixed(t, true, true)
	o := openOPFS(t, s)
	s.fill(t, o)
	if err := o.MarkHave(0); err != nil {
		t.Fatal(err)
	}
	o.Close()
	// An earlier version had all in one file beside the index, which said so.
	key := s.Info.Key().String()
	b := lies(fake, key+".index")
	b[len("shoal opfs ")] = '1'
	put(fake, key+".index", b)
	put(fake, key+".data", make([]byte, 1000))
	o, err := OpenOPFS(s.Info.Key())
	if err != nil || o.Info() != nil || lies(fake, key+".data") != nil || lies(fake, key+"/0") != nil {
		t.Errorf("%v, or something is left of what an earlier version kept", err)
	}
	if err := o.SetInfo(s.Info); err != nil {
		t.Fatal(err)
	}
	s.fill(t, o)
	o.Close()
	// Tabs that were closed while they removed something.
	files := fake.Get("files")
	files.Call("delete", key+".index")
	other := metainfo.Hash{9}
	put(fake, other.String()+".data", make([]byte, 5000))
	kept, err := KeptOPFS()
	if err != nil || len(kept) != 2 {
		t.Fatalf("%v, %v", kept, err)
	}
	for _, k := range kept {
		if k.Info != nil || k.Stored == 0 {
			t.Errorf("half a torrent: %v", k)
		}
		if err := RemoveOPFS(k.Key); err != nil {
			t.Error(err)
		}
	}
	if n := files.Get("size").Int(); n != 0 {
		t.Errorf("%d files are left", n)
	}
}
