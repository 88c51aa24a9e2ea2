package storage

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"strconv"
	"strings"
	"syscall/js"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

// fakeOPFS is as much of the origin private file system as a store uses. Where
// a real one is at hand (see browser_test.go) the tests run on that.
const fakeOPFS = `
(() => {
  const error = (name) => new DOMException(name, name);
  const fs = { files: new Map(), open: new Map(), times: new Map(), clock: 0, quota: Infinity, short: false, most: 0 };
  class Handle {
    constructor(name) { this.name = name; }
    get data() { if (fs.open.get(this.name) !== this) throw error("InvalidStateError"); return fs.files.get(this.name); }
    getSize() { return this.data.length; }
    grow(n) {
      let used = 0;
      for (const [k, v] of fs.files) used += k === this.name ? 0 : v.length;
      if (n > this.data.length && used + n > fs.quota) throw error("QuotaExceededError");
      const d = new Uint8Array(n); d.set(this.data.subarray(0, n)); fs.files.set(this.name, d);
    }
    truncate(n) { this.grow(n); }
    read(buf, { at }) { const part = this.data.subarray(at, at + buf.length); buf.set(part); return part.length; }
    write(buf, { at }) {
      if (fs.short) buf = buf.subarray(0, Math.ceil(buf.length / 2));
      if (at + buf.length > this.data.length) this.grow(at + buf.length);
      fs.times.set(this.name, ++fs.clock); this.data.set(buf, at); return buf.length;
    }
    flush() { this.data; }
    close() { if (fs.open.get(this.name) === this) fs.open.delete(this.name); }
  }
  class FileSystemFileHandle {
    constructor(name) { this.name = name; this.kind = "file"; }
    async getFile() {
      const d = fs.files.get(this.name);
      if (!d) throw error("NotFoundError");
      return { name: this.name.split("/").at(-1), size: d.length, lastModified: fs.times.get(this.name) ?? 0,
        slice(a, b) { return { async arrayBuffer() { return d.slice(a, b).buffer; } }; } };
    }
    async createSyncAccessHandle() {
      if (fs.open.has(this.name)) throw error("NoModificationAllowedError");
      const h = new Handle(this.name); fs.open.set(this.name, h); fs.most = Math.max(fs.most, fs.open.size); return h;
    }
  }
  // A folder is what its files' names begin with.
  const folders = new Set();
  class Folder {
    constructor(path) { this.path = path; }
    all() { return [...fs.files.keys()].filter((name) => name.startsWith(this.path)).map((name) => name.slice(this.path.length)); }
    async getDirectoryHandle(name, how) {
      const path = this.path + name + "/";
      if (!folders.has(path) && ![...fs.files.keys()].some((file) => file.startsWith(path))) { if (!how?.create) throw error("NotFoundError"); folders.add(path); }
      return new Folder(path);
    }
    async getFileHandle(name, { create }) {
      if (/[/\\:*?"<>|\x00-\x1f]|^\.\.?$|^$|[. ]$/.test(name)) throw new TypeError("Name is not allowed.");
      name = this.path + name;
      if (!fs.files.has(name)) { if (!create) throw error("NotFoundError"); fs.files.set(name, new Uint8Array(0)); }
      return new FileSystemFileHandle(name);
    }
    async removeEntry(name, how) {
      name = this.path + name;
      const inside = [...fs.files.keys()].filter((file) => file.startsWith(name + "/"));
      for (const file of [name, ...inside]) if (fs.open.has(file)) throw error("NoModificationAllowedError");
      if (inside.length && !how?.recursive) throw error("InvalidModificationError");
      inside.forEach((file) => fs.files.delete(file));
      if (!folders.delete(name + "/") && !inside.length && !fs.files.delete(name)) throw error("NotFoundError");
    }
    async *values() {
      for (const name of this.all()) yield new FileSystemFileHandle(this.path + name);
    }
    async *keys() { yield* new Set([...this.all(), ...[...folders].map((f) => f.slice(this.path.length))].map((name) => name.split("/")[0])); }
  }
  const dir = new Folder("");
  globalThis.FileSystemFileHandle = FileSystemFileHandle;
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { storage: {
    async getDirectory() { return { async getDirectoryHandle() { return dir; } }; },
    async estimate() { let u = 0; for (const v of fs.files.values()) u += v.length; return { usage: u, quota: fs.quota === Infinity ? 1e12 : fs.quota }; },
  } } });
  globalThis.fakeOPFS = fs;
})()
`

// useFake puts an empty fake in place.
func useFake(t *testing.T) js.Value {
	t.Helper()
	js.Global().Call("eval", fakeOPFS)
	t.Cleanup(func() {
		js.Global().Delete("FileSystemFileHandle")
		js.Global().Delete("navigator")
	})
	return js.Global().Get("fakeOPFS")
}

func openOPFS(t *testing.T, s *sample) *OPFS {
	t.Helper()
	o, err := OpenOPFS(s.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.SetInfo(s.Info); err != nil {
		t.Fatal(err)
	}
	return o
}

// closeTab ends everything at once, as closing a tab does.
func closeTab(fake js.Value, o *OPFS) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.timer != nil {
		o.timer.Stop()
	}
	o.closeFiles()
	fake.Get("open").Call("clear")
}

// lies returns what is in a file of the fake, nil if there is none.
func lies(fake js.Value, name string) []byte {
	v := fake.Get("files").Call("get", name)
	if v.IsUndefined() {
		return nil
	}
	b := make([]byte, v.Length())
	js.CopyBytesToGo(b, v)
	return b
}

func put(fake js.Value, name string, b []byte) {
	a := newBytes(len(b))
	js.CopyBytesToJS(a, b)
	fake.Get("files").Call("set", name, a)
}

// wantFiles checks that each file of the torrent is a file, byte for byte.
func (s *sample) wantFiles(t *testing.T, fake js.Value) {
	t.Helper()
	for k, f := range s.Info.Files {
		want := s.files[strings.Join(s.Info.RawPath(k), "/")]
		if got := lies(fake, s.Info.Key().String()+"/"+strconv.Itoa(k)); (f.Pad || f.Length == 0) && got != nil || !f.Pad && !bytes.Equal(got, want) {
			t.Errorf("file %d: %d bytes, or they differ", k, len(got))
		}
	}
}

func TestOPFSKeepsATorrentForTheNextVisit(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			fake := useFake(t)
			s := mixed(t, v.v1, v.v2)
			n := s.Info.NumPieces()
			o := openOPFS(t, s)
			if o.Have().Count() != 0 {
				t.Error("pieces from nowhere")
			}
			p := make([]byte, 1)
			if _, err := o.ReadAt(p, 0); !errors.Is(err, ErrMissing) {
				t.Errorf("unwritten piece: %v", err)
			}
			for _, i := range []int{n - 1, 3, 0} { // in the order of arrival
				s.fill(t, o, i)
				if err := o.MarkHave(i); err != nil {
					t.Fatal(err)
				}
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			keys, err := ListOPFS()
			if err != nil || len(keys) != 1 || keys[0] != s.Info.Key() {
				t.Errorf("list: %v, %v", keys, err)
			}

			o, err = OpenOPFS(s.Info.Key())
			if err != nil {
				t.Fatal(err)
			}
			if o.Info() == nil || !bytes.Equal(o.Info().Bytes, s.Info.Bytes) {
				t.Fatal("the info dictionary is lost")
			}
			wantBits(t, "have", o.Have(), setOf(n, 0, 3, n-1))
			good, err := VerifyPieces(context.Background(), o, s.Info, s.Layers(), o.Have(), nil)
			if err != nil {
				t.Fatal(err)
			}
			wantBits(t, "genuine", good, o.Have())
			s.fill(t, o)
			s.wantSpace(t, o)
			s.wantFiles(t, fake)
			if err := o.Delete(); err != nil {
				t.Fatal(err)
			}
			if n := fake.Get("files").Get("size").Int(); n != 0 {
				t.Errorf("%d files left", n)
			}
		})
	}
}

func TestOPFSAfterATabWasClosed(t *testing.T) {
	fake := useFake(t)
	s := makeSample(t, true, true, "f:1000000") // 62 pieces
	n := s.Info.NumPieces()
	o := openOPFS(t, s)
	for i := range 40 {
		s.fill(t, o, i)
		if err := o.MarkHave(i); err != nil {
			t.Fatal(err)
		}
	}
	s.fill(t, o, 45) // an open piece: nobody has said that it is good
	closeTab(fake, o)
	o = openOPFS(t, s)
	unsure := o.Unsure()
	if n := unsure.Count(); n == 0 || n >= flushPieces {
		t.Errorf("%d pieces to be hashed again", n)
	}
	if n := o.Have().Count() + unsure.Count(); n != 40 {
		t.Errorf("%d of 40 pieces are left", n)
	}
	for i := range n {
		if o.Have().Has(i) && unsure.Has(i) {
			t.Errorf("piece %d is both", i)
		}
	}
	good, err := VerifyPieces(context.Background(), o, s.Info, s.Layers(), unsure, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantBits(t, "genuine", good, unsure)
	// One that is hashed again counts at once, for this tab and the next.
	first := unsure.Next(0)
	if err := o.MarkHave(first); err != nil || o.Unsure().Has(first) {
		t.Errorf("still unsure: %v", err)
	}
	closeTab(fake, o)
	o = openOPFS(t, s)
	if n := o.Have().Count() + o.Unsure().Count(); n != 40 {
		t.Errorf("%d of 40 pieces are left", n)
	}
	// What is unsure may be written over, and a piece that is being written over does
	// not count as sure.
	before := o.Have()
	s.fill(t, o, 50, 0, o.Unsure().Next(0))
	closeTab(fake, o)
	o = openOPFS(t, s)
	before.Clear(0)
	wantBits(t, "have", o.Have(), before)
	for i := range n {
		if !o.Have().Has(i) {
			s.fill(t, o, i)
			if err := o.MarkHave(i); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.wantSpace(t, o)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	o = openOPFS(t, s)
	wantBits(t, "have", o.Have(), full(n))
	s.wantSpace(t, o)
	o.Close()
}

func TestOPFSNotesPiecesWithoutBeingAsked(t *testing.T) {
	fake := useFake(t)
	s := mixed(t, true, true)
	o := openOPFS(t, s)
	s.fill(t, o, 2)
	if err := o.MarkHave(2); err != nil {
		t.Fatal(err)
	}
	if o.timer == nil {
		t.Fatal("no timer")
	}
	o.timer.Stop()
	o.flushLater() // two seconds later
	closeTab(fake, o)
	o = openOPFS(t, s)
	wantBits(t, "have", o.Have(), setOf(s.Info.NumPieces(), 2))
	o.Close()
}

// Nothing is read or written that is not the torrent's, and nothing before it is known.
func TestOPFSBounds(t *testing.T) {
	useFake(t)
	s := mixed(t, true, true)
	o, err := OpenOPFS(s.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Delete()
	for _, op := range []func([]byte, int64) (int, error){o.ReadAt, o.WriteAt} {
		if n, err := op(make([]byte, 1), 0); n != 0 || !errors.Is(err, ErrRange) {
			t.Errorf("of nobody knows what: %d, %v", n, err)
		}
	}
	if err := o.SetInfo(s.Info); err != nil {
		t.Fatal(err)
	}
	s.fill(t, o)
	end := s.Info.Length
	for _, op := range []func([]byte, int64) (int, error){o.ReadAt, o.WriteAt} {
		for _, c := range []struct {
			n  int
			at int64
			ok bool
		}{{1, -1, false}, {0, -1, false}, {1, end, false}, {2, end - 1, false}, {0, end + 1, false}, {1, end - 1, true}, {0, end, true}} {
			if n, err := op(make([]byte, c.n), c.at); c.ok != (err == nil) || !c.ok && (n != 0 || !errors.Is(err, ErrRange)) {
				t.Errorf("%d bytes at %d: %d, %v", c.n, c.at, n, err)
			}
		}
	}
}

func TestOPFSInAnotherTab(t *testing.T) {
	useFake(t)
	s := mixed(t, true, true)
	o := openOPFS(t, s)
	_, err := OpenOPFS(s.Info.Key())
	if !errors.Is(err, ErrInUse) || err.Error() != "this torrent's storage is already in use (another tab has it open); close it there" {
		t.Errorf("got %v", err)
	}
	o.Close()
	o = openOPFS(t, s)
	o.Close()
	o.Close()
	if _, err := o.WriteAt(s.piece(0), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
	if err := o.MarkHave(0); !errors.Is(err, ErrClosed) {
		t.Errorf("MarkHave after Close: %v", err)
	}
}

func TestOPFSQuota(t *testing.T) {
	for name, short := range map[string]bool{"throws": false, "writes less": true} {
		t.Run(name, func(t *testing.T) {
			fake := useFake(t)
			s := makeSample(t, true, true, "movie.mp4:200000")
			o := openOPFS(t, s)
			fake.Set("quota", 100_000)
			fake.Set("short", short)
			var err error
			written := 0
			for i := range s.Info.NumPieces() {
				if _, err = o.WriteAt(s.piece(i), int64(i)*pieceLen); err != nil {
					break
				}
				if err := o.MarkHave(i); err != nil {
					t.Fatal(err)
				}
				written++
			}
			if !errors.Is(err, ErrNoSpace) || written < 4 {
				t.Errorf("after %d pieces: %v", written, err)
			}
			want := "cannot write movie.mp4: no space left (the browser gives this site no more); free some and start again, verified pieces are kept"
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if err := o.Close(); err != nil {
				t.Errorf("what was verified is in danger: %v", err)
			}
			fake.Set("quota", 1e9)
			o = openOPFS(t, s)
			if got := o.Have().Count(); got != written {
				t.Errorf("%d of %d pieces are left", got, written)
			}
			o.Close()
		})
	}
}

func TestOPFSThatWasTamperedWith(t *testing.T) {
	fake := useFake(t)
	s := mixed(t, true, true)
	n := s.Info.NumPieces()
	o := openOPFS(t, s)
	s.fill(t, o)
	for i := range n {
		if err := o.MarkHave(i); err != nil {
			t.Fatal(err)
		}
	}
	o.Close()
	files := fake.Get("files")
	key := s.Info.Key().String()
	indexName := key + ".index"
	goIndex := lies(fake, indexName)
	all := map[string][]byte{}
	for k := range s.Info.Files {
		if b := lies(fake, key+"/"+strconv.Itoa(k)); b != nil {
			all[key+"/"+strconv.Itoa(k)] = b
		}
	}
	restore := func() {
		for name, b := range all {
			put(fake, name, b)
		}
	}
	for cut := 0; cut < len(goIndex); cut += 7 {
		for _, b := range [][]byte{goIndex[:cut], flipped(goIndex, cut)} {
			put(fake, indexName, b)
			restore()
			o, err := OpenOPFS(s.Info.Key())
			if err != nil {
				t.Fatalf("changed at %d: %v", cut, err)
			}
			if o.Info() != nil && !bytes.Equal(o.Info().Bytes, s.Info.Bytes) {
				t.Fatalf("changed at %d: another info dictionary", cut)
			}
			if have := o.Have(); have.Count() > 0 {
				good, err := VerifyPieces(context.Background(), o, s.Info, s.Layers(), have, nil)
				if err != nil || !bytes.Equal(good.Bytes(), have.Bytes()) {
					t.Fatalf("changed at %d: claims %08b, has %08b, %v", cut, have.Bytes(), good.Bytes(), err)
				}
			}
			o.Close()
		}
	}
	// Data that the browser cleared: a.bin has four pieces, of which two are left.
	put(fake, indexName, goIndex)
	restore()
	put(fake, key+"/0", make([]byte, 2*pieceLen))
	files.Call("delete", key+"/"+strconv.Itoa(len(s.Info.Files)-2)) // z.bin
	o = openOPFS(t, s)
	for i := range n {
		if at := int64(i) * pieceLen; o.Have().Has(i) && at >= 2*pieceLen && (at < 50000 || at+pieceLen > s.Info.Files[len(s.Info.Files)-2].Offset) {
			t.Errorf("piece %d is claimed, which cannot be there", i)
		}
	}
	if !o.Have().Has(0) || !o.Have().Has(1) {
		t.Error("what is left does not count")
	}
	o.Close()
	// An index of another version, or of another key of the same torrent, is none of ours
	// though it is whole.
	head := opfsHeadLen + len(s.Info.Bytes)
	for _, at := range []int{11, len(opfsMagic), len(opfsMagic) + 19} {
		b := flipped(goIndex, at)
		copy(b[head:], appendU32(nil, crc32.Checksum(b[:head], castagnoli)))
		put(fake, indexName, b)
		o, err := OpenOPFS(s.Info.Key())
		if err != nil || o.Info() != nil {
			t.Errorf("whole, but for a change at %d: %v", at, err)
		}
		o.Close()
	}
	// Another torrent's index under this name.
	put(fake, indexName, goIndex)
	other := metainfo.Hash{1}
	files.Call("set", other.String()+".index", files.Call("get", indexName))
	o, err := OpenOPFS(other)
	if err != nil || o.Info() != nil {
		t.Errorf("foreign index: %v", err)
	}
	o.Close()
	if files.Call("has", other.String()+".index").Bool() {
		t.Error("a store without info dictionary leaves a file")
	}
	if err := RemoveOPFS(s.Info.Key()); err != nil || files.Get("size").Int() != 0 {
		t.Errorf("%d files left, %v", files.Get("size").Int(), err)
	}
	if err := RemoveOPFS(s.Info.Key()); err != nil {
		t.Errorf("again: %v", err)
	}
}

func flipped(b []byte, at int) []byte {
	c := bytes.Clone(b)
	c[at] ^= 0x10
	return c
}

func TestKeptOPFS(t *testing.T) {
	fake := useFake(t)
	first, second := mixed(t, true, true), makeSample(t, true, false, "movie.mp4:200000")
	for _, s := range []*sample{first, second} {
		o := openOPFS(t, s)
		s.fill(t, o, 0, 1)
		if err := o.MarkHave(0, 1); err != nil {
			t.Fatal(err)
		}
		o.Close()
	}
	o := openOPFS(t, first) // it is used again, and only read
	fake.Get("files").Call("set", metainfo.Hash{7}.String()+".index", newBytes(3))
	kept, err := KeptOPFS()
	if err != nil || len(kept) != 3 {
		t.Fatalf("%v, %v", kept, err)
	}
	byKey := map[metainfo.Hash]Kept{}
	for _, k := range kept {
		byKey[k.Key] = k
	}
	a, b := byKey[first.Info.Key()], byKey[second.Info.Key()]
	if a.Info == nil || a.Info.Name != first.Info.Name || b.Info == nil || b.Info.Name != "movie.mp4" {
		t.Errorf("names are lost: %v", kept)
	}
	if b.Stored < 2*pieceLen || b.Stored > 3*pieceLen {
		t.Errorf("two pieces of %d take %d", pieceLen, b.Stored)
	}
	if !a.Used.After(b.Used) {
		t.Errorf("what was opened last was used at %v, the other at %v", a.Used, b.Used)
	}
	if k := byKey[metainfo.Hash{7}]; k.Info != nil || k.Stored != 3 {
		t.Errorf("rubbish: %v", k)
	}
	o.Close()
}

func TestOPFSSpace(t *testing.T) {
	fake := useFake(t)
	fake.Set("quota", 100_000)
	s := mixed(t, true, true)
	o := openOPFS(t, s)
	usage, quota, err := OPFSSpace()
	if err != nil || usage == 0 || quota != 100_000 {
		t.Errorf("%d of %d, %v", usage, quota, err)
	}
	o.Close()
}

func TestOPFSWhereThereIsNone(t *testing.T) {
	if OPFSAvailable() {
		return // a browser; the other tests cover it
	}
	_, err := OpenOPFS(metainfo.Hash{1})
	if err == nil || !strings.Contains(err.Error(), "there is none here") {
		t.Errorf("got %v", err)
	}
	if keys, err := ListOPFS(); err == nil || len(keys) != 0 || !strings.Contains(err.Error(), "there is none here") {
		t.Errorf("a list: %v, %v", keys, err)
	}
}

// A browser may take back what it holds; then it is not given out as zeros.
func TestOPFSThatWasClearedMeanwhile(t *testing.T) {
	fake := useFake(t)
	s := mixed(t, true, true)
	o := openOPFS(t, s)
	defer o.Close()
	s.fill(t, o)
	put(fake, s.Info.Key().String()+"/0", make([]byte, 100))
	if _, err := o.ReadAt(make([]byte, 1000), 0); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
	if _, err := o.ReadAt(make([]byte, 100), 0); err != nil {
		t.Errorf("what is left: %v", err)
	}
}

// JavaScript throws anything.
func TestWhatJavaScriptThrows(t *testing.T) {
	for code, want := range map[string]string{
		`new DOMException("no room", "QuotaExceededError")`: "no room",
		`new Error("")`:                  "Error",
		`({message: "just words"})`:      "just words",
		`"a string"`:                     "a string",
		`({name: 5, message: "number"})`: "number",
	} {
		got := jsError{js.Global().Call("eval", code)}.Error()
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q", code, got)
		}
	}
	for _, code := range []string{"5", "null", "undefined"} {
		_ = jsError{js.Global().Call("eval", code)}.Error() // it does not panic
	}
}
