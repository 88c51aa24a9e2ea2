// Package dht is a node of the Mainline DHT as a state machine without I/O.
//
// [Machine] takes the time and what happened (a packet, a request of the
// user, the passing of its own [Machine.Deadline]) and returns what to do
// (packets to send, peers found). Package dht/node runs it on UDP sockets.
// The machine is not safe for use by several goroutines.
//
// It follows BEP 5, BEP 32 (two DHTs, one for each address family), BEP 42
// (node IDs bound to addresses; preferred, not enforced) and BEP 43
// (read-only nodes). Every datagram is one bencoded dictionary (KRPC):
//
//	query     {"a": {"id": ID, ...}, "q": method, "ro": 1, "t": tid, "v": "SH..", "y": "q"}
//	response  {"ip": ADDR, "r": {"id": ID, ...}, "t": tid, "v": "SH..", "y": "r"}
//	error     {"e": [code, text], "ip": ADDR, "t": tid, "v": "SH..", "y": "e"}
//
//	ping           a: id                                       r: id
//	find_node      a: id target want                           r: id nodes nodes6
//	get_peers      a: id info_hash want                        r: id nodes nodes6 token values
//	announce_peer  a: id implied_port info_hash port token     r: id
//
//	ADDR           4 or 16 octets of address, 2 octets of port, network order
//	values         list of ADDR
//	nodes, nodes6  repeated: 20 octets of ID, then ADDR of that family (26, 38)
//
// Unknown keys are ignored everywhere.
package dht
