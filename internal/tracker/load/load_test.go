package load

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/tracker"
)

// serve runs a tracker on loopback and returns its address.
func serve(t *testing.T, cfg tracker.Config) (string, *tracker.Tracker) {
	t.Helper()
	cfg.Limits.OffersPerPeer, cfg.Limits.Unanswered = -1, 63 // the generator's peers make more than any client
	tr, err := tracker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tr.Serve(ln)
	}()
	t.Cleanup(func() {
		tr.Close()
		ln.Close()
		<-done
	})
	return ln.Addr().String(), tr
}

func run(t *testing.T, o Options) *Report {
	t.Helper()
	o.Log = func(line string) { t.Log(line) }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	r.Print(&b)
	t.Log("\n" + b.String())
	return r
}

// complete checks that everything that could be delivered was.
func complete(t *testing.T, r *Report) {
	t.Helper()
	if r.Failed != 0 || r.Lost != 0 || len(r.Errors) != 0 {
		t.Errorf("%d failed, %d lost, errors %v", r.Failed, r.Lost, r.Errors)
	}
	if r.Announces == 0 || r.Replies != r.Announces {
		t.Errorf("%d announces, %d replies", r.Announces, r.Replies)
	}
	if r.Deliverable == 0 || r.Delivered != r.Deliverable {
		t.Errorf("%d of %d deliverable offers delivered", r.Delivered, r.Deliverable)
	}
	if r.Answers != r.Delivered || r.AnswersDelivered != r.Answers {
		t.Errorf("%d offers answered, %d of %d answers delivered", r.Answers, r.AnswersDelivered, r.Delivered)
	}
	if r.ReplyLatency.Count != uint64(r.Replies) || r.OfferLatency.Count != uint64(r.Delivered) || r.AnswerLatency.P99 <= 0 {
		t.Errorf("latencies %+v %+v %+v", r.ReplyLatency, r.OfferLatency, r.AnswerLatency)
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, tracker.Config{})
	o := Options{Profile: "idle", URLs: []string{"ws://" + addr + "/announce"}, Conns: 50, Duration: time.Second}
	if runtime.GOOS == "linux" {
		o.PIDs = []int{os.Getpid()}
	}
	r := run(t, o)
	complete(t, r)
	if r.Conns != 50 || r.Announces != 50 || r.Deliverable != 25 || r.Offers != 250 {
		t.Errorf("%+v", r)
	}
	if o.PIDs != nil && (r.RSS <= 0 || r.RSSBefore <= 0) {
		t.Errorf("no memory was seen: %+v", r)
	}
}

func TestHeavy(t *testing.T) {
	t.Parallel()
	addr, tr := serve(t, tracker.Config{})
	r := run(t, Options{Profile: "heavy", URLs: []string{"ws://" + addr + "/announce"}, Conns: 50, SwarmSize: 12, Interval: 200 * time.Millisecond, Duration: 2 * time.Second, Warmup: 200 * time.Millisecond})
	complete(t, r)
	// The last swarm has two: one offer each.
	if r.Skipped == 0 && r.Deliverable < r.Announces*9 {
		t.Errorf("%d announces, %d deliverable", r.Announces, r.Deliverable)
	}
	if st := tr.Stats(); int64(st.Offers) < r.Delivered || int64(st.Answers) < r.AnswersDelivered {
		t.Errorf("the tracker says %+v", st)
	}
}

func TestLight(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, tracker.Config{})
	complete(t, run(t, Options{Profile: "light", URLs: []string{"ws://" + addr}, Conns: 50, Interval: time.Second, Duration: 2 * time.Second, Warmup: time.Millisecond}))
}

func TestLockstep(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, tracker.Config{})
	// An announce brings eleven messages, and one is read for each that is sent: what waits grows as long as it lasts.
	r := run(t, Options{Profile: "lockstep", URLs: []string{"ws://" + addr + "/announce"}, Conns: 50, Duration: 300 * time.Millisecond, Warmup: 50 * time.Millisecond})
	if r.Failed != 0 || r.Lost != 0 || len(r.Errors) != 0 {
		t.Errorf("%d failed, %d lost, errors %v", r.Failed, r.Lost, r.Errors)
	}
	if r.Announces == 0 || r.Replies == 0 || r.Delivered == 0 || r.Answers != r.Delivered || r.OutPerSecond == 0 {
		t.Errorf("%+v", r)
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	addr, tr := serve(t, tracker.Config{})
	for _, keep := range []bool{true, false} {
		r := run(t, Options{Profile: "http", URLs: []string{"http://" + addr + "/announce?token=x"}, Conns: 50, KeepAlive: keep, Interval: 50 * time.Millisecond, Duration: time.Second, Warmup: time.Millisecond})
		if r.Failed != 0 || len(r.Errors) != 0 || r.Announces == 0 || r.Replies != r.Announces {
			t.Errorf("keep-alive %v: %+v", keep, r)
		}
		if few := r.Conns <= 51; few != keep {
			t.Errorf("keep-alive %v: %d connections for %d announces", keep, r.Conns, r.Announces)
		}
	}
	if st := tr.Stats(); st.TCPPeers != 50 || st.Swarms != 1 {
		t.Errorf("the tracker says %+v", st)
	}
}

func TestItStaysOnThisMachine(t *testing.T) {
	for _, url := range []string{"ws://192.0.2.1:8000/announce", "ws://[2001:db8::1]:80", "http://10.0.0.1:80/announce", "udp://8.8.8.8:53"} {
		_, err := Run(t.Context(), Options{Profile: "heavy", URLs: []string{url}, Conns: 1})
		if err == nil || !strings.Contains(err.Error(), "--beyond-loopback") {
			t.Errorf("%s: %v", url, err)
		}
		if _, err := parseTarget(t.Context(), url, Options{BeyondLoopback: true}); err != nil {
			t.Errorf("%s, allowed: %v", url, err)
		}
	}
	for _, url := range []string{"ws://127.0.0.1:1", "ws://[::1]:1", "ws://127.9.9.9:1", "wss://localhost:1/announce"} {
		if _, err := parseTarget(t.Context(), url, Options{}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestNonsense(t *testing.T) {
	addr, _ := serve(t, tracker.Config{AllowAnnounce: func(*tracker.Client, [20]byte) error { return errors.New("not here") }})
	closed := "http://" + addr + "/announce"
	url := []string{"ws://127.0.0.1:1/announce"}
	for _, tc := range []struct {
		want string
		o    Options
	}{
		{"failure reason", Options{Profile: "http", URLs: []string{closed}}},
		{`no profile "x"; there are idle`, Options{Profile: "x", URLs: url}},
		{"name its URL", Options{Profile: "heavy"}},
		{"profile heavy needs one of ws://, wss://", Options{Profile: "heavy", URLs: []string{"http://127.0.0.1:1/announce"}}},
		{"name the port", Options{Profile: "heavy", URLs: []string{"udp://127.0.0.1"}}},
		{"the scheme is none of", Options{Profile: "heavy", URLs: []string{"gopher://127.0.0.1:70"}}},
		{"conns -1", Options{Profile: "heavy", URLs: url, Conns: -1}},
		{"duration -1s is negative", Options{Profile: "heavy", URLs: url, Duration: -time.Second}},
		{"rate scale -1 is negative", Options{Profile: "heavy", URLs: url, RateScale: -1}},
	} {
		_, err := Run(t.Context(), tc.o)
		if err == nil || !strings.HasPrefix(err.Error(), "load: ") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.o, err, tc.want)
		}
		// The first was tried.
		if wrong := new(OptionError); errors.As(err, &wrong) == (tc.want == "failure reason") {
			t.Errorf("%+v: %v is of type %T", tc.o, err, err)
		}
	}
	for _, name := range Profiles() {
		if Describe(name) == "" {
			t.Errorf("profile %s does nothing", name)
		}
	}
	// Nobody is there.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := Run(ctx, Options{Profile: "heavy", URLs: url, Conns: 2}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("no tracker: %v", err)
	}
}

func TestSourceAddresses(t *testing.T) {
	seen := map[string]int{}
	target := &target{}
	target.addr = netip.MustParseAddrPort("127.0.0.1:1")
	for n := 0; n < 200_000; n += 500 {
		seen[target.source(n).IP.String()] += 500
	}
	for addr, n := range seen {
		if n > connsPerSource || !strings.HasPrefix(addr, "127.") {
			t.Errorf("%d connections from %s", n, addr)
		}
	}
	target.addr = netip.MustParseAddrPort("[::1]:1")
	if a := target.source(5000); a != nil {
		t.Errorf("IPv6 has no loopback address %s", a)
	}
}

// What attackers do must not hurt the honest peers beside them.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		profile string
		conns   int
		rate    float64
		check   func(a *Attack) bool
	}{
		{"slowloris", 30, 0, func(a *Attack) bool { return true }},
		{"bigframes", 4, 50, func(a *Attack) bool { return a.Sent > 20 && a.BytesIn > a.Sent*64<<10 }},
		{"hashes", 4, 1000, func(a *Attack) bool { return a.Sent > 200 && a.Accepted+a.Refused > 0 }},
		{"badjson", 4, 500, func(a *Attack) bool { return a.Sent > 100 && a.Accepted == 0 && a.Refused > 0 }},
		{"halfframes", 40, 0, func(a *Attack) bool { return a.Sent >= 40 && a.BytesIn >= 20*6<<10 }},
		{"slowreaders", 4, 200, func(a *Attack) bool { return a.Sent > 40 && a.BytesOut == 0 }},
		{"peerids", 4, 500, func(a *Attack) bool { return a.Accepted > 0 && a.Refused > 0 }},
		{"flood", 6, 500, func(a *Attack) bool { return a.Sent > 100 && a.Accepted > 100 }},
		{"answers", 6, 500, func(a *Attack) bool { return a.Sent > 100 && a.Accepted < 20 }},
		{"full", 4, 500, func(a *Attack) bool { return a.Sent > 100 }},
		{"candidates", 6, 500, func(a *Attack) bool { return a.Accepted > 50 && a.Closed > 0 }},
		{"bodies", 10, 0, func(a *Attack) bool { return a.Closed > 0 }},
		{"storm", 50, 500, func(a *Attack) bool { return a.Accepted >= 50 && a.StormSeconds > 0 }},
	} {
		t.Run(tc.profile, func(t *testing.T) {
			t.Parallel()
			addr, _ := serve(t, tracker.Config{})
			r := run(t, Options{
				Profile: tc.profile, URLs: []string{"ws://" + addr + "/announce"}, Conns: 20, Interval: 100 * time.Millisecond,
				Duration: time.Second, Warmup: 100 * time.Millisecond, AttackConns: tc.conns, AttackRate: tc.rate,
			})
			complete(t, r)
			if a := r.Attack; a.Failed > 0 || a.Conns < int64(tc.conns) || !tc.check(a) {
				t.Errorf("%+v", a)
			}
		})
	}
}

// Strangers must not make a tracker send more than they do.
func TestUDPSpoof(t *testing.T) {
	t.Parallel()
	var ln net.Listener
	var pc net.PacketConn
	for range 100 { // until a number is free for both
		var err error
		if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if pc, err = net.ListenPacket("udp", ln.Addr().String()); err == nil {
			break
		}
		ln.Close()
	}
	tr, err := tracker.New(tracker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { tr.Serve(ln) })
	wg.Go(func() { tr.ServeUDP(pc) })
	defer wg.Wait()
	defer ln.Close()
	defer tr.Close()
	r := run(t, Options{
		Profile: "udpspoof", URLs: []string{"ws://" + ln.Addr().String() + "/announce"}, Conns: 20, Interval: 100 * time.Millisecond,
		Duration: time.Second, Warmup: 100 * time.Millisecond, AttackConns: 5, AttackRate: 2000,
	})
	complete(t, r)
	if a := r.Attack; a.Sent < 1000 || a.BytesOut > a.BytesIn {
		t.Errorf("%+v", a)
	}
	if r.UDP == nil || r.UDP.Announces == 0 || r.UDP.Replies < r.UDP.Announces-8*udpWindow {
		t.Errorf("honest UDP clients: %+v", r.UDP)
	}
}
