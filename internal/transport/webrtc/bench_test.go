//go:build !js

package webrtc

import (
	"io"
	"net"
	"testing"

	"github.com/pion/ice/v4"
	pion "github.com/pion/webrtc/v4"
)

const benchChunk = 256 << 10

// transfer measures bytes from w to r.
func transfer(b *testing.B, w io.Writer, r io.Reader, chunk int) {
	b.SetBytes(benchChunk)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		buf := make([]byte, chunk)
		for left := b.N * benchChunk; left > 0; left -= chunk {
			if _, err := w.Write(buf); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	buf := make([]byte, benchChunk)
	for left := b.N * benchChunk; left > 0; {
		n, err := r.Read(buf[:min(left, len(buf))])
		if err != nil {
			b.Fatal(err)
		}
		left -= n
	}
}

// BenchmarkPair is one Host sending to another.
func BenchmarkPair(b *testing.B) {
	w, r := pair(b)
	transfer(b, w, r, benchChunk)
}

// BenchmarkPairSmallMessages is the same with messages of one block each.
func BenchmarkPairSmallMessages(b *testing.B) {
	w, r := pair(b)
	transfer(b, w, r, 16<<10)
}

// BenchmarkBlocks sends what a seed sends: a header and a block, again and again.
func BenchmarkBlocks(b *testing.B) {
	w, r := pair(b)
	header, block := make([]byte, 13), make([]byte, 16<<10)
	b.SetBytes(int64(16 * (len(header) + len(block))))
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			var bufs [][]byte
			for range 16 {
				bufs = append(bufs, header, block)
			}
			if _, err := w.WriteBuffers(bufs); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for left := b.N * 16 * (len(header) + len(block)); left > 0; {
		n, err := r.Read(buf[:min(left, len(buf))])
		if err != nil {
			b.Fatal(err)
		}
		left -= n
	}
}

// BenchmarkOpen is the time from an offer to a channel that is open at both ends.
func BenchmarkOpen(b *testing.B) {
	x, y := newTestHost(b, Config{}), newTestHost(b, Config{})
	for range b.N {
		cx, cy := connect(b, x, y)
		cx.Close()
		cy.Close()
	}
}

// BenchmarkBarePion is pion's own PeerConnection with the settings that its users
// are told to make, to compare with.
func BenchmarkBarePion(b *testing.B) {
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	var s pion.SettingEngine
	s.DetachDataChannels()
	s.EnableDataChannelBlockWrite(true)
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIPFilter(net.IP.IsLoopback)
	s.SetNetworkTypes([]pion.NetworkType{pion.NetworkTypeUDP4})
	s.SetSCTPMaxReceiveBufferSize(receiveWindow)
	api := pion.NewAPI(pion.WithSettingEngine(s))
	x, err := api.NewPeerConnection(pion.Configuration{})
	check(err)
	defer x.Close()
	y, err := api.NewPeerConnection(pion.Configuration{})
	check(err)
	defer y.Close()

	dc, err := x.CreateDataChannel("x", nil)
	check(err)
	ends := make(chan io.ReadWriter, 1)
	other := make(chan io.ReadWriter, 1)
	dc.OnOpen(func() {
		d, _ := dc.Detach()
		ends <- d
	})
	y.OnDataChannel(func(dc *pion.DataChannel) {
		dc.OnOpen(func() {
			d, _ := dc.Detach()
			other <- d
		})
	})
	offer, err := x.CreateOffer(nil)
	check(err)
	gathered := pion.GatheringCompletePromise(x)
	check(x.SetLocalDescription(offer))
	<-gathered
	check(y.SetRemoteDescription(*x.LocalDescription()))
	answer, err := y.CreateAnswer(nil)
	check(err)
	gathered = pion.GatheringCompletePromise(y)
	check(y.SetLocalDescription(answer))
	<-gathered
	check(x.SetRemoteDescription(*y.LocalDescription()))
	transfer(b, <-ends, <-other, 16<<10)
}
