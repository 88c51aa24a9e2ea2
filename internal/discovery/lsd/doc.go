// Package lsd finds peers on the local network (BEP 14).
//
// Clients tell a multicast group which torrents they take part in. An announce
// is one UDP datagram in the shape of an HTTP request:
//
//	BT-SEARCH * HTTP/1.1\r\n
//	Host: 239.192.152.143:6771\r\n      or [ff15::efc0:988f]:6771
//	Port: 6881\r\n                      TCP port of the sender
//	Infohash: <40 hex digits>\r\n       once for each torrent
//	cookie: <opaque>\r\n                tells the sender its own announces
//	\r\n
//	\r\n
//
// Unknown headers are ignored. The sender's address is the packet's source.
// Torrents marked as private must not be given to this package.
package lsd
