package driver

import "testing"

// user is a torrent that uses whatever it is granted, up to what it has a use for.
type user struct {
	grant
	used, most int64
}

// turn is a step of the torrent's loop: it opens pieces as far as it may, and closes
// some of what it has too much.
func (u *user) turn(l *ledger, piece int64) {
	for u.used+piece <= u.bytes && u.used < u.most {
		u.used += piece
	}
	if u.used > min(u.bytes, u.most) {
		u.used -= piece
	}
	l.settle(&u.grant, u.used, piece, u.used < u.most && u.used+piece > u.bytes)
}

const mega = 1 << 20

func turns(l *ledger, n int, users ...*user) {
	for range n {
		for _, u := range users {
			u.turn(l, mega)
		}
	}
}

func TestOneTorrentGetsAllMemoryAndGivesItBack(t *testing.T) {
	l := &ledger{total: 64 * mega}
	u := &user{most: 1000 * mega}
	turns(l, 8, u)
	if u.used != 64*mega {
		t.Errorf("after eight steps %d MiB of 64 are used", u.used/mega)
	}
	u.most = mega
	turns(l, 100, u)
	if u.bytes > firstPieces*mega || l.held != u.bytes {
		t.Errorf("one MiB in use, %d granted, %d held", u.bytes/mega, l.held/mega)
	}
	u.most = 0
	turns(l, 2, u)
	if l.held != 0 || l.holders != 0 {
		t.Errorf("nothing in use, %d MiB held by %d", l.held/mega, l.holders)
	}
}

func TestNewcomerGetsItsShareOfWhatOthersHold(t *testing.T) {
	l := &ledger{total: 64 * mega}
	a, b, modest := &user{most: 1000 * mega}, &user{most: 1000 * mega}, &user{most: 3 * mega}
	turns(l, 20, a)
	turns(l, 1, b, modest)
	if b.bytes < leastPieces*mega {
		t.Errorf("the newcomer may use %d MiB", b.bytes/mega)
	}
	turns(l, 100, a, b, modest)
	if b.used < 18*mega || modest.used != 3*mega || a.used < 18*mega {
		t.Errorf("%d, %d and %d MiB are used", a.used/mega, b.used/mega, modest.used/mega)
	}
	if l.held > l.total || l.waiting.Load() > 1 {
		t.Errorf("%d MiB held, %d wait", l.held/mega, l.waiting.Load())
	}
	l.release(&b.grant)
	turns(l, 100, a, modest)
	if a.used < 50*mega {
		t.Errorf("what others left is not used: %d MiB are", a.used/mega)
	}
}

func TestManyTorrentsShareTheMemory(t *testing.T) {
	l := &ledger{total: 64 * mega}
	var users []*user
	for range 300 {
		users = append(users, &user{most: 1000 * mega})
		turns(l, 3, users...)
		held := max(l.total, leastPieces*mega*int64(len(users)))
		if len(users) <= 32 && l.held > held+leastPieces*mega*int64(len(users)) || l.held > 2*held {
			t.Fatalf("%d torrents hold %d MiB", len(users), l.held/mega)
		}
	}
	turns(l, 100, users...)
	for i, u := range users {
		if u.used != leastPieces*mega {
			t.Fatalf("torrent %d uses %d MiB", i, u.used/mega)
		}
	}
	for _, u := range users {
		l.release(&u.grant)
	}
	if l.held != 0 || l.holders != 0 || l.waiting.Load() != 0 {
		t.Errorf("in the end %d bytes are held by %d, %d wait", l.held, l.holders, l.waiting.Load())
	}
}
