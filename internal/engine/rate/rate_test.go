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

func TestMeterBeforeItsFirstByte(t *testing.T) {
	var m Meter
	if r := m.Rate(time.Unix(1000, 0)); r != 0 || m.Total() != 0 {
		t.Errorf("%v bytes a second, %d in all", r, m.Total())
	}
}

// The first block does not count as if one came each nanosecond.
func TestMeterDoesNotOverrateTheFirstBlock(t *testing.T) {
	var m Meter
	now := time.Unix(1000, 0)
	m.Add(now, 16<<10)
	if r := m.Rate(now); r < 160<<10 || r > 170<<10 { // as if it had taken a tenth of a second
		t.Errorf("%.0f bytes a second at once", r)
	}
	if early, late := m.Rate(now), m.Rate(now.Add(100*time.Millisecond)); late > early {
		t.Errorf("the rate rises without a byte, from %.0f to %.0f", early, late)
	}
}

// A clock that goes back changes nothing.
func TestMeterBearsAClockThatGoesBack(t *testing.T) {
	var m Meter
	now := time.Unix(1000, 0)
	for i := range 100 {
		m.Add(now.Add(time.Duration(i)*100*time.Millisecond), 1000)
	}
	end := now.Add(10 * time.Second)
	was := m.Rate(end)
	m.Add(end.Add(-time.Hour), 0)
	if is := m.Rate(end); is != was {
		t.Errorf("%.0f bytes a second, %.0f before", is, was)
	}
}
