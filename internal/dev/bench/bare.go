//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/pion/webrtc/v4"

	ours "github.com/shoal-p2p/shoal/internal/transport/webrtc"
	"github.com/shoal-p2p/shoal/test/rig"
)

// bareTab serves the page of a tab that takes size bytes and counts them alone.
// start takes its offer, returns the answer and sends: no BitTorrent, no hashing,
// no disk.
func (b *bench) bareTab(size int64, start func(offer webrtc.SessionDescription, size int64) (*webrtc.SessionDescription, error)) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/signal" {
			http.ServeFile(w, r, rig.Path("test", "browser", "bare.html"))
			return
		}
		var offer webrtc.SessionDescription
		if err := json.NewDecoder(r.Body).Decode(&offer); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := start(offer, size)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(answer)
	}))
	b.Cleanup(s.Close)
	return s
}

// receive has a new tab take size bytes from that server's sender.
func (b *bench) receive(s *httptest.Server, size int64) run {
	p := rig.StartBrowser(b, rig.BrowserConfig{}).Open(s.URL)
	p.WaitFor(30*time.Second, "window.ready === true")
	var seconds float64
	p.Eval(5*time.Minute, fmt.Sprintf("receive(%d)", size), &seconds)
	return run{seconds: seconds}
}

// startShoal sends with our own side of WebRTC.
func startShoal(h *ours.Host) func(webrtc.SessionDescription, int64) (*webrtc.SessionDescription, error) {
	return func(offer webrtc.SessionDescription, size int64) (*webrtc.SessionDescription, error) {
		pending, err := h.Answer(context.Background(), offer.SDP)
		if err != nil {
			return nil, err
		}
		go func() {
			c, err := pending.Conn(context.Background())
			if err != nil {
				return // the tab is gone
			}
			// As a seed does it: a window of blocks at a time.
			message := make([]byte, 256<<10)
			for sent := int64(0); sent < size; sent += int64(len(message)) {
				if _, err := c.Write(message); err != nil {
					return
				}
			}
		}()
		return &webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: pending.SDP()}, nil
	}
}

// startBare sends as fast as a plain pion data channel goes.
func startBare(offer webrtc.SessionDescription, size int64) (*webrtc.SessionDescription, error) {
	var s webrtc.SettingEngine
	s.DetachDataChannels()
	s.EnableDataChannelBlockWrite(true)
	s.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateFailed || state == webrtc.PeerConnectionStateDisconnected {
			pc.Close()
		}
	})
	pc.OnDataChannel(func(channel *webrtc.DataChannel) {
		channel.OnOpen(func() {
			stream, err := channel.Detach()
			if err != nil {
				pc.Close()
				return
			}
			go func() {
				message := make([]byte, 16<<10)
				for sent := int64(0); sent < size; sent += int64(len(message)) {
					if _, err := stream.Write(message); err != nil {
						return // the tab is gone
					}
				}
			}()
		})
	})
	if err := pc.SetRemoteDescription(offer); err != nil {
		pc.Close()
		return nil, err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		pc.Close()
		return nil, err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		pc.Close()
		return nil, err
	}
	<-gathered
	return pc.LocalDescription(), nil
}
