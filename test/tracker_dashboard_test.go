//go:build unix

package test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/internal/tracker/admin"
	"github.com/shoal-p2p/shoal/internal/tracker/history"
	"github.com/shoal-p2p/shoal/test/rig"
	"github.com/shoal-p2p/shoal/tracker"
)

// plot is an expression for a plot of the dashboard, by its title.
func plot(title string) string {
	return fmt.Sprintf("[...document.querySelectorAll('.plot')].find((p) => p.querySelector('h3').textContent === %s)", js(title))
}

// An operator opens the dashboard: the counts of a tracker at work, plots, nothing
// from elsewhere, and the truth when the tracker drains or is gone.
func TestTrackerDashboard(t *testing.T) {
	tr, err := tracker.New(tracker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	public := httptest.NewServer(tr)
	t.Cleanup(public.Close)
	past, err := history.Open(filepath.Join(t.TempDir(), "history.db"), history.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { past.Close(time.Now()) })
	past.Add(history.Sample{WebRTCPeers: 1200, TCPPeers: 34}, time.Now())
	past.Completed([20]byte([]byte(strings.Repeat("a", 20))), time.Now())
	names := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(names, []byte(strings.Repeat("61", 20)+" # Big Buck Bunny\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	limits := tr.Limits()
	panel, err := admin.New(admin.Config{
		Tracker: tr, Version: "1.2.3", Logins: []string{"me:secret"}, Past: past, Largest: tr.Largest, Names: []string{names}, Limits: &limits,
		Certificates: func() []admin.Certificate {
			return []admin.Certificate{{Name: "t.example", End: time.Now().Add(49 * time.Hour)}}
		},
		Reload: func() admin.Reload { return admin.Reload{At: time.Now(), Failed: []string{"info hashes list"}} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { panel.Close() })
	var elsewhere atomic.Int64 // requests that the page has no reason for
	private := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/", "/stats.json", "/history.json", "/past.json", "/swarms.json", "/favicon.ico":
		default:
			elsewhere.Add(1)
		}
		panel.ServeHTTP(w, r)
	}))
	t.Cleanup(private.Close)

	// One peer by each of two doors, in two swarms.
	for i := range 2 {
		url := fmt.Sprintf("%s/announce?info_hash=%s&peer_id=-XX0000-00000000000%d&port=%d&left=0&event=started", public.URL, strings.Repeat("a", 20), i, 7000+i)
		answer, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(public.URL, "http")+"/announce", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	err = ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil,
		`{"action":"announce","info_hash":"%s","peer_id":"%s","left":1,"offers":[]}`, strings.Repeat("b", 20), strings.Repeat("p", 20)))
	if err != nil {
		t.Fatal(err)
	}

	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.Open(strings.Replace(private.URL, "://", "://me:secret@", 1) + "/")
	p.WaitFor(30*time.Second, "document.querySelector('#state').textContent === 'serving'")
	p.WaitFor(30*time.Second, plot("Peers")+"?.querySelector('.now').textContent === '3'")
	p.WaitFor(30*time.Second, plot("Swarms")+".querySelector('.now').textContent === '2'")
	p.WaitFor(30*time.Second, plot("WebSocket connections")+".querySelector('.now').textContent === '1'")
	p.WaitFor(30*time.Second, plot("Peers")+".querySelectorAll('path.line').length === 2 && "+plot("Peers")+".querySelector('path.line').getAttribute('d').includes('L')")

	var page struct {
		Legend, Label, Text string
		Plots               int
	}
	p.Eval(10*time.Second, `({ plots: document.querySelectorAll('#plots .plot').length, legend: `+plot("Peers")+`.querySelector('.legend').innerText,
		label: `+plot("Peers")+`.querySelector('svg').getAttribute('aria-label'), text: document.body.innerText })`, &page)
	if legend := strings.Join(strings.Fields(page.Legend), " "); page.Plots != 10 || legend != "WebSocket 1 HTTP and UDP 2" {
		t.Errorf("%d plots, legend %q", page.Plots, legend)
	}
	if !strings.HasPrefix(page.Label, "Peers: from ") || !strings.HasSuffix(page.Label, " and 3") {
		t.Errorf("a screen reader hears %q", page.Label)
	}
	if !strings.Contains(page.Text, "Version 1.2.3.") || strings.Contains(page.Text, "127.0.0.1") || strings.Contains(page.Text, "aaaa") {
		t.Errorf("the page says:\n%s", page.Text)
	}

	// The days before, torrents, limits, what needs somebody's attention.
	p.WaitFor(30*time.Second, plot("Peers at most")+"?.querySelector('.now').textContent === '1,234in 2 days'")
	p.Eval(10*time.Second, "document.querySelector('#ranges label:last-child').click()", nil)
	p.WaitFor(10*time.Second, plot("Peers at most")+".querySelector('.now').textContent === '1,234in 3 years' && "+plot("Peers at most")+".querySelectorAll('rect.bar').length === 2")
	p.WaitFor(10*time.Second, "[...document.querySelectorAll('#swarms tbody tr')].map((r) => r.cells[0].textContent + ' ' + r.cells[1].textContent).join() === 'Big Buck Bunny 2,"+strings.Repeat("62", 20)+" 1'")
	p.Eval(10*time.Second, "document.querySelector('#order label:last-child').click(); document.activeElement.blur()", nil)
	p.WaitFor(10*time.Second, "document.querySelector('#swarms tbody').innerText.split('\\t').slice(0, 2).join() === 'Big Buck Bunny,1'")
	p.WaitFor(10*time.Second, "[...document.querySelectorAll('#limits tbody tr')].some((r) => r.innerText.replace(/\\s+/g, ' ').startsWith('max-peers 3 (0 %) 4,194,304 never'))")
	p.WaitFor(10*time.Second, "[...document.querySelectorAll('#files [data-bad]')].map((e) => e.textContent).join() === 'ends in 2 days,not all could be read'")

	// An earlier moment, by pointer and by key.
	shown := "[...document.querySelectorAll('#plots .plot')].every((p) => p.querySelector('.cursor'))"
	p.Press("ArrowLeft")
	p.WaitFor(10*time.Second, shown)
	p.Press("Escape")
	p.WaitFor(10*time.Second, "!document.querySelector('.cursor')")
	p.Eval(10*time.Second, `(() => { const c = `+plot("Swarms")+`.querySelector('.canvas'), b = c.getBoundingClientRect();
		c.dispatchEvent(new PointerEvent('pointermove', { clientX: b.right - 30, clientY: b.top + 20, bubbles: true })) })()`, nil)
	p.WaitFor(10*time.Second, shown)
	p.Press("Escape")

	// On a phone and in the dark nothing sticks out.
	p.Dark()
	p.Viewport(390, 844)
	p.WaitFor(10*time.Second, "document.documentElement.scrollWidth <= innerWidth && getComputedStyle(document.querySelector('.card')).backgroundColor !== 'rgb(255, 255, 255)'")

	var problems []string
	for _, line := range b.Log() {
		if !strings.Contains(line, " log: ") && !strings.Contains(line, " debug: ") {
			problems = append(problems, line)
		}
	}
	if n := elsewhere.Load(); n > 0 || len(problems) > 0 {
		t.Errorf("%d strange requests, and in the log:\n%s", n, strings.Join(problems, "\n"))
	}

	// The server goes, and another one comes in its place.
	at := private.Listener.Addr().String()
	private.CloseClientConnections()
	private.Close()
	p.WaitFor(30*time.Second, "document.querySelector('#state').textContent === 'no contact'")
	ln, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	again, err := admin.New(admin.Config{Tracker: draining{tr}, Logins: []string{"me:secret"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close() })
	srv := &http.Server{Handler: again}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	p.WaitFor(30*time.Second, "document.querySelector('#state').textContent === 'draining'")
	p.WaitFor(30*time.Second, plot("Peers")+".querySelector('.now').textContent === '3'")
	if bad := b.Broken(); len(bad) > 0 {
		t.Errorf("the page broke:\n%s", strings.Join(bad, "\n"))
	}
}

// draining is a tracker that says it is shutting down.
type draining struct{ *tracker.Tracker }

func (d draining) Stats() tracker.Stats {
	s := d.Tracker.Stats()
	s.Draining = true
	return s
}

// Somebody opens the address of a tracker in a browser.
func TestTrackerLandingPage(t *testing.T) {
	srv := httptest.NewServer(admin.Landing(admin.LandingConfig{UDPPort: 8000}))
	t.Cleanup(srv.Close)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.Open(srv.URL + "/")
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, want := range []string{"ws://" + host + "/announce", "http://" + host + "/announce", "udp://127.0.0.1:8000/announce"} {
		p.WaitFor(20*time.Second, "[...document.querySelectorAll('dd code')].some((c) => c.textContent === "+js(want)+")")
	}
	p.Viewport(390, 844)
	p.WaitFor(10*time.Second, "document.documentElement.scrollWidth <= innerWidth && getComputedStyle(document.querySelector('.card')).borderRadius === '16px'")
	sound(t, b)
}
