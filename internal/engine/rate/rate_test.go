package rate

import (
	"testing"
	"time"
)

func TestMeterFindsASteadyRateAndForgetsIt(t *testing.T) {
	var m Meter
	now := time.Unix(1000, 0)
	for range 200 {
		now = now.Add(50 * time.Millisecond)
		m.Add(now, 50_000)
	}
	if r := m.Rate(now); r < 950_000 || r > 1_050_000 {
		t.Fatalf("steady 1 MB/s read as %.0f", r)
	}
	if r := m.Rate(now.Add(20 * time.Second)); r > 5_000 {
		t.Fatalf("an idle meter still shows %.0f", r)
	}
	if m.Total() != 10_000_000 {
		t.Fatalf("total %d", m.Total())
	}
}

func TestMeterIsUsefulInTheFirstSecond(t *testing.T) {
	var m Meter
	now := time.Unix(1000, 0)
	for range 10 {
		m.Add(now, 100_000)
		now = now.Add(50 * time.Millisecond)
	}
	if r := m.Rate(now); r < 1_500_000 || r > 2_600_000 {
		t.Fatalf("2 MB/s read as %.0f after half a second", r)
	}
}

func TestSlowMeterRemembersLonger(t *testing.T) {
	quick, slow := Meter{}, Meter{Tau: 20}
	now := time.Unix(1000, 0)
	for range 1000 {
		now = now.Add(50 * time.Millisecond)
		quick.Add(now, 50_000)
		slow.Add(now, 50_000)
	}
	now = now.Add(10 * time.Second)
	if q, s := quick.Rate(now), slow.Rate(now); q > 50_000 || s < 500_000 {
		t.Fatalf("after ten idle seconds %.0f and %.0f", q, s)
	}
}
