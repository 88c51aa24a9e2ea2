//go:build unix

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/load"
	"github.com/shoal-p2p/shoal/test/rig"
)

// slow is the part of the heavy load that the JavaScript tracker is measured at: it cannot carry
// all of it.
const slow = 0.12

// measured keeps the cheapest of several reports.
type measured struct{ *load.Report }

func (m *measured) take(r *load.Report, cost func(*load.Report) float64) {
	if m.Report == nil || cost(r) < cost(m.Report) {
		m.Report = r
	}
}

func perMessage(r *load.Report) float64 { return r.CPUPerMessage }
func perConn(r *load.Report) float64    { return r.KiBPerConn }
func toOpen(r *load.Report) float64     { return r.CPUPerConn }

// of returns a number of the report, 0 if it failed.
func (m measured) of(f func(*load.Report) float64) float64 {
	if m.Report == nil {
		return 0
	}
	return f(m.Report)
}

// text formats that number.
func (m measured) text(format string, f func(*load.Report) float64) string {
	if m.Report == nil {
		return "failed"
	}
	return fmt.Sprintf(format, f(m.Report))
}

// tracker: shoal tracker, bittorrent-tracker and opentracker under the loads of `shoal bench tracker`.
func (b *bench) tracker() {
	rig.Binary(b)
	cert, key := b.certificate()
	var idle, idleTLS, resumed, idleTheirs, heavy, most, few, fewTheirs, mid, midTheirs, lock, lockTheirs measured
	var udp, udpTheirs measured
	for range b.times(2) {
		b.round("50,000 idle WebSockets: shoal", func() {
			idle.take(b.load(b.shoalTracker(), load.Options{Profile: "idle"}), perConn)
		})
		b.round("50,000 idle WebSockets: bittorrent-tracker", func() {
			idleTheirs.take(b.load(b.jsTracker(), load.Options{Profile: "idle"}), perConn)
		})
		b.round("50,000 idle WebSockets with TLS: shoal", func() {
			t := b.shoalTracker("--tls-cert", cert, "--tls-key", key)
			t.secure = true
			idleTLS.take(b.load(t, load.Options{Profile: "idle", TLSInsecure: true}), perConn)
		})
		b.round("50,000 idle WebSockets with TLS, resumed: shoal", func() {
			t := b.shoalTracker("--tls-cert", cert, "--tls-key", key)
			t.secure = true
			resumed.take(b.load(t, load.Options{Profile: "idle", TLSInsecure: true, TLSResume: true}), toOpen)
		})
		b.round("moderate: shoal", func() {
			mid.take(b.load(b.shoalTracker(), load.Options{Profile: "moderate"}), perMessage)
		})
		b.round("moderate: bittorrent-tracker", func() {
			midTheirs.take(b.load(b.jsTracker(), load.Options{Profile: "moderate"}), perMessage)
		})
		b.round("heavy: shoal", func() {
			heavy.take(b.load(b.shoalTracker(), load.Options{Profile: "heavy"}), perMessage)
		})
		b.round("heavy, 60 %: shoal", func() {
			most.take(b.load(b.shoalTracker(), load.Options{Profile: "heavy", RateScale: 0.6}), slowest)
		})
		b.round("heavy, 12 %: shoal", func() {
			few.take(b.load(b.shoalTracker(), load.Options{Profile: "heavy", RateScale: slow}), perMessage)
		})
		b.round("heavy, 12 %: bittorrent-tracker", func() {
			fewTheirs.take(b.load(b.jsTracker(), load.Options{Profile: "heavy", RateScale: slow}), perMessage)
		})
		b.round("lock-step: shoal", func() {
			lock.take(b.load(b.shoalTracker(), load.Options{Profile: "lockstep"}), perResponse)
		})
		b.round("lock-step: bittorrent-tracker", func() {
			lockTheirs.take(b.load(b.jsTracker(), load.Options{Profile: "lockstep"}), perResponse)
		})
		b.round("UDP: shoal", func() {
			udp.take(b.oneCore(b.shoalTracker().as("udp"), load.Options{Profile: "udp", Conns: 16}), perResponse)
		})
		if _, err := exec.LookPath("opentracker"); err == nil {
			b.round("UDP: opentracker", func() {
				udpTheirs.take(b.oneCore(b.opentracker(), load.Options{Profile: "udp", Conns: 16}), perResponse)
			})
		}
	}

	conns := idle.text("%.0f", func(r *load.Report) float64 { return float64(r.Conns) })
	kib := "%.2f KiB"
	b.rows = append(b.rows,
		mark(in(idle.of(perConn), 6), row{what: "memory per idle WebSocket, " + conns + " in swarms of two: `shoal tracker`, bittorrent-tracker",
			ours: idle.text(kib, perConn), rival: idleTheirs.text(kib, perConn), ratio: share(idle.of(perConn), idleTheirs.of(perConn)), target: "at most 6 KiB"}),
		mark(in(idleTLS.of(perConn), 14), row{what: "the same with TLS", ours: idleTLS.text(kib, perConn), rival: "-", ratio: "-", target: "at most 14 KiB"}),
		row{what: "CPU to open a WebSocket with its first announce: without TLS, with TLS, with TLS and a session ticket", ok: true,
			ours: idle.text("%.0f µs, ", toOpen) + idleTLS.text("%.0f µs, ", toOpen) + resumed.text("%.0f µs", toOpen), rival: idleTheirs.text("%.0f µs", toOpen), ratio: "-", target: "-"},
		mark(mid.of(perMessage) > 0 && mid.of(perMessage) <= 0.35*midTheirs.of(perMessage), row{what: "CPU per message of the moderate load: " + rates(mid, midTheirs),
			ours: mid.text("%.2f µs", perMessage), rival: midTheirs.text("%.2f µs", perMessage), ratio: share(mid.of(perMessage), midTheirs.of(perMessage)), target: "at most 0.35 x"}),
		row{what: "99 % of replies and offers of that come within", ok: true,
			ours: mid.text("%.1f ms", slowest), rival: midTheirs.text("%.1f ms", slowest), ratio: "-", target: "-"},
		b.cpuRow("CPU per message of the heavy load: "+rates(heavy, fewTheirs), heavy, fewTheirs),
		row{what: "the same, both at 12 % of the load: " + rates(few, fewTheirs), ok: true,
			ours: few.text("%.2f µs", perMessage), rival: fewTheirs.text("%.2f µs", perMessage), ratio: share(few.of(perMessage), fewTheirs.of(perMessage)), target: "-"},
		mark(heavy.of(undelivered) == 0 && heavy.Report != nil, row{what: "deliverable offers of the heavy load that were delivered",
			ours: heavy.text("%.3f %%", delivered), rival: fewTheirs.text("%.3f %% at 12 %% of the load", delivered), ratio: "-", target: "all"}),
		mark(in(most.of(slowest), 50), row{what: "99 % of replies and offers at 60 % of the heavy load come within",
			ours: most.text("%.1f ms", slowest), rival: fewTheirs.text("%.1f ms at 12 %%", slowest), ratio: "-", target: "at most 50 ms"}),
		row{what: "lock-step, 1,000 connections: responses", ours: lock.text("%.0f/s", responses), rival: lockTheirs.text("%.0f/s", responses),
			ratio: ratio(lock.of(responses) / lockTheirs.of(responses)), target: "5 x or the next line",
			ok: lock.of(responses) >= 5*lockTheirs.of(responses) || lock.of(perResponse) <= lockTheirs.of(perResponse)/5},
		mark(lock.of(perResponse) > 0 && lock.of(perResponse) <= lockTheirs.of(perResponse)/5, row{what: "CPU per response of that",
			ours: lock.text("%.1f µs", perResponse), rival: lockTheirs.text("%.1f µs", perResponse), ratio: share(lock.of(perResponse), lockTheirs.of(perResponse)), target: "at most 0.2 x"}),
		mark(udp.of(perCore) >= 150_000 || udpTheirs.Report != nil && udp.of(perCore) >= 2.5*udpTheirs.of(perCore), row{what: "UDP announces a second and core: `shoal tracker`, opentracker",
			ours: udp.text("%.0f", perCore), rival: udpTheirs.text("%.0f", perCore), ratio: share(udp.of(perCore), udpTheirs.of(perCore)), target: "150,000, or 2.5 x"}),
	)
	b.hostile()
	b.cluster()
}

// hostile measures honest peers beside each kind of attacker.
func (b *bench) hostile() {
	for _, attack := range attacks {
		var m measured
		counted := 0
		b.round(attack.profile, func() {
			admin := "127.0.0.1:" + strconv.Itoa(rig.FreePort(b))
			t := b.shoalTracker(append([]string{"--limits-exempt", "none", "--admin", admin}, attack.args...)...)
			m.take(b.load(t, load.Options{Profile: attack.profile}), slowest)
			counted = b.counted(admin, attack.reason)
		})
		peak := func(r *load.Report) float64 { return r.RSSPeak }
		b.rows = append(b.rows, mark(in(m.of(slowest), 200) && m.of(undelivered) == 0 && in(m.of(peak), memoryBound) && counted > 0, row{
			what: "99 % of honest peers' replies and offers beside `" + attack.profile + "` come within",
			ours: m.text("%.1f ms", slowest) + m.text(", %.0f MiB resident at most", peak) +
				fmt.Sprintf(", %d times `%s`", counted, attack.reason),
			rival: "-", ratio: "-", target: fmt.Sprintf("at most 200 ms, %d MiB, counted by its reason", memoryBound)}))
	}
}

// memoryBound is what a tracker may take beside any attack, in MiB: its default --max-buffers, and as much
// again for all else.
const memoryBound = 512

// attacks are the hostile profiles, with the Reason that counts each, and what is set lower so that the
// attack reaches it.
var attacks = []struct {
	profile, reason string
	args            []string
}{
	{"slowloris", "request_time", nil},
	{"bigframes", "bad_messages", nil},
	{"hashes", "announces_address", nil},
	{"badjson", "malformed", nil},
	{"udpspoof", "connection_id", nil},
	{"storm", "connections_address", []string{"--max-conns-per-addr", "1500"}},
	{"halfframes", "buffers_address", []string{"--max-buffers", "16MiB"}},
	{"bodies", "request_body", nil},
	{"slowreaders", "slow_reader", nil},
	{"peerids", "peer_ids", nil},
	{"flood", "announces_connection", []string{"--announce-rate-per-conn", "50/s:500"}},
	{"answers", "no_route", nil},
	{"full", "full", []string{"--max-peers", "20000", "--max-swarms", "20000"}},
	{"candidates", "candidates", nil},
}

// counted is how often the tracker with these operator's pages has counted a Reason.
func (b *bench) counted(admin, reason string) int {
	res, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		b.Fatalf("metrics: %v", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatalf("metrics: %v", err)
	}
	m := regexp.MustCompile(`_total\{reason="` + reason + `"\} ([0-9.e+]+)`).FindSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(string(m[1]), 64)
	return int(n)
}

// cpuRow compares what a message costs.
func (b *bench) cpuRow(what string, ours, theirs measured) row {
	return mark(ours.of(perMessage) > 0 && ours.of(perMessage) <= theirs.of(perMessage)/5, row{what: what,
		ours: ours.text("%.2f µs", perMessage), rival: theirs.text("%.2f µs", perMessage), ratio: share(ours.of(perMessage), theirs.of(perMessage)), target: "at most 0.2 x"})
}

func in(v, most float64) bool { return v > 0 && v <= most }

func share(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return ratio(a / b)
}

func messages(r *load.Report) float64  { return r.InPerSecond + r.OutPerSecond }
func responses(r *load.Report) float64 { return r.OutPerSecond }
func slowest(r *load.Report) float64   { return max(r.ReplyLatency.P99, r.OfferLatency.P99) }
func delivered(r *load.Report) float64 { return 100 * float64(r.Delivered) / float64(r.Deliverable) }

func undelivered(r *load.Report) float64 { return float64(r.Deliverable - r.Delivered) }

// perResponse returns the CPU time of a message that the tracker sends, in microseconds.
func perResponse(r *load.Report) float64 { return r.CPU * 1e6 / r.OutPerSecond }

// perCore returns the responses in a second of CPU time.
func perCore(r *load.Report) float64 { return r.OutPerSecond / r.CPU }

func rates(ours, theirs measured) string {
	return ours.text("%.0f/s", messages) + " beside " + theirs.text("%.0f/s", messages)
}

// A tracked is a tracker that runs.
type tracked struct {
	*rig.Proc
	addr   string
	secure bool
	scheme string
}

func (t tracked) as(scheme string) tracked {
	t.scheme = scheme
	return t
}

func (t tracked) url() string {
	s := t.scheme
	if s == "" {
		s = "ws"
	}
	if t.secure {
		s += "s"
	}
	return s + "://" + t.addr + "/announce"
}

// load runs a profile against a tracker.
func (b *bench) load(t tracked, o load.Options) *load.Report {
	o.URLs, o.PIDs = []string{t.url()}, []int{t.PID()}
	o.Duration = b.trackerTime
	if o.Profile == "idle" {
		o.Conns = b.idleConns
	}
	return b.run(o)
}

// oneCore is load with the tracker on one processor and the generator on another.
func (b *bench) oneCore(t tracked, o load.Options) *load.Report {
	bind := func(pid int, cores string) {
		if out, err := exec.Command("taskset", "-a", "-c", "-p", cores, strconv.Itoa(pid)).CombinedOutput(); err != nil {
			b.Fatalf("taskset: %v: %s", err, out)
		}
	}
	all := "0-" + strconv.Itoa(runtime.NumCPU()-1)
	bind(t.PID(), "0")
	bind(os.Getpid(), "1")
	defer bind(os.Getpid(), all)
	return b.load(t, o)
}

func (b *bench) run(o load.Options) *load.Report {
	o.Log = func(line string) { b.Logf("    %s", line) }
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	r, err := load.Run(ctx, o)
	if err != nil {
		b.Fatalf("%v", err)
	}
	var text strings.Builder
	r.Print(&text)
	b.Logf("%s", text.String())
	return r
}

var readyOn = regexp.MustCompile(`tracker ready on ([^\s,]+)`)

// shoalTracker runs the product's tracker on a free port of loopback.
func (b *bench) shoalTracker(args ...string) tracked {
	// The generator's peers make offers as no client does, so that a few thousand load the tracker.
	p := rig.Shoal(b, append([]string{"tracker", "--listen", "127.0.0.1:0", "--max-offers-per-peer", "0", "--max-unanswered", "63"}, args...)...)
	rig.Poll(b, "the tracker", 30*time.Second, func() bool { return readyOn.MatchString(p.Stdout()) })
	return tracked{Proc: p, addr: readyOn.FindStringSubmatch(p.Stdout())[1]}
}

// jsTracker runs bittorrent-tracker.
func (b *bench) jsTracker() tracked {
	p := rig.Start(b, rig.Command{Path: "node", Args: []string{rig.Path("test", "interop", "tracker.mjs")}})
	return tracked{Proc: p, addr: "127.0.0.1:" + strconv.Itoa(int(p.Event("ready", 30*time.Second).Num("port")))}
}

// opentracker runs Debian's opentracker, which serves the info hashes of a list only.
func (b *bench) opentracker() tracked {
	dir := b.TempDir()
	var list strings.Builder
	for n := range load.UDPSwarms(64, 20) {
		fmt.Fprintf(&list, "%x\n", load.UDPHash(1, n))
	}
	port := strconv.Itoa(rig.FreePort(b))
	b.write(filepath.Join(dir, "list"), list.String(), 0o644)
	b.write(filepath.Join(dir, "conf"), "listen.udp 127.0.0.1:"+port+"\naccess.whitelist list\n", 0o644)
	// It gives up its rights and must still read its folder.
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatalf("%v", err)
	}
	p := rig.Start(b, rig.Command{Path: "opentracker", Args: []string{"-f", filepath.Join(dir, "conf"), "-d", dir}})
	time.Sleep(time.Second) // it does not say when it is ready
	return tracked{Proc: p, addr: net.JoinHostPort("127.0.0.1", port), scheme: "udp"}
}

// certificate makes a key and a certificate that it signs itself.
func (b *bench) certificate() (cert, key string) {
	fatal := func(err error) {
		if err != nil {
			b.Fatalf("certificate: %v", err)
		}
	}
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, priv.Public(), priv)
	fatal(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(priv)
	fatal(err)
	dir := b.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	b.write(cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o600)
	b.write(key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), 0o600)
	return cert, key
}

func (b *bench) write(path, text string, mode os.FileMode) {
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		b.Fatalf("%v", err)
	}
}
