//go:build unix

package main

import (
	"encoding/json"
	"net/http"

	"github.com/pion/webrtc/v4"
)

// answerBare answers a tab's offer and sends it size bytes as fast as a plain
// pion data channel goes: no BitTorrent, no hashing, no disk.
func answerBare(w http.ResponseWriter, r *http.Request, size int64) {
	var offer webrtc.SessionDescription
	if err := json.NewDecoder(r.Body).Decode(&offer); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := startBare(offer, size)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	json.NewEncoder(w).Encode(answer)
}

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
