package dht

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// meter is a token bucket: rate a second, at most burst at once. The zero time
// counts as full.
type meter struct {
	rate, burst float64
	level       float64
	at          time.Time
}

func newMeter(perSecond, burst int) meter {
	return meter{rate: float64(perSecond), burst: float64(burst), level: float64(burst)}
}

func (m *meter) fill(now time.Time) {
	if d := now.Sub(m.at); d > 0 {
		m.level = min(m.burst, m.level+d.Seconds()*m.rate)
		m.at = now
	}
}

func (m *meter) take(now time.Time) bool {
	m.fill(now)
	if m.level < 1 {
		return false
	}
	m.level--
	return true
}

// next is when take will succeed again.
func (m *meter) next(now time.Time) time.Time {
	m.fill(now)
	if m.level >= 1 {
		return now
	}
	return now.Add(time.Duration((1-m.level)/m.rate*float64(time.Second)) + time.Millisecond)
}

// hostMeters limits each sending host with a fixed amount of memory: hosts
// whose secret-keyed hash collides share a meter.
type hostMeters struct {
	slots  []meter
	secret uint64
}

func newHostMeters(r *rand.Rand, slots, perSecond, burst int) *hostMeters {
	h := &hostMeters{slots: make([]meter, slots), secret: r.Uint64()}
	for i := range h.slots {
		h.slots[i] = newMeter(perSecond, burst)
	}
	return h
}

func (h *hostMeters) take(now time.Time, from netip.AddrPort) bool {
	key := host(from.Addr()).Addr().As16()
	x := h.secret
	for _, b := range key {
		x = mix(x ^ uint64(b))
	}
	if isLocal(from.Addr()) { // one machine or network runs many nodes
		x = mix(x ^ uint64(from.Port())<<8)
	}
	return h.slots[x%uint64(len(h.slots))].take(now)
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
