// Package webrtc carries byte streams over WebRTC data channels.
//
// A Host makes connections: Offer or Answer gives a Pending with a session
// description for the other side, and its Conn waits for the open channel. The
// way a description gets to the other side is not this package's affair. One
// ordered, reliable channel carries one stream; message boundaries mean nothing.
// A connection carries further channels beside the first (transport.Link), which
// either side opens, and lives as long as one of them does.
//
// # Native
//
// pion finds the path (ICE) and makes the handshake (DTLS); what carries the data is
// our own: the record layer (record.go), the association (package sctp), and a UDP
// socket for all connections (mux), which gives their data to them without a detour
// by ICE and sends it in runs. Two Hosts with each other use a socket more for each
// connection.
//
//	out  Write → message → packet, encrypted in place → run → one system call
//	in   one system call → decrypted in place → block → Read
//
// Whoever reads the socket does all that a packet leads to; one goroutine a connection
// sends. Nothing is allocated for a packet.
//
// What is written and not acknowledged is bounded to 8 MiB a connection, of it 512 KiB
// a channel that wait for the network; what is received and not read to 4 MiB. Close
// returns at once and delivers what was written for 3 s at most.
//
// # Browser
//
// In a browser the page holds the peer connection (web/src/rtc.ts) and the worker
// the data channels (web/src/channels.ts), which call this half about once for
// all that has arrived. There is no goroutine for a message or for a connection.
package webrtc
