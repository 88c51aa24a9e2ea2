// Package sctp is the association that carries WebRTC data channels, as a machine
// without sockets, clocks or goroutines.
//
// It speaks RFC 9260 as far as RFC 8831 uses it for ordered, reliable channels,
// opens channels by RFC 8832 and closes them by RFC 6525. It runs under DTLS, which
// has checked every packet, so it looks at no checksum, and sends none to those who
// say that they do not either (RFC 9653).
//
//	packet   source port 2, destination port 2, tag 4, checksum 4, chunks
//	chunk    type 1, flags 1, length 2, value, padding to 4 bytes
//	DATA     TSN 4, stream 2, sequence 2, protocol 4, payload; flags U, B, E
//	SACK     cumulative TSN 4, window 4, gaps 2, duplicates 2, gaps (start 2, end 2)
//	INIT     tag 4, window 4, streams out 2, in 2, first TSN 4, parameters
//
// What it does not do: unordered or unreliable delivery, interleaving, several
// addresses. A channel is a stream of bytes here: chunks are handed on in the order
// of their TSNs, whatever messages they belong to. So what waits for a reader costs
// what it weighs, and a lost packet holds all channels up, as it does in TCP.
//
// Handle takes a packet, Next gives what is to be sent, Deadline and Timeout are the
// one timer. One goroutine at a time may be in it.
package sctp
