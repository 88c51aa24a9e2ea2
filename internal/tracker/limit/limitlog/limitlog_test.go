package limitlog

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

var (
	one = netip.MustParseAddr("192.0.2.1")
	two = netip.MustParseAddr("2001:db8::2")
)

// written runs f in a bubble of time of its own and returns what was logged.
func written(t *testing.T, addresses bool, f func(l *Log)) []string {
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		h := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		l := New(slog.New(h), addresses)
		time.Sleep(tick / 2) // what f does at whole seconds is between two ticks then
		f(l)
		l.Close()
		l.Close()
	})
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

// There is a line at once, and then one a minute for each address and reason, with all that happened.
func TestOnceAMinute(t *testing.T) {
	lines := written(t, true, func(l *Log) {
		for range 5*60 + 1 {
			for range 10 {
				l.Limit(limit.ConnsPerAddr, one)
			}
			time.Sleep(time.Second)
		}
		l.Limit(limit.Malformed, two)
		l.Limit(limit.ReceiverSlow, two) // lost on the way: two is not to blame
		time.Sleep(time.Second)
		l.Limit(limit.Malformed, two)
		time.Sleep(5 * time.Minute)
		l.Limit(limit.ConnsPerAddr, one)
	})
	sum := 0
	var of []string
	for _, line := range lines {
		if strings.Contains(line, "client=192.0.2.1 reason=connections_address") {
			sum++
		} else {
			of = append(of, line)
		}
	}
	if sum != 8 && sum != 7 {
		t.Errorf("%d lines about five minutes and a last time: %q", sum, lines)
	}
	want := []string{"level=INFO msg=limited client=2001:db8::2 reason=malformed count=1", "level=INFO msg=limited client=2001:db8::2 reason=malformed count=1"}
	if strings.Join(of, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q", of)
	}
}

// Without addresses, and where an address may be forged, a line has none.
func TestNoAddress(t *testing.T) {
	if lines := written(t, false, func(l *Log) {
		l.Limit(limit.Buffers, one)
		l.Limit(limit.Buffers, two)
	}); len(lines) != 1 || lines[0] != "level=INFO msg=limited reason=buffers count=2" {
		t.Errorf("%q", lines)
	}
	if lines := written(t, true, func(l *Log) { l.Limit(limit.ConnectionID, one) }); lines[0] != "level=INFO msg=limited reason=connection_id count=1" {
		t.Errorf("%q", lines)
	}
}

// A crowd of addresses makes a bounded number of lines, and is counted nevertheless.
func TestManyAddresses(t *testing.T) {
	lines := written(t, true, func(l *Log) {
		for i := range maxEntries + 1000 {
			l.Limit(limit.ConnectRate, netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}))
		}
	})
	last := "level=INFO msg=limited reason=connect_rate count=1000"
	if len(lines) != maxEntries+1 || !strings.Contains(strings.Join(lines, "\n"), last) {
		t.Errorf("%d lines", len(lines))
	}
}

// The filter for fail2ban in the operator's guide reads the lines, and its reasons exist.
func TestFail2banReadsIt(t *testing.T) {
	guide, err := os.ReadFile("../../../../docs/tracker.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^failregex = (.*)$`).FindSubmatch(guide)
	if m == nil {
		t.Fatal("there is no failregex in the guide")
	}
	reasons := regexp.MustCompile(`reason=\(\?:(.*)\) `).FindSubmatch(m[1])
	if reasons == nil {
		t.Fatal("the failregex names no reasons")
	}
	banned := strings.Split(string(reasons[1]), "|")
	rule := regexp.MustCompile(strings.Replace(string(m[1]), "<HOST>", `(\S+)`, 1))
	for r := range limit.NumReasons {
		reason := limit.Reason(r)
		text := written(t, true, func(l *Log) { l.Limit(reason, two) })[0]
		line := "time=2026-11-27T16:05:25.000Z " + text
		got := rule.FindStringSubmatch(line)
		// fail2ban cuts the time out of a line of a file, and has the journal's prefix before one of the journal. What a
		// client says of itself stands in other lines, and must get nobody banned.
		for other, want := range map[string]bool{" " + text: true, "host shoal[71]: " + line: true, `level=DEBUG msg=refused origin="` + line + `"`: false, line + " x": false} {
			if rule.MatchString(other) != (want && got != nil) {
				t.Errorf("%q is read: %v", other, !want)
			}
		}
		if named := slices.Contains(banned, reason.String()); named != (got != nil) {
			t.Errorf("%s: named %v, read %v", line, named, got)
		}
		if got != nil && got[1] != two.String() {
			t.Errorf("%q is read as of %s", line, got[1])
		}
	}
	for r := range limit.NumReasons {
		if r := limit.Reason(r); r != limit.None && !bytes.Contains(guide, []byte("`"+r.String()+"`")) {
			t.Errorf("the guide does not name %s", r)
		}
	}
	for _, name := range banned {
		known := false
		for r := range limit.NumReasons {
			known = known || limit.Reason(r).String() == name
		}
		if !known {
			t.Errorf("there is no reason %q", name)
		}
	}
}
