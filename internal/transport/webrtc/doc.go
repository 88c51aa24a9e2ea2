// Package webrtc carries byte streams over WebRTC data channels.
//
// A Host makes connections: Offer or Answer gives a Pending with a session
// description for the other side, and its Conn waits for the open channel. The
// way a description gets to the other side is not this package's affair. One
// ordered, reliable channel carries one stream; message boundaries mean nothing.
//
// # Native
//
// The native half stands on pion's ICE, DTLS and SCTP, without its media stack
// and PeerConnection: 12 goroutines for an open connection instead of 22, one UDP
// socket for all of them (mux), and packets that travel in runs (socket, link).
// Two Hosts with each other use a socket more for each connection.
//
// What is written and not acknowledged is bounded to 8 MiB a connection, what is
// received and not read to 4 MiB; Write blocks as soon as the network does not
// take more. Close returns at once and delivers what was written for 3 s at most.
//
// What paid, on 2 shared cores, measured as CPU time for a byte between two Hosts
// and towards a tab of Chromium 156; one PeerConnection with its usual settings
// takes 3 times, and 1.7 times, of the whole:
//
//	runs of packets: UDP_SEGMENT to send     -24 % between Hosts
//	data records joined for the layers above -19 %
//	packets of 2,000 bytes on one machine    -35 %, and -20 % of Chromium's own
//	messages of 64 KiB, not 16 KiB           -16 %, nothing towards Chromium
//	zero checksum (RFC 9653)                 -13 %; Chromium does not agree to it
//	window of 1 or 16 MiB, interleaving      nothing without a round trip time
//
// # Browser
//
// In a browser the page holds the peer connection (web/src/rtc.ts) and the worker
// the data channel (web/src/channels.ts), which calls this half about once for
// all that has arrived. There is no goroutine for a message or for a connection.
package webrtc
