//go:build js

package browser

import (
	"bytes"
	"context"
	"syscall/js"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// fakeSeeds stands for web/src/webseedwire.ts: a seed that has seedContent. One
// whose URL says "lies" changes a byte of every block.
const fakeSeeds = `
globalThis.seeds = [];
globalThis.shoalWebSeed = (url, metadata, wake) => {
	const out = [];
	const send = (id, numbers, bytes = []) => {
		const m = new Uint8Array(5 + 4 * numbers.length + bytes.length), v = new DataView(m.buffer);
		v.setUint32(0, m.length - 4);
		m[4] = id;
		numbers.forEach((n, k) => v.setUint32(5 + 4 * k, n));
		m.set(bytes, m.length - bytes.length);
		out.push(m);
		setTimeout(() => seed.closed || wake(), 1);
	};
	const seed = {
		url, metadata, closed: 0,
		write(b) {
			if (b[0] === 19) {
				const h = b.slice();
				h.fill(0, 20, 28);
				h[27] = 4;
				h.fill(48 + seeds.length, 48);
				out.push(h);
				send(5, [], new Uint8Array(Math.ceil(metadata.pieces / 8)).map((_, i) => (i + 1) * 8 <= metadata.pieces ? 255 : 256 - (256 >> metadata.pieces % 8)));
				return send(1, []);
			}
			const v = new DataView(b.buffer, b.byteOffset, b.length);
			for (let at = 0; at < b.length; at += 4 + v.getUint32(at)) {
				if (b[at + 4] !== 6) continue;
				const [i, begin, n] = [5, 9, 13].map((k) => v.getUint32(at + k));
				const from = i * metadata.pieceLength + begin, block = seedContent.slice(from, from + n);
				if (url.includes("lies")) block[7] ^= 1;
				send(7, [i, begin], block);
			}
		},
		take(most) {
			if (!out.length) return seed.closed ? null : undefined;
			const head = out[0].subarray(0, most);
			if (head.length < out[0].length) out[0] = out[0].subarray(most);
			else out.shift();
			return head;
		},
		close() { seed.closed++ },
	};
	seeds.push(seed);
	return seed;
};`

// A tab downloads from web seeds alone; one that lies is closed.
func TestATabDownloadsFromWebSeeds(t *testing.T) {
	data := bytes.Repeat([]byte("not all alike "), 40_000)
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "clip", PieceLength: 64 << 10, V1: true, V2: true, Files: []metainfo.BuildFile{{Path: []string{"clip"}, Length: int64(len(data))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumPieces() {
		b.SetPiece(i, b.HashPiece(i, data[i<<16:min(len(data), (i+1)<<16)]))
	}
	meta, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	js.Global().Call("eval", fakeSeeds)
	js.Global().Set("seedContent", toJS(data))
	var events []js.Value
	js.Global().Set("shoalEvent", js.FuncOf(func(_ js.Value, args []js.Value) any {
		events = append(events, args[0])
		return nil
	}))
	c := &Client{session: driver.NewSession(driver.Config{}), torrents: map[string]*tabTorrent{}}
	defer c.session.Close()
	store := storage.NewMemory(meta.Info, storage.MemoryOptions{})
	tt := &tabTorrent{id: meta.Info.Key().String(), meta: meta, webSeeds: []string{"https://lies.example/clip", "https://mirror.example/clip"}}
	tt.Torrent, err = c.session.Add(driver.Options{Info: meta.Info, Open: func(context.Context, *metainfo.Info) (driver.Content, error) {
		return driver.Content{Store: store, Layers: meta.Layers()}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	tt.startWebSeeds(c, tt.sendMetadata(c))
	select {
	case <-tt.Done():
	case <-time.After(20 * time.Second):
		t.Fatalf("not complete: %+v", tt.Stats())
	}
	got := make([]byte, len(data))
	if _, err := store.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("other bytes: %v", err)
	}
	seeds := js.Global().Get("seeds")
	if n := seeds.Length(); n != 2 {
		t.Fatalf("%d seeds", n)
	}
	if m := seeds.Index(0).Get("metadata"); m.Get("name").String() != "clip" || !m.Get("single").Bool() || m.Get("files").Index(0).Get("length").Int() != len(data) {
		t.Error("the seed was not told what is where")
	}
	// Both are closed now: one for its lies, the other because nothing is missing.
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if seeds.Index(0).Get("closed").Int() == 1 && seeds.Index(1).Get("closed").Int() == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the seeds are not closed")
		}
	}
	if n := len(events); n != 1 {
		t.Errorf("%d events", n)
	}
}
