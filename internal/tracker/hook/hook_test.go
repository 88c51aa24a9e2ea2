package hook

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A service is the operator's, as the tests want it.
type service struct {
	*httptest.Server
	asked atomic.Int64
	last  chan *http.Request
	body  chan []byte   // of the same
	block chan struct{} // when set, answers wait for it

	mu     sync.Mutex
	status int
	reply  string
}

func newService(t *testing.T) *service {
	s := &service{status: 200, last: make(chan *http.Request, 1000), body: make(chan []byte, 1000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		b, _ := io.ReadAll(r.Body)
		s.last <- r
		s.body <- b
		if s.block != nil {
			<-s.block
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(s.status)
		io.WriteString(w, s.reply)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) says(status int, reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.reply = status, reply
}

// A clock is set by hand.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1_000_000, c.ns.Load()) }
func (c *clock) forward(d time.Duration) { c.ns.Add(int64(d)) }

func newHook(t *testing.T, s *service, conf Config) (*Hook, *clock) {
	t.Helper()
	c := &clock{}
	conf.URL, conf.Now = s.URL+"/announce", c.now
	def(&conf.Timeout, time.Minute)
	h, err := New(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h, c
}

func question(n int) *Question {
	q := &Question{Left: 7, Port: 6881, Event: "started", Protocol: "websocket"}
	q.InfoHash[0], q.PeerID[0], q.PeerID[19] = 0xab, byte(n), byte(n>>8)
	q.Addr = netip.AddrFrom4([4]byte{203, 0, 113, byte(n)})
	return q
}

// ask waits for the answer, and says whether it had to.
func ask(h *Hook, q *Question) (v Verdict, waited bool) {
	later := make(chan Verdict, 1)
	if v = h.Ask(q, func(v Verdict) { later <- v }); v.Answer != Pending {
		return v, false
	}
	return <-later, true
}

func TestAsk(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		reply  string
		want   Verdict
		down   bool
	}{
		{"allowed", 200, "", Verdict{Answer: Allowed}, false},
		{"allowed with a page", 204, "", Verdict{Answer: Allowed}, false},
		{"allowed, with a reason that nobody needs", 200, `{"reason":"x"}`, Verdict{Answer: Allowed}, false},
		{"denied", 403, "", Verdict{Denied, "the site does not let you announce here"}, false},
		{"denied with a reason", 401, `{"reason":" pay\nfirst\u0000 "}`, Verdict{Denied, "pay first"}, false},
		{"denied with a page", 404, "<html>", Verdict{Denied, "the site does not let you announce here"}, false},
		{"an error", 500, "", Verdict{Denied, ReasonAway}, true},
		{"a redirect", 302, "", Verdict{Denied, ReasonAway}, true},
		{"too many", 429, "", Verdict{Denied, ReasonAway}, true},
	} {
		s := newService(t)
		h, _ := newHook(t, s, Config{})
		s.says(c.status, c.reply)
		v, waited := ask(h, question(1))
		if v != c.want || !waited || s.asked.Load() != 1 {
			t.Errorf("%s: %+v, waited %v, %d requests", c.name, v, waited, s.asked.Load())
		}
		again, waited := ask(h, question(1))
		if again != c.want || waited != c.down {
			t.Errorf("%s, once more: %+v, waited %v", c.name, again, waited)
		}
	}
}

func TestWhatTheServiceGets(t *testing.T) {
	s := newService(t)
	secret := "first"
	h, _ := newHook(t, s, Config{Secret: func() string { return secret }})
	q := question(1)
	q.Origin, q.Query = "https://example.org", "token=a&b=\xff"
	ask(h, q)
	r := <-s.last
	if r.Method != "POST" || r.URL.Path != "/announce" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "Bearer first" {
		t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	var got map[string]any
	if err := json.Unmarshal(<-s.body, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"info_hash": "ab" + strings.Repeat("00", 19), "peer_id": "01" + strings.Repeat("00", 19), "address": "203.0.113.1", "port": 6881.0,
		"event": "started", "left": 7.0, "protocol": "websocket", "origin": "https://example.org", "query": "token=a&b=\ufffd",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	secret = "second"
	ask(h, question(2))
	if r := <-s.last; r.Header.Get("Authorization") != "Bearer second" {
		t.Errorf("after a change: %v", r.Header)
	}
}

func TestAnswersHoldForTheirTime(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		reply  string
		holds  time.Duration
	}{
		{"allowed", 200, "", 10 * time.Minute},
		{"denied", 403, "", time.Minute},
		{"for as long as it says", 403, `{"ttl": 90}`, 90 * time.Second},
		{"not for ever", 200, `{"ttl": 1e300}`, 24 * time.Hour},
		{"for a second at least", 200, `{"ttl": 0.001}`, time.Second},
		{"not for a negative time", 200, `{"ttl": -5}`, 10 * time.Minute},
	} {
		s := newService(t)
		h, clock := newHook(t, s, Config{})
		s.says(c.status, c.reply)
		ask(h, question(1))
		clock.forward(c.holds - 1)
		if _, waited := ask(h, question(1)); waited {
			t.Errorf("%s: asked again too early", c.name)
		}
		clock.forward(1)
		if _, waited := ask(h, question(1)); !waited {
			t.Errorf("%s: still believed", c.name)
		}
	}
	s := newService(t)
	h, _ := newHook(t, s, Config{})
	ask(h, question(1))
	h.Forget()
	s.says(403, "")
	if v, waited := ask(h, question(1)); !waited || v.Answer != Denied {
		t.Errorf("after Forget: %+v, waited %v", v, waited)
	}
}

func TestOneRequestForAllThatWait(t *testing.T) {
	s := newService(t)
	s.block = make(chan struct{})
	h, _ := newHook(t, s, Config{})
	got := make(chan Verdict, 100)
	for range 10 {
		if v := h.Ask(question(1), func(v Verdict) { got <- v }); v.Answer != Pending {
			t.Fatalf("%+v at once", v)
		}
	}
	close(s.block)
	for range 10 {
		if v := <-got; v.Answer != Allowed {
			t.Errorf("%+v", v)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
	if st := h.Stats(); st.Waiting != 0 || st.Allowed != 1 || st.Entries != 1 {
		t.Errorf("%+v", st)
	}
}

func TestBounds(t *testing.T) {
	s := newService(t)
	s.block = make(chan struct{})
	h, _ := newHook(t, s, Config{Concurrent: 2, Queue: 3, PerAddr: 2, Away: Allowed})
	got := make(chan Verdict, 100)
	later := func(v Verdict) { got <- v }
	at := func(q *Question) Answer { return h.Ask(q, later).Answer }
	// One address has two places.
	for n, want := range []Answer{Pending, Pending, Allowed} {
		q := question(n)
		q.Addr = netip.MustParseAddr("2001:db8::1").Next()
		if a := at(q); a != want {
			t.Errorf("question %d of one address: %d", n, a)
		}
	}
	for s.asked.Load() < 2 { // both are with the service
		time.Sleep(time.Millisecond)
	}
	// Three wait, and no more.
	for n, want := range []Answer{Pending, Pending, Pending, Allowed, Allowed} {
		if a := at(question(10 + n)); a != want {
			t.Errorf("question %d of others: %d", n, a)
		}
	}
	// One who asks over and over takes no more than his share either.
	if a := at(question(10)); a != Allowed {
		t.Errorf("all places are taken: %d", a)
	}
	if s.asked.Load() != 2 || h.Stats().Full != 4 {
		t.Errorf("%d requests, %+v", s.asked.Load(), h.Stats())
	}
	close(s.block)
	for range 5 {
		<-got
	}
	if v, _ := ask(h, question(99)); v.Answer != Allowed || h.Stats().Full != 4 {
		t.Errorf("afterwards: %+v, %+v", v, h.Stats())
	}
	if len(h.peraddr) != 0 || len(h.flights) != 0 {
		t.Errorf("left behind: %v, %v", h.peraddr, h.flights)
	}
}

func TestTheOldestAnswerGoes(t *testing.T) {
	s := newService(t)
	h, _ := newHook(t, s, Config{Entries: 4})
	for n := range 6 {
		ask(h, question(n))
	}
	for n := 2; n < 6; n++ {
		if _, waited := ask(h, question(n)); waited {
			t.Errorf("answer %d is lost", n)
		}
	}
	if _, waited := ask(h, question(0)); !waited || h.Stats().Entries != 4 {
		t.Errorf("the first was kept: %+v", h.Stats())
	}
}

func TestAServiceThatIsAway(t *testing.T) {
	for _, away := range []Answer{Allowed, Denied} {
		s := newService(t)
		h, clock := newHook(t, s, Config{Away: away})
		s.says(503, "")
		for n := range 3 {
			if v, waited := ask(h, question(n)); v.Answer != away || !waited {
				t.Errorf("%d: %+v, waited %v", n, v, waited)
			}
		}
		// Now nobody waits, and it is left in peace.
		for n := range 50 {
			if v, waited := ask(h, question(n)); v.Answer != away || waited {
				t.Errorf("%d, while it is away: %+v, waited %v", n, v, waited)
			}
		}
		if st := h.Stats(); s.asked.Load() != 3 || !st.Down || st.LastError != "hook: the service says 503 Service Unavailable" || st.Away != 53 || st.Entries != 0 {
			t.Errorf("%d requests, %+v", s.asked.Load(), st)
		}
		clock.forward(5 * time.Second)
		ask(h, question(1)) // one tries, in vain
		if _, waited := ask(h, question(2)); waited || s.asked.Load() != 4 {
			t.Errorf("more than one tried: %d", s.asked.Load())
		}
		clock.forward(5 * time.Second)
		s.says(200, "")
		ask(h, question(1))
		if v, waited := ask(h, question(2)); v.Answer != Allowed || !waited || h.Stats().Down {
			t.Errorf("when it is back: %+v, waited %v", v, waited)
		}
	}
}

func TestAServiceThatDoesNotAnswer(t *testing.T) {
	s := newService(t)
	s.block = make(chan struct{})
	h, _ := newHook(t, s, Config{Timeout: 20 * time.Millisecond})
	if v, _ := ask(h, question(1)); v.Reason != ReasonAway {
		t.Errorf("%+v", v)
	}
	if e := h.Stats().LastError; e != "hook: no answer within 20ms" {
		t.Error(e)
	}
	close(s.block)
	s2 := newService(t)
	h2, _ := newHook(t, s2, Config{})
	s2.Close()
	ask(h2, question(1))
	if e := h2.Stats().LastError; !strings.Contains(e, "refused") || strings.Contains(e, "announce") {
		t.Error(e)
	}
}

// Services close connections that rest, and may do so just when the next question comes. That is no failure.
func TestAConnectionThatTheServiceCloses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			for n := range 2 { // the second gets no answer
				req, err := http.ReadRequest(r)
				if err != nil {
					break
				}
				io.Copy(io.Discard, req.Body)
				if n == 0 {
					io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
				}
			}
			c.Close()
		}
	}()
	h, err := New(Config{URL: "http://" + ln.Addr().String(), Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for n := range 6 {
		if v, _ := ask(h, question(n)); v.Answer != Allowed {
			t.Errorf("%d: %+v, %+v", n, v, h.Stats())
		}
	}
}

func TestClose(t *testing.T) {
	s := newService(t)
	s.block = make(chan struct{})
	h, _ := newHook(t, s, Config{Concurrent: 1})
	var got atomic.Int64
	for n := range 5 {
		h.Ask(question(n), func(v Verdict) {
			if v == (Verdict{Denied, ReasonAway}) {
				got.Add(1)
			}
		})
	}
	h.Close()
	if got.Load() != 5 || s.asked.Load() > 1 {
		t.Errorf("%d got an answer, %d requests", got.Load(), s.asked.Load())
	}
	if v := h.Ask(question(9), nil); v.Answer != Denied {
		t.Errorf("after Close: %+v", v)
	}
	close(s.block)
}

func TestNewRefuses(t *testing.T) {
	for _, conf := range []Config{{}, {URL: "example.org"}, {URL: "ftp://example.org"}, {URL: "http://"}, {URL: "http://a\x00"}, {URL: "http://a", Timeout: -1}, {URL: "http://a", Entries: -1}} {
		if _, err := New(conf); err == nil {
			t.Errorf("%+v was taken", conf)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add(200, []byte(`{"ttl": 60}`))
	f.Add(403, []byte(`{"reason": "no\n", "ttl": 1e999}`))
	f.Add(403, []byte(`{"reason": "`+strings.Repeat("é", 300)+`"}`))
	f.Add(302, []byte("<html>"))
	f.Add(403, []byte(`{"reason": "`+strings.Repeat("x", 199)+` y"}`))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		v, ttl, err := parseReply(status, text)
		if (err == nil) == (v.Answer == Pending) || ttl < 0 || ttl > maxTTL || len(v.Reason) > maxReason || (v.Reason != "") != (v.Answer == Denied) {
			t.Fatalf("%+v, %v, %v", v, ttl, err)
		}
		if tidy(v.Reason) != v.Reason {
			t.Fatalf("%q is not one printable line", v.Reason)
		}
	})
}

// The state of the service is told when it changes, not for each question.
func TestAwayAndBackAreToldOnce(t *testing.T) {
	s := newService(t)
	told := make(chan string, 100)
	h, clock := newHook(t, s, Config{Changed: func(away bool, err error) { told <- fmt.Sprint(away, err) }})
	for round := range 2 {
		s.says(503, "")
		for n := range 6 {
			ask(h, question(n))
			clock.forward(5 * time.Second)
		}
		s.says(200, "")
		for n := range 3 {
			ask(h, question(100*(round+1)+n))
		}
	}
	h.Close()
	close(told)
	var all []string
	for text := range told {
		all = append(all, text)
	}
	const away, back = "true hook: the service says 503 Service Unavailable", "false <nil>"
	if want := []string{away, back, away, back}; !slices.Equal(all, want) {
		t.Errorf("%q", all)
	}
}

// A slow service is not away, but nobody waits for minutes behind others.
func TestNobodyWaitsForMinutes(t *testing.T) {
	s := newService(t)
	s.block = make(chan struct{})
	h, clock := newHook(t, s, Config{Concurrent: 1})
	got := make(chan Verdict, 3)
	for n := range 3 {
		h.Ask(question(n), func(v Verdict) { got <- v })
	}
	<-s.last
	clock.forward(11 * time.Second)
	close(s.block)
	if v := <-got; v.Answer != Allowed {
		t.Errorf("who was asked about gets %+v", v)
	}
	for range 2 {
		if v := <-got; !v.Away() {
			t.Errorf("who waited for 11 s gets %+v", v)
		}
	}
	if st := h.Stats(); s.asked.Load() != 1 || st.Full != 2 || st.Down {
		t.Errorf("%d requests, %+v", s.asked.Load(), st)
	}
}

func TestAnAnswerTakesLittleMemory(t *testing.T) {
	const entries = 1 << 17
	var c cache
	c.init(entries)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for n := range entries + 1000 {
		q := question(n)
		q.InfoHash[1] = byte(n >> 16)
		c.put(&q.Key, Verdict{Denied, strings.Repeat("no subscription ", 12)}, time.Unix(1, 0))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (after.HeapAlloc - before.HeapAlloc) / entries; each > 100 || len(c.index) != entries {
		t.Errorf("%d bytes each, %d entries", each, len(c.index))
	}
	runtime.KeepAlive(&c)
}
