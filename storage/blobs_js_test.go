package storage

import (
	"context"
	"errors"
	"strings"
	"syscall/js"
	"testing"
)

// fakeReader is FileReaderSync over blobs made by fakeFile.
const fakeReader = `
globalThis.fakeFile = (bytes) => ({ size: bytes.length, bytes,
  slice(a, b) { return { part: this.bytes, a, b, gone: this.gone }; } });
globalThis.FileReaderSync = class {
  readAsArrayBuffer(s) {
    if (s.gone) throw new DOMException("gone", s.gone);
    return s.part.slice(s.a, s.b).buffer;
  }
};
`

// dropped returns the sample's files as a page hands them over.
func dropped(s *sample, sync bool) []Blob {
	var blobs []Blob
	for path, b := range s.files {
		data := newBytes(len(b))
		js.CopyBytesToJS(data, b)
		var file js.Value
		if sync {
			file = js.Global().Call("fakeFile", data)
		} else {
			file = js.Global().Get("Blob").New([]any{data})
		}
		blobs = append(blobs, Blob{Path: strings.Split(path, "/"), File: file})
	}
	return blobs
}

// noted are the marks of what the sample was made of.
func noted(s *sample) *BlobMarks {
	m := NewBlobMarks(s.Info.NumPieces(), nil)
	for i := range s.Info.NumPieces() {
		m.Set(i, leaves(s.piece(i)[:markedBytes(s.Info, i)]))
	}
	return m
}

func useFakeReader(t *testing.T) {
	js.Global().Call("eval", fakeReader)
	t.Cleanup(func() { js.Global().Delete("FileReaderSync") })
}

func TestBlobsSeedWhatWasDropped(t *testing.T) {
	for _, v := range versions {
		for name, sync := range map[string]bool{"synchronous": true, "asynchronous": false} {
			t.Run(v.name+" "+name, func(t *testing.T) {
				if sync {
					useFakeReader(t)
				}
				s := mixed(t, v.v1, v.v2)
				b, err := NewBlobs(s.Info, dropped(s, sync), noted(s))
				if err != nil {
					t.Fatal(err)
				}
				s.wantSpace(t, b)
				have, err := Verify(context.Background(), b, s.Info, s.Layers(), nil)
				if err != nil {
					t.Fatal(err)
				}
				wantBits(t, "have", have, full(s.Info.NumPieces()))
				if _, err := b.WriteAt([]byte("x"), 0); !errors.Is(err, ErrReadOnly) {
					t.Errorf("write: %v", err)
				}
				if _, err := b.ReadAt(make([]byte, 2), s.Info.Length-1); !errors.Is(err, ErrRange) {
					t.Errorf("read outside: %v", err)
				}
				b.Close()
				if _, err := b.ReadAt(make([]byte, 2), 0); !errors.Is(err, ErrClosed) {
					t.Errorf("read after Close: %v", err)
				}
			})
		}
	}
}

func TestBlobsNameAMissingOrChangedFile(t *testing.T) {
	useFakeReader(t)
	s := mixed(t, true, true)
	without := func(path string) (blobs []Blob) {
		for _, b := range dropped(s, true) {
			if b.name() != path {
				blobs = append(blobs, b)
			}
		}
		return blobs
	}
	if _, err := NewBlobs(s.Info, without("deep/c"), noted(s)); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "deep/c") {
		t.Errorf("missing: %v", err)
	}
	short := newBytes(5)
	if _, err := NewBlobs(s.Info, append(without("deep/c"), Blob{Path: []string{"deep", "c"}, File: js.Global().Call("fakeFile", short)}), noted(s)); !errors.Is(err, ErrChanged) {
		t.Errorf("other size: %v", err)
	}
	blobs := dropped(s, true)
	st, err := NewBlobs(s.Info, blobs, noted(s))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		if b.name() == "z.bin" {
			b.File.Set("gone", "NotReadableError")
		}
		if b.name() == "a.bin" {
			data := newBytes(50000)
			b.File.Set("bytes", data)
		}
	}
	have, err := Verify(context.Background(), st, s.Info, s.Layers(), nil)
	if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "a.bin") || have.Count() != 2 {
		t.Errorf("changed: %d pieces, %v", have.Count(), err)
	}
	_, err = st.ReadAt(make([]byte, 1), s.Info.Length-1)
	if s.Info.Files[len(s.Info.Files)-1].Pad {
		_, err = st.ReadAt(make([]byte, 1), s.Info.Files[len(s.Info.Files)-2].Offset)
	}
	want := "z.bin is not what the torrent was made from (it was written to, moved or forbidden since it was chosen); restore it, or move it away"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
