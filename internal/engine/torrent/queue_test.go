package torrent

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

func asks(n int) (list []request) {
	for k := range n {
		list = append(list, request{index: uint32(k), length: BlockSize, at: noon.Add(time.Duration(k) * time.Second)})
	}
	return list
}

func answer(index uint32) *Item {
	return &Item{Message: wire.Message{ID: wire.Piece, Index: index, Length: BlockSize}}
}

// A queue that is kept at its length for long takes no more memory for it.
func TestQueueKeepsItsOrderAndItsMemory(t *testing.T) {
	q := newQueue()
	for _, r := range asks(20) {
		q.add(r)
	}
	for k := range uint32(10_000) {
		at := q.answered(answer(k))
		if at != 0 {
			t.Fatalf("answer %d is for request %d", k, at)
		}
		q.remove(at)
		q.add(request{index: k + 20, length: BlockSize})
	}
	if q.len() != 20 || cap(q.buf) > 100 {
		t.Fatalf("%d requests in memory for %d", q.len(), cap(q.buf))
	}
	q.remove(5)
	for k, r := range q.all() {
		want := uint32(10_000 + k)
		if k >= 5 {
			want++
		}
		if r.index != want {
			t.Fatalf("request %d is for piece %d", k, r.index)
		}
	}
}

func TestQueueLimitFollowsWindowThenRate(t *testing.T) {
	q := newQueue()
	if n := q.limit(0, 0, queueTime, 500); n != startWindow {
		t.Fatalf("%d requests to a stranger", n)
	}
	for range 50 {
		q.grow(noon)
	}
	if n := q.limit(BlockSize, 4*BlockSize, queueTime, 500); n != startWindow+50 {
		t.Fatalf("%d requests while the window grows", n)
	}
	if n := q.limit(10*BlockSize, 100*BlockSize, queueTime, 500); n != 15+minWindow || q.starting {
		t.Fatalf("%d requests once the rate is known", n)
	}
	if n := q.limit(1e9, 1<<30, queueTime, 7); n != 7 {
		t.Fatalf("%d requests, 7 are accepted", n)
	}
	q.snubbed = true
	if n := q.limit(1e9, 1<<30, queueTime, 500); n != 1 {
		t.Fatalf("%d requests to a peer that does not send", n)
	}
}

func TestSilenceCountsFromTheFirstRequestOrTheLastBlock(t *testing.T) {
	q := newQueue()
	if q.silent(noon.Add(time.Hour), snubAfter) {
		t.Fatal("owes nothing")
	}
	q.add(request{at: noon})
	q.add(request{index: 1, at: noon.Add(time.Second)})
	if q.silent(noon.Add(snubAfter-1), snubAfter) || !q.silent(noon.Add(snubAfter), snubAfter) {
		t.Fatal("not counted from the first request")
	}
	q.grow(noon.Add(10 * time.Second))
	if q.silent(noon.Add(snubAfter), snubAfter) {
		t.Fatal("a block came since")
	}
	q.all()[1].late = true
	if q.silent(noon.Add(time.Hour), snubAfter) {
		t.Fatal("nothing is believed in any more")
	}
}

func TestWithdrawnRequestsAreRememberedForAWhile(t *testing.T) {
	q := newQueue()
	for _, r := range asks(2 * maxWithdrawn) {
		q.withdraw(noon, r, true)
	}
	q.withdraw(noon, request{index: 1 << 20, length: BlockSize}, false)
	if len(q.withdrawn) != maxWithdrawn || q.strays != maxStrayBlocks+2*maxWithdrawn+1 {
		t.Fatalf("%d remembered, %d strays tolerated", len(q.withdrawn), q.strays)
	}
	if !q.answersWithdrawn(answer(3)) || q.answersWithdrawn(answer(3)) {
		t.Fatal("one answer for one cancel")
	}
	q.forget(noon.Add(answerLimit + 1))
	if q.answersWithdrawn(answer(4)) {
		t.Fatal("remembered for ever")
	}
}

func TestRefusalsEndAfterAPauseAndForGoodAfterThree(t *testing.T) {
	var f refusals
	now := noon
	for n := 1; n < maxRefusals; n++ {
		for range 16 { // one for each block that was asked for
			if !f.note(now, 7) {
				t.Fatalf("given up after %d", n)
			}
		}
		if !f.bar(7) || f.bar(8) {
			t.Fatal("asked again at once")
		}
		now = now.Add(refusalPause << (n - 1))
		if f.sweep(now.Add(-1)) || !f.sweep(now) || f.bar(7) {
			t.Fatalf("the pause after refusal %d does not end in time", n)
		}
	}
	if f.note(now, 7) || f.any() {
		t.Fatal("not given up")
	}
	for i := range 10 * manyRefused {
		f.note(now, i)
	}
	if len(f.list) > manyRefused {
		t.Fatalf("%d refusals remembered", len(f.list))
	}
	f.clear(3)
	if f.bar(3) {
		t.Fatal("a block came")
	}
}

func TestUploadsWaitForTheWindow(t *testing.T) {
	var q uploads
	for k := range uint32(5) {
		q.add(upload{index: k, length: 100})
	}
	for k := range uint32(2) {
		if u, ok := q.next(150); !ok || u.index != k {
			t.Fatalf("%v, %v", u, ok)
		}
	}
	if _, ok := q.next(150); ok {
		t.Fatal("more than the window under way")
	}
	if q.cancel(upload{index: 0, length: 100}) || !q.cancel(upload{index: 3, length: 100}) {
		t.Fatal("what is under way cannot be cancelled, what waits can")
	}
	q.drop(func(u upload) bool { return u.index == 2 })
	q.left(200)
	if u, ok := q.next(150); !ok || u.index != 4 || q.len() != 0 {
		t.Fatalf("%v, %v, %d wait", u, ok, q.len())
	}
	for k := range uint32(10_000) {
		q.add(upload{index: k})
		q.next(1 << 30)
	}
	if cap(q.buf) > 64 {
		t.Fatalf("memory for %d uploads", cap(q.buf))
	}
}
