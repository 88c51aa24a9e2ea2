package driver_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
)

// asks is a source that notes what it is asked for.
type asks struct {
	requests, cancels chan [3]uint32
	closed            chan bool
}

func newAsks() *asks {
	return &asks{make(chan [3]uint32, 1000), make(chan [3]uint32, 1000), make(chan bool, 1)}
}

func (a *asks) Request(index, begin, length uint32) { a.requests <- [3]uint32{index, begin, length} }
func (a *asks) Cancel(index, begin, length uint32)  { a.cancels <- [3]uint32{index, begin, length} }
func (a *asks) Close(bad bool)                      { a.closed <- bad }

// taken is what is in a channel.
func taken(ch chan [3]uint32) (list [][3]uint32) {
	synctest.Wait()
	for {
		select {
		case x := <-ch:
			list = append(list, x)
		default:
			return list
		}
	}
}

// A source is asked as a peer is, while it is not choked, for what it has.
func TestASourceBringsATorrent(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		const length = 64 << 10
		tor, data := makeTorrentOf(t, 300_000, length, true, false)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		got, st := fetch(t, s, tor)
		ready(t, got)
		src := newAsks()
		f := got.AddSource("http://192.0.2.9/", src)
		pieces := bits.New(tor.Info.NumPieces())
		pieces.Fill()
		pieces.Clear(2)
		f.Has(&pieces)
		if list := taken(src.requests); len(list) != 0 {
			t.Fatalf("asked for %v while it is choked", list)
		}
		f.Choke(false)
		list := taken(src.requests)
		if len(list) == 0 {
			t.Fatal("not asked")
		}
		if peers := got.Stats().Peers; got.NumPeers() != 1 || len(peers) == 1 && peers[0].Addr != "http://192.0.2.9/" {
			t.Errorf("%d peers: %+v", got.NumPeers(), peers)
		}
		// What it will not bring is asked for again when it is of use again.
		f.Reject(list[0][0], list[0][1], list[0][2])
		asked := map[[3]uint32]bool{}
		for rounds := 0; got.NumHave() < 4; rounds++ {
			if rounds > 100 {
				t.Fatalf("%d pieces after %d rounds", got.NumHave(), rounds)
			}
			for _, q := range list {
				if q[0] == 2 {
					t.Fatal("asked for what it does not have")
				}
				asked[q] = true
				at := int(q[0])*length + int(q[1])
				f.Put(q[0], q[1], data[at:at+int(q[2])])
				f.Put(q[0], q[1], make([]byte, q[2])) // nobody has asked for it twice
			}
			time.Sleep(time.Minute)
			list = taken(src.requests)
		}
		all := make([]byte, len(data))
		for i := range tor.Info.NumPieces() {
			end := min(len(data), (i+1)*length)
			if _, err := st.ReadAt(all[i*length:end], int64(i*length)); i != 2 && (err != nil || !bytes.Equal(all[i*length:end], data[i*length:end])) {
				t.Errorf("piece %d differs, %v", i, err)
			}
		}
		f.Leave()
		if got.NumPeers() != 0 {
			t.Error("a source that left is counted")
		}
	})
}

// Who brings wrong bytes is closed, and told that this was why; a pause closes too,
// without blame, and takes no new sources.
func TestASourceIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, _ := makeTorrentOf(t, 300_000, 64<<10, true, false)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		got, _ := fetch(t, s, tor)
		ready(t, got)
		pieces := bits.New(tor.Info.NumPieces())
		pieces.Fill()
		begin := func() (*asks, *driver.Feed) {
			src := newAsks()
			f := got.AddSource("http://192.0.2.9/", src)
			f.Has(&pieces)
			f.Choke(false)
			return src, f
		}
		src, f := begin()
		for _, q := range taken(src.requests) {
			f.Put(q[0], q[1], make([]byte, q[2]))
		}
		time.Sleep(time.Minute)
		select {
		case bad := <-src.closed:
			if !bad {
				t.Error("who brought wrong bytes is not told so")
			}
		default:
			t.Error("who brought wrong bytes is asked on")
		}
		f.Leave()
		src, f = begin()
		got.Pause(true)
		synctest.Wait()
		select {
		case bad := <-src.closed:
			if bad {
				t.Error("a pause is blamed on the source")
			}
		default:
			t.Error("a paused torrent keeps its source")
		}
		f.Leave()
		if f := got.AddSource("http://192.0.2.9/", newAsks()); f != nil {
			t.Error("a paused torrent takes a source")
		}
	})
}
