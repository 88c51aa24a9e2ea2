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
	evDoubt
)

// errNoBridge reports that the worker's script has not set up shoalRTC.
var errNoBridge = errors.New("webrtc: the bridge to the page is missing")

// bridge is the one shoalRTC of the worker. Its events go to the channel of that
// number, whatever Host made it. Our numbers are positive, those of channels that
// the other side opens negative.
// But for scratch it needs no lock: see peer.
var bridge struct {
	rtc     js.Value
	scratch js.Value   // where bytes to send are copied to
	size    int        // of scratch
	sending sync.Mutex // of scratch

	next     int
	channels map[int]*channel
	peers    map[int]*peer // by the number of their first channel, which may be gone
}

func openBridge() error {
	if bridge.channels != nil {
		return nil
	}
	rtc := js.Global().Get("shoalRTC")
	if rtc.IsUndefined() {
		return errNoBridge
	}
	bridge.channels = make(map[int]*channel)
	bridge.peers = make(map[int]*peer)
	bridge.rtc = rtc
	bridge.scratch = rtc.Get("scratch")
	bridge.size = bridge.scratch.Get("byteLength").Int()
	rtc.Call("listen", js.FuncOf(func(_ js.Value, args []js.Value) any {
		kind, id, value := args[0].Int(), args[1].Int(), args[2]
		if kind == evMore {
			further(bridge.peers[id], value.String())
		} else if ch := bridge.channels[id]; ch != nil {
			ch.event(kind, value)
		}
		return nil
	}))
	return nil
}

// join gives a channel its number, unless it has one.
func join(ch *channel) {
	if ch.id == 0 {
		bridge.next++
		ch.id = bridge.next
	}
	bridge.channels[ch.id] = ch
}

func leave(ch *channel) { delete(bridge.channels, ch.id) }
