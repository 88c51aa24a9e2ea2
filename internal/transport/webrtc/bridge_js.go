package webrtc

import (
	"errors"
	"sync"
	"syscall/js"
)

// The kinds of event that the bridge reports; the numbers are those of
// web/src/channels.ts.
const (
	evSDP = iota + 1
	evAccepted
	evRefused
	evFailed
	evPath
	evOpen
	evReadable
	evWritable
	evClosed
	evGone
)

// errNoBridge reports that the worker's script has not set up shoalRTC.
var errNoBridge = errors.New("webrtc: the bridge to the page is missing")

// bridge is the one shoalRTC of the worker. Its events go to the peer of that
// number, whatever Host made it.
var bridge struct {
	once    sync.Once
	err     error
	rtc     js.Value
	scratch js.Value // where bytes to send are copied to
	size    int      // of scratch

	mu    sync.Mutex
	next  int
	peers map[int]*peer
}

func openBridge() error {
	bridge.once.Do(func() {
		bridge.peers = make(map[int]*peer)
		rtc := js.Global().Get("shoalRTC")
		if rtc.IsUndefined() {
			bridge.err = errNoBridge
			return
		}
		bridge.rtc = rtc
		bridge.scratch = rtc.Get("scratch")
		bridge.size = bridge.scratch.Get("byteLength").Int()
		rtc.Call("listen", js.FuncOf(func(_ js.Value, args []js.Value) any {
			bridge.mu.Lock()
			p := bridge.peers[args[1].Int()]
			bridge.mu.Unlock()
			if p != nil {
				p.event(args[0].Int(), args[2])
			}
			return nil
		}))
	})
	return bridge.err
}

// join gives a peer its number.
func join(p *peer) {
	bridge.mu.Lock()
	bridge.next++
	p.id = bridge.next
	bridge.peers[p.id] = p
	bridge.mu.Unlock()
}

func leave(p *peer) {
	bridge.mu.Lock()
	delete(bridge.peers, p.id)
	bridge.mu.Unlock()
}
