// Package sim is a discrete-event network in which many engine machines share
// one torrent on one virtual clock.
//
// A [Node] carries out the effects of its machine as the driver does: it opens
// and drops piece buffers, lets the first copy of a block win, hashes complete
// pieces, sends blocks behind each other through a limited uplink. What joins two
// nodes has latency, bandwidth, loss (which a reliable stream shows as delay), an
// end that may come at any time. Nodes come, go, come back, cannot be dialled, or
// are hostile ([Malice]). There are no goroutines and no clock: the same [Config]
// gives the same trace, event by event.
//
// After every step of an honest machine its effects are held against what must
// always be true; the first breach ends the run with an error that names the
// seed, the time and the node.
package sim
