// Package mesh decides what the trackers of a cluster tell each other.
//
// A Mesh is one node's half of the talk: calls with the current time go in,
// frames for other nodes come out of Step. It opens no socket, reads no
// clock, takes no lock, so that a test runs twenty nodes on a virtual bus.
//
// # How two peers on two nodes meet
//
// Each info hash has an owner: the live node that rendezvous hashing puts
// first. A node with peers of a swarm reports its counts to the owner, some 35
// bytes. The owner tells it at once who else has the swarm, and tells those
// others within a second. Offers that found no peer on their node wait there,
// for ParkFor at most, until it is known where to send them; then they go
// straight to the node with the peer. So a peer without a mate, the most
// common kind, costs the cluster one report and not its offers twice, and an offer that
// was made while its owner had just died is not lost. The answer takes the way
// back, which the receiving node remembers for two minutes.
//
// Addresses of TCP peers are asked for, not spread: a node whose swarm has TCP peers
// here and elsewhere asks up to four of the others for a few.
//
// # What heals
//
// Every frame says who sent it, and in which generation; a node unheard for
// four seconds is gone. When nodes come, go or begin a new generation (they lost
// their connection to the bus), each node walks through its swarms in a
// second and a half and reports those whose owner is new. Everything is reported again
// two minutes later at the latest and forgotten after five, so no lost message matters for
// longer.
//
// # Frames
//
// A frame is, in big-endian order,
//
//	version     1 byte, 1
//	sender      8 bytes, never 0
//	generation  4 bytes
//	records     kind (1 byte), length (uvarint), body; to the end of the frame
//
// Where some are trusted, "trusted" is n twice, trusted WebRTC seeders and leechers among the counts; else nothing.
// A node ignores frames of another version and skips records of a kind
// it does not know, or whose body goes on after what it knows. In the bodies, n stands for a uvarint and counts for four of
// them: WebRTC seeders, WebRTC leechers, TCP seeders, TCP leechers.
//
//	1 beat     flags: 1 answer at once, 2 leaving
//	2 report   info hash 20, flags: 1 tell me who else, 2 I know of others; counts here; trusted here
//	3 others   info hash 20, counts of all others, n, then n times: node 8, counts; trusted of all others, then n times: trusted
//	4 offers   info hash 20, peer id 20, flags: 1 seeder, 4 trusted, 8 limited; n, then n times: offer id 20, n, SDP
//	5 answer   info hash 20, from 20, to 20, offer id 20, SDP to the end
//	6 ask      info hash 20, n: how many TCP peers
//	7 peers    info hash 20, n, then n times: flags (1 seeder, 2 IPv6, 4 trusted, 8 limited), peer id 20, address 4 or 16, port 2
package mesh
