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
	evMore
)

// errNoBridge reports that the worker's script has not set up shoalRTC.
var errNoBridge = errors.New("webrtc: the bridge to the page is missing")

// bridge is the one shoalRTC of the worker. Its events go to the channel of that
// number, whatever Host made it. Our numbers are positive, those of channels that
// the other side opens negative.
var bridge struct {
	once    sync.Once
	err     error
	rtc     js.Value
	scratch js.Value // where bytes to send are copied to
	size    int      // of scratch

	mu       sync.Mutex
	next     int
	channels map[int]*channel
}

func openBridge() error {
	bridge.once.Do(func() {
		bridge.channels = make(map[int]*channel)
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
			ch := bridge.channels[args[1].Int()]
			bridge.mu.Unlock()
			if ch != nil {
				ch.event(args[0].Int(), args[2])
			}
			return nil
		}))
	})
	return bridge.err
}

// join gives a channel its number, unless it has one.
func join(ch *channel) {
	bridge.mu.Lock()
	if ch.id == 0 {
		bridge.next++
		ch.id = bridge.next
	}
	bridge.channels[ch.id] = ch
	bridge.mu.Unlock()
}

func leave(ch *channel) {
	bridge.mu.Lock()
	delete(bridge.channels, ch.id)
	bridge.mu.Unlock()
}
