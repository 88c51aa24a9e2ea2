package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/shoal-p2p/shoal/tracker"
)

// given is where a tracker's settings come from in a test.
type given struct {
	args []string
	env  map[string]string
	file string // text of the settings file; "" means none
}

// load returns the settings and, for errors, the path of the file.
func (g given) load(t *testing.T) (s *settings, path string, err error) {
	t.Helper()
	args := append([]string{"tracker"}, g.args...)
	if g.file != "" {
		path = filepath.Join(t.TempDir(), "t.yaml")
		if err := os.WriteFile(path, []byte(g.file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	s, err = loadSettings(parseTracker(t, args...), func(name string) string { return g.env[name] })
	return s, path, err
}

func (g given) plan(t *testing.T) (*trackerPlan, string, error) {
	t.Helper()
	s, path, err := g.load(t)
	if err != nil {
		return nil, path, err
	}
	p, err := s.plan(io.Discard, io.Discard)
	return p, path, err
}

func parseTracker(t *testing.T, args ...string) *kong.Context {
	t.Helper()
	var c struct {
		Tracker trackerCmd `cmd:""`
	}
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	k, err := parser.Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagBeforeEnvironmentBeforeFileBeforeDefault(t *testing.T) {
	for _, c := range []struct {
		what                  string
		name, def             string
		flag, env, file       string // the setting there
		byFlag, byEnv, byFile string
	}{
		{"text", "interval", "15m", "--interval=1m", "2m", "3m", "1m", "2m", "3m"},
		{"list", "listen", ":8000", "--listen=:1", ":2,:3", "[':4', ':5']", ":1", ":2 :3", ":4 :5"},
		{"one for a list", "listen", ":8000", "--listen=:1,:2", " :2 ", "':4'", ":1 :2", ":2", ":4"},
		{"truth", "full-scrape", "false", "--full-scrape=false", "true", "yes", "false", "true", "yes"},
		{"no default", "hash-allow", "", "--hash-allow=a", "b", "c", "a", "b", "c"},
	} {
		t.Run(c.what, func(t *testing.T) {
			env := map[string]string{envName(c.name): c.env}
			file := c.name + ": " + c.file + "\n"
			for _, s := range []struct {
				given given
				want  string
			}{
				{given{}, c.def},
				{given{file: file}, c.byFile},
				{given{env: env}, c.byEnv},
				{given{env: env, file: file}, c.byEnv},
				{given{args: []string{c.flag}}, c.byFlag},
				{given{args: []string{c.flag}, file: file}, c.byFlag},
				{given{args: []string{c.flag}, env: env, file: file}, c.byFlag},
				{given{env: map[string]string{envName(c.name): ""}, file: file}, c.byFile}, // an empty variable is none
			} {
				got, _, err := s.given.load(t)
				if err != nil {
					t.Fatal(err)
				}
				if text := strings.Join(got.list(c.name), " "); text != s.want {
					t.Errorf("%+v gives %q, want %q", s.given, text, s.want)
				}
			}
		})
	}
}

func TestConfigFileByEnvironment(t *testing.T) {
	path := write(t, "t.yaml", "drain: 7s\n")
	s, _, err := given{env: map[string]string{"SHOAL_TRACKER_CONFIG": path}}.load(t)
	if err != nil || s.text("drain") != "7s" {
		t.Errorf("%q, %v", s.text("drain"), err)
	}
}

// Kubernetes sets such variables for a service that is named shoal-tracker.
func TestForeignVariablesAreNoSettings(t *testing.T) {
	if _, _, err := (given{env: map[string]string{"SHOAL_TRACKER_PORT": "tcp://10.0.0.1:8000", "SHOAL_TRACKER_SERVICE_HOST": "10.0.0.1"}}).plan(t); err != nil {
		t.Error(err)
	}
}

func TestPlan(t *testing.T) {
	p, _, err := given{
		args: []string{"--listen", ":1", "--listen", "[::1]:2", "--udp", "off", "--min-interval", "30m"},
		env:  map[string]string{"SHOAL_TRACKER_TRUSTED_PROXY": "10.0.0.0/8, 192.0.2.1", "SHOAL_TRACKER_LIMITS_EXEMPT": "none"},
		file: "max-conns: 50_000\nmax-message: 128KiB\nannounce-rate-per-addr: 600/m:50\noffer-rate-per-conn: off\nconnect-rate-per-addr: 0.5/s\ncompression: both\n",
	}.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	l := p.conf.Limits
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"listen", p.listen, []string{":1", "[::1]:2"}},
		{"udp", p.udp, "off"},
		{"min-interval, at most interval", p.conf.MinInterval, p.conf.Interval},
		{"max-conns", l.Conns, 50_000},
		{"max-message", l.Message, 128 << 10},
		{"announce-rate-per-addr", l.AnnouncesPerAddr, tracker.Rate{PerSecond: 10, Burst: 50}},
		{"offer-rate-per-conn", l.OffersPerConn, tracker.Rate{}},
		{"connect-rate-per-addr", l.ConnectsPerAddr, tracker.Rate{PerSecond: 0.5, Burst: 1}},
		{"compression", p.conf.Compression, tracker.CompressBoth},
		{"trusted-proxy", fmt.Sprint(p.conf.TrustedProxies), "[10.0.0.0/8 192.0.2.1/32]"},
		{"limits-exempt", len(l.Exempt), 0},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s is %v, want %v", c.what, c.got, c.want)
		}
	}
}

// Who switches something off may leave its other settings where they are.
func TestSwitchedOffKeepsItsSettings(t *testing.T) {
	p, _, err := given{file: "turn: off\nturn-ttl: 2h\nadmin: off\nadmin-auth-file: /none\n"}.plan(t)
	if err != nil || p.turn != nil || p.admin != "off" {
		t.Errorf("%+v, %v", p, err)
	}
}

// Each mistake is told with the place it was made at, what is wrong, and what to write.
func TestMistakes(t *testing.T) {
	hashes := write(t, "hashes.txt", "# mine\nxyz\n")
	short := write(t, "short", "hunter2\n")
	empty := write(t, "empty", "\n")
	cert, key := selfSigned(t, "localhost")
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct {
		args string // separated by spaces
		env  string // NAME=value
		file string
		want string // FILE stands for the settings file
	}{
		{args: "--listen 8000", want: `--listen: "8000" is not an address: write it like :8000`},
		{args: "--listen :http", want: `--listen: ":http" has no port from 0 to 65535`},
		{args: "--listen :99999", want: `--listen: ":99999" has no port`},
		{args: "--listen=", want: `--listen: there is no address: write it like :8000`},
		{args: "--udp 1", want: `--udp: "1" is not an address`},
		{args: "--plain-listen :80", want: `--plain-listen: without TLS all addresses are plain: use --listen`},
		{args: "--interval soon", want: `--interval: "soon" is not a time: write it like 90s, 15m or 1h30m`},
		{args: "--interval 10ms", want: `--interval: 10ms is too short: 1s is the least`},
		{env: "INTERVAL=soon", want: `SHOAL_TRACKER_INTERVAL: "soon" is not a time`},
		{file: "\n\ninterval: soon\n", want: `FILE:3: interval: "soon" is not a time`},
		{file: "ws-interval: 5\n", want: `FILE:1: ws-interval: "5" is not a time`},
		{args: "--max-conns many", want: `--max-conns: "many" is not a number: write it like 5000`},
		{args: "--max-offers 0", want: `--max-offers: 0 is out of range: it goes from 1 to 100`},
		{args: "--max-message big", want: `--max-message: "big" is not a size: write it like 64KiB or 256MiB`},
		{args: "--max-message 1", want: `--max-message: 1 is out of range: it goes from 1024 to 1048576 bytes`},
		{args: "--max-message 8KiB", want: `--max-sdp: 16KiB is more than a whole message may have: raise --max-message`},
		{args: "--announce-rate-per-addr 5", want: `--announce-rate-per-addr: "5" is not a rate: write it like 10/s`},
		{args: "--announce-rate-per-addr 5/d", want: `"5/d" is not a rate`},
		{args: "--announce-rate-per-addr 5/s:0", want: `"5/s:0" is not a rate`},
		{args: "--announce-rate-per-addr=-1/s", want: `"-1/s" is not a rate`},
		{args: "--announce-rate-per-addr NaN/s", want: `"NaN/s" is not a rate`},
		{args: "--trusted-proxy 10.0.0.0/99", want: `--trusted-proxy: "10.0.0.0/99" is not a network: write it like 10.0.0.0/8`},
		{args: "--proxy-header via", want: `--proxy-header: "via" is not possible: say any, x-forwarded-for, x-real-ip or forwarded`},
		{args: "--proxy-protocol", want: `--proxy-protocol: nobody is trusted to say who its client is: name the proxies with --trusted-proxy`},
		{args: "--compression zip", want: `--compression: "zip" is not possible: say in, both or off`},
		{args: "--log-level loud", want: `--log-level: "loud" is not possible: say debug, info, warn or error`},
		{args: "--log-format xml", want: `--log-format: "xml" is not possible: say text or json`},
		{args: "--drain=-1s", want: `--drain: -1s is too short`},
		{env: "FULL_SCRAPE=perhaps", want: `SHOAL_TRACKER_FULL_SCRAPE: "perhaps" is neither true nor false`},
		{args: "--origin-allow https://*", want: `--origin-allow: origin "https://*": `},
		{args: "--origin-allow a.org --origin-deny a/b", want: `--origin-deny: origin "a/b": `},
		{args: "--hash-allow " + hashes, want: `--hash-allow: ` + hashes + `:2: "xyz" is no info hash`},
		{args: "--hash-deny " + missing, want: `--hash-deny: cannot read the info hashes in ` + missing},
		{args: "--address-deny " + missing, want: `--address-deny: cannot read the list in ` + missing},
		{args: "--address-allow " + hashes, want: `--address-allow: ` + hashes + ` is no such list: ` + hashes + `:2: "xyz" is no address`},
		{args: "--client-allow " + missing, want: `--client-allow: cannot read the list in ` + missing},
		{args: "--token-secret-file " + short, want: `--token-secret-file: ` + short + `:1: the secret has 7 bytes, it needs 16 or more`},
		{args: "--hook example.org", want: `--hook: this is not the address of a service: write it like https://example.org/announce`},
		{args: "--hook http://u:hunter2@", want: `--hook: this is not the address of a service`},
		{args: "--hook-timeout 1s", want: `--hook-timeout: this is of no use without --hook`},
		{args: "--hook http://a --hook-timeout 1m", want: `--hook-timeout: 1m is too long: 30s is the most`},
		{args: "--hook http://a --hook-allow-for 48h", want: `--hook-allow-for: 48h is too long: 24h0m0s is the most`},
		{args: "--hook http://a --hook-deny-for 0s", want: `--hook-deny-for: 0s is too short: 1s is the least`},
		{args: "--hook http://a --hook-away ask", want: `--hook-away: "ask" is not possible: say deny or allow`},
		{args: "--hook http://a --hook-max-requests 0", want: `--hook-max-requests: 0 is out of range: it goes from 1 to 10000`},
		{args: "--hook http://a --hook-secret-file " + short, want: `--hook-secret-file: ` + short + `:1: the secret has 7 bytes, it needs 16 or more`},
		{args: "--tls-cert " + cert, want: `--tls-cert: ` + cert + ` has no key: name it with --tls-key`},
		{args: "--tls-key " + key, want: `--tls-key: ` + key + ` has no certificate: name it with --tls-cert`},
		{args: "--tls-cert " + cert + " --tls-key " + cert, want: `--tls-cert: cannot use the certificate in ` + cert},
		{args: "--tls-cert " + missing + " --tls-key " + key, want: missing},
		{args: "--tls-cert " + cert + " --tls-key " + key + " --acme-domain a.org", want: `--acme-domain: certificates come from files or by ACME, not both`},
		{args: "--acme-email me@example.org", want: `--acme-email: this is of no use without --acme-domain`},
		{args: "--acme-domain a.org --acme-dir " + cert, want: `--acme-dir: cannot keep certificates in ` + cert},
		{args: "--tls-cert " + cert + " --tls-key " + key + " --tls-curves x25519,p257", want: `--tls-curves: "p257" is not possible: say x25519`},
		{args: "--tls-ticket-secret-file " + short, want: `--tls-ticket-secret-file: this is of no use without TLS: see --tls-cert`},
		{args: "--tls-cert " + cert + " --tls-key " + key + " --tls-ticket-secret-file " + short, want: `--tls-ticket-secret-file: ` + short + `:1: the secret has 7 bytes`},
		{args: "--locality near", want: `--locality: "near" is not possible: say off, prefix or full`},
		{args: "--locality full", want: `--locality: full needs to know ISPs and countries: name a file with --mmdb`},
		{args: "--mmdb " + hashes, want: hashes},
		{args: "--admin 9090", want: `--admin: "9090" is not an address`},
		{args: "--admin-auth-file " + short, want: `--admin-auth-file: this is of no use without --admin`},
		{args: "--admin 127.0.0.1:0 --admin-auth-file " + short, want: `--admin-auth-file: there is no USER:PASSWORD in ` + short},
		{args: "--admin 127.0.0.1:0 --admin-auth-file " + empty, want: `--admin-auth-file: ` + empty + `: there is no secret in it`},
		{args: "--turn-ttl 2h", want: `--turn-ttl: this is of no use without --turn`},
		{args: "--turn 3478", want: `--turn: "3478" is not an address`},
		{args: "--turn :3478 --turn-ports 5", want: `--turn-ports: "5" is not a range of ports: write it like 49152-65535`},
		{args: "--turn :3478 --turn-ports 9-5", want: `--turn-ports: "9-5" is not a range`},
		{args: "--turn :3478 --turn-public-ip here", want: `--turn-public-ip: "here" is not an IP address: write it like 203.0.113.5`},
		{args: "--turn :3478 --turn-tls :5349", want: `--turn-tls: TLS needs a certificate`},
		{args: "--turn :3478 --turn-secret-file " + short, want: `--turn-secret-file: ` + short + `:1: the secret has 7 bytes`},
		{args: "--turn :3478 --turn-session-rate fast", want: `--turn-session-rate: "fast" is not a size`},
		{args: "--cluster-route a:1", want: `--cluster-route: this is of no use without --cluster`},
		{args: "--cluster nats://a --cluster-route a:1", want: `--cluster-route: this is of no use without --cluster embedded`},
		{args: "--cluster embedded --cluster-creds " + short, want: `--cluster-creds: this is of no use without the URL of a NATS server`},
		{args: "--cluster embedded --cluster-secret-file " + short, want: `--cluster-secret-file: ` + short},
		{args: "--cluster nats://a --cluster-cert " + cert, want: `--cluster-cert: ` + cert + ` has no key`},
		{args: "--cluster nats://a --cluster-key " + key, want: `--cluster-key: ` + key + ` has no certificate`},
		{args: "--cluster nats://a --cluster-ca " + empty, want: `--cluster-ca: cannot use ` + empty + `: there is no certificate in PEM in it`},

		{args: "--config " + missing, want: `--config: cannot read ` + missing + `: there is no such file or folder`},
		{file: "max-con: 5\n", want: `FILE:1: there is no setting "max-con"; there is max-conns, max-conns-per-addr`},
		{file: "# hello\nmax_conns: 5\n", want: `FILE:2: there is no setting "max_conns"; there is max-conns`},
		{file: "colour: blue\n", want: `FILE:1: there is no setting "colour"; the settings are the names of the flags, see shoal tracker --help`},
		{file: "config: other.yaml\n", want: `FILE:1: there is no setting "config"`},
		{file: "interval: [1m, 2m]\n", want: `FILE:1: interval takes one value, not a list`},
		{file: "drain: 1s\ninterval:\n", want: `FILE:2: interval needs a text, a number, true or false, or a list of texts`},
		{file: "interval: {a: b}\n", want: `FILE:1: interval needs a text`},
		{file: "drain: 1s\ndrain: 2s\n", want: `FILE:2: mapping key "drain" already defined`},
		{file: "- drain\n", want: `FILE:1: write settings as name: value, one a line`},
		{file: "drain 1s\n", want: `FILE:1: write settings as name: value`},
		{file: "drain: 1s\n---\ndrain: 2s\n", want: `FILE:3: this is a second document`},
		{file: "listen: [\":1\"\n", want: `FILE:1: `},
		{file: "drain: *x\n", want: `FILE:1: `},
		{file: "\tdrain: 1s\n", want: `FILE:1: `},
	} {
		g := given{args: strings.Fields(c.args), file: c.file}
		if name, value, ok := strings.Cut(c.env, "="); ok {
			g.env = map[string]string{"SHOAL_TRACKER_" + name: value}
		}
		_, path, err := g.plan(t)
		want := strings.ReplaceAll(c.want, "FILE", path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s%s%q\n gives %v\n want %s", c.args, c.env, c.file, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the message tells the secret: %v", c.args, err)
		}
	}
}

// A setting that nobody reads would be one that does nothing.
func TestEverySettingIsRead(t *testing.T) {
	bases := []given{{}, {args: []string{"--acme-domain", "example.org", "--acme-dir", t.TempDir()}}}
	s, _, err := bases[0].load(t)
	if err != nil {
		t.Fatal(err)
	}
	for name := range s.all {
		read := slices.ContainsFunc(bases, func(g given) (read bool) {
			s, _, err := g.load(t)
			if err != nil {
				t.Fatal(err)
			}
			delete(s.all, name)
			defer func() { read = recover() != nil }()
			s.plan(io.Discard, io.Discard)
			return false
		})
		if !read && name != "config" {
			t.Errorf("nothing reads --%s", name)
		}
	}
}

var commentedSetting = regexp.MustCompile(`(?m)^#([a-z][a-z-]*:.*)$`)

// The example file, as it is, changes nothing; and what stands in its comments are the settings,
// all of them in the order of the flags, with their defaults.
func TestExampleFile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "tracker.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if all, err := parseSettings(text); err != nil || len(all) > 0 {
		t.Errorf("as it is, it sets %v, %v", all, err)
	}
	all, err := parseSettings(commentedSetting.ReplaceAll(text, []byte("$1")))
	if err != nil {
		t.Fatal(err)
	}
	defaults, _, err := given{}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	var documented, flags []string
	for _, one := range all {
		documented = append(documented, one.name)
		def := defaults.all[one.name]
		if got, want := strings.TrimSpace(strings.Join(one.texts, ",")), strings.Join(def.texts, ","); got != want {
			t.Errorf("line %d: %s is %q, its default is %q", one.line, one.name, got, want)
		}
	}
	for _, f := range parseTracker(t, "tracker").Selected().Flags {
		if f.Name != "config" && f.Name != "help" {
			flags = append(flags, f.Name)
		}
	}
	for _, name := range flags {
		if !slices.Contains(documented, name) {
			t.Errorf("%s is missing", name)
		}
	}
	if !t.Failed() && !slices.Equal(documented, flags) {
		t.Errorf("the order is\n%v, that of the flags is\n%v", documented, flags)
	}
	// Each has a comment in its paragraph.
	for _, m := range regexp.MustCompile(`\n\n(#[a-z][a-z-]*:.*)`).FindAllSubmatch(text, -1) {
		t.Errorf("%s has no comment above it", m[1])
	}
}

// The help names the default of each setting that has one.
func TestHelpTellsDefaults(t *testing.T) {
	for _, f := range parseTracker(t, "tracker").Selected().Flags {
		if f.HasDefault && f.Default != "0" && !strings.Contains(f.Help, "("+f.Default) {
			t.Errorf("--%s: %q does not say that the default is %s", f.Name, f.Help, f.Default)
		}
	}
}

func FuzzSettingsFile(f *testing.F) {
	for _, s := range []string{
		"", "# a\n", "a: b\n", "a: [b, 1, true, 0.5]\n", "a:\n  - b\n  - c\n", "a: |\n  text\n", "a: 'x'\nb: \"y\"\n", "- a\n", "a: {b: c}\n",
		"a: &x 1\nb: *x\n", "? a\n: b\n", "---\na: b\n---\nc: d\n", "a: b: c\n", "\ta: b", "a: !!int 5\n", "<<: {a: b}\n", "\x00", "a: 'x\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseSettings([]byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), ":") {
				t.Fatalf("%q: %v has no line", text, err)
			}
			return
		}
		names := make(map[string]bool)
		for _, one := range all {
			if one.line < 1 || one.line > strings.Count(text, "\n")+strings.Count(text, "\r")+1 || names[one.name] {
				t.Fatalf("%q: %+v", text, one)
			}
			names[one.name] = true
		}
	})
}
