// Package trackerclient finds peers by asking trackers.
//
// A Client announces any number of torrents. WebSocket trackers, all in parallel
// over one connection for each URL, exchange WebRTC offers and answers; HTTP and
// UDP trackers, by tiers as BEP 12 says and only natively, give TCP addresses.
// When to announce is decided by package schedule, which offer goes out again
// and which is stale by package offers: both are machines without a clock.
//
// The state of a torrent (schedules, offers, answers) is owned by its one
// goroutine; the state of a WebSocket by the goroutine of that URL.
package trackerclient
