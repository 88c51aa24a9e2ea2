package token

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const theSecret = "correct horse battery staple"

var (
	now   = time.Unix(1_767_225_600, 0)
	addr  = netip.MustParseAddr("203.0.113.9")
	film  = [20]byte{1, 2, 3}
	other = [20]byte{9}
)

func keys(t testing.TB, lines ...string) *Keys {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := LoadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSignedClaimsComeBack(t *testing.T) {
	k := keys(t, theSecret)
	for _, c := range []Claims{
		{Expires: now},
		{Expires: now, InfoHash: &film},
		{Expires: now, Net: netip.MustParsePrefix("203.0.113.0/24")},
		{Expires: now, InfoHash: &film, Net: netip.MustParsePrefix("2001:db8::/32")},
		{Expires: now, Trusted: true},
		{Expires: now, Limited: true},
		{Expires: now, InfoHash: &film, Trusted: true, Limited: true},
	} {
		tok := k.Sign(c)
		got, err := k.Verify(tok)
		if err != nil || !got.Expires.Equal(c.Expires) || got.Net != c.Net || got.Trusted != c.Trusted || got.Limited != c.Limited || (got.InfoHash == nil) != (c.InfoHash == nil) ||
			c.InfoHash != nil && *got.InfoHash != *c.InfoHash {
			t.Errorf("%+v came back as %+v, %v", c, got, err)
		}
		if strings.Trim(tok, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Errorf("%s does not fit in a URL as it is", tok)
		}
	}
}

// What other languages make by the documentation. These were made with
// openssl dgst -sha256 -hmac and base64.
func TestVectors(t *testing.T) {
	k := keys(t, theSecret)
	for _, c := range []struct{ claims, token string }{
		{"exp=1767225600", "ZXhwPTE3NjcyMjU2MDA.wtK1PP9PhBvT-hAmN0FKf_Nk1B4H2d6ROdAhjxjn1eM"},
		{"exp=1767225600&info_hash=0102030000000000000000000000000000000000&net=203.0.113.0%2F24", "ZXhwPTE3NjcyMjU2MDAmaW5mb19oYXNoPTAxMDIwMzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAmbmV0PTIwMy4wLjExMy4wJTJGMjQ.E8qgxu0RpvHXUdYE6RDrBuoUFpTeC9ovQcnIa0tU6I8"},
	} {
		got, err := k.Verify(c.token)
		if err != nil || !got.Expires.Equal(now) {
			t.Errorf("%s: %+v, %v", c.claims, got, err)
		}
		if strings.Contains(c.claims, "net") && (got.Covers(film) != nil || got.Net.String() != "203.0.113.0/24") {
			t.Errorf("%s was read as %+v", c.claims, got)
		}
	}
}

func TestWhatTheClaimsAllow(t *testing.T) {
	second := time.Second
	for _, c := range []struct {
		what        string
		claims      Claims
		admit, film error
	}{
		{"an hour", Claims{Expires: now.Add(time.Hour)}, nil, nil},
		{"the last second", Claims{Expires: now.Add(second)}, nil, nil},
		{"just expired", Claims{Expires: now}, ErrExpired, nil},
		{"this torrent", Claims{Expires: now.Add(second), InfoHash: &film}, nil, nil},
		{"another torrent", Claims{Expires: now.Add(second), InfoHash: &other}, nil, ErrInfoHash},
		{"this network", Claims{Expires: now.Add(second), Net: netip.MustParsePrefix("203.0.113.0/24")}, nil, nil},
		{"another network", Claims{Expires: now.Add(second), Net: netip.MustParsePrefix("203.0.112.0/24")}, ErrNet, nil},
		{"IPv6 only", Claims{Expires: now.Add(second), Net: netip.MustParsePrefix("::/0")}, ErrNet, nil},
	} {
		if err := c.claims.Admit(now, addr); err != c.admit {
			t.Errorf("%s: Admit gives %v", c.what, err)
		}
		if err := c.claims.Admit(now, netip.AddrFrom16(addr.As16())); err != c.admit {
			t.Errorf("%s: Admit gives %v for the IPv4-mapped address", c.what, err)
		}
		if err := c.claims.Covers(film); err != c.film {
			t.Errorf("%s: Covers gives %v", c.what, err)
		}
	}
}

func TestForgeriesAreInvalid(t *testing.T) {
	k := keys(t, theSecret)
	good := k.Sign(Claims{Expires: now, InfoHash: &film})
	text, mac, _ := strings.Cut(good, ".")
	sign := func(claims string) string {
		text := strict.EncodeToString([]byte(claims))
		return text + "." + strict.EncodeToString((*k.keys.Load())[0].appendMAC(nil, text))
	}
	if _, err := k.Verify(sign("exp=1")); err != nil {
		t.Fatal(err)
	}
	if c, err := k.Verify(sign("exp=1&trusted=1")); err != nil || !c.Trusted { // as PHP writes it
		t.Errorf("%+v, %v", c, err)
	}
	bad := map[string]string{
		"half trusted":                 sign("exp=1&trusted=perhaps"),
		"trusted by nothing":           sign("exp=1&trusted"),
		"introduced to whom":           sign("exp=1&introduce=friends"),
		"another secret":               keys(t, "another secret of length").Sign(Claims{Expires: now}),
		"no dot":                       text + mac,
		"no MAC":                       text + ".",
		"half a MAC":                   text + "." + mac[:20],
		"a longer MAC":                 good + "A",
		"padding":                      good + "=",
		"two dots":                     good + "." + mac,
		"no claims":                    "." + mac,
		"another spelling":             good[:len(good)-1] + string(good[len(good)-1]+1),
		"too long":                     sign("exp=1&info_hash=" + strings.Repeat("0", 600)),
		"no expiry":                    sign("info_hash=" + strings.Repeat("00", 20)),
		"empty claims":                 sign(""),
		"an unknown claim":             sign("exp=1&admin=1"),
		"a claim twice":                sign("exp=1&exp=99999999999"),
		"an end that is no number":     sign("exp=soon"),
		"a negative end":               sign("exp=-1"),
		"an end too far":               sign("exp=99999999999999999999"),
		"a short info hash":            sign("exp=1&info_hash=00"),
		"a bad info hash":              sign("exp=1&info_hash=" + strings.Repeat("zz", 20)),
		"a bad network":                sign("exp=1&net=10.0.0.0"),
		"base64 of the other alphabet": "+/" + text[2:] + "." + mac,
	}
	for i := range len(good) {
		b := []byte(good)
		if b[i]++; i != len(text) {
			bad["changed at "+strconv.Itoa(i)] = string(b)
		}
	}
	for what, tok := range bad {
		if c, err := k.Verify(tok); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v, %v", what, c, err)
		}
	}
	if _, err := k.Verify(""); !errors.Is(err, ErrMissing) {
		t.Errorf("no token gives %v", err)
	}
}

func TestSecretsCanBeChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	write := func(lines ...string) {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\r\n")+"\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# the old one", "", "  "+theSecret+"  ")
	k, err := LoadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	old := k.Sign(Claims{Expires: now})
	write("the new secret of length", theSecret)
	if err := k.Reload(); err != nil {
		t.Fatal(err)
	}
	young := k.Sign(Claims{Expires: now})
	for _, tok := range []string{old, young} {
		if _, err := k.Verify(tok); err != nil {
			t.Errorf("with both secrets: %v", err)
		}
	}
	write("the new secret of length")
	if err := k.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Verify(old); !errors.Is(err, ErrInvalid) {
		t.Errorf("the old secret is gone, its token gives %v", err)
	}
	for _, spoil := range []func(){func() { write("short") }, func() { write("# nothing") }, func() { os.Remove(path) }} {
		spoil()
		err := k.Reload()
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "short\"") {
			t.Errorf("a bad file gives %v", err)
		}
		if _, err := k.Verify(young); err != nil {
			t.Errorf("after a bad reload the secrets are gone: %v", err)
		}
	}
}

func TestFromQuery(t *testing.T) {
	for query, want := range map[string]string{
		"": "", "token=a.b": "a.b", "x=1&token=a.b&y=2": "a.b", "mytoken=a": "", "token": "", "token=": "", "token=a&token=b": "a", "&&token=x": "x",
	} {
		if got := FromQuery(query); got != want {
			t.Errorf("%q has the token %q, want %q", query, got, want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	k := keys(f, theSecret)
	f.Add(k.Sign(Claims{Expires: now}), "exp=1")
	f.Add(k.Sign(Claims{Expires: now, InfoHash: &film, Net: netip.MustParsePrefix("10.0.0.0/8")}), "exp=1&net=::%2F0")
	f.Add("", "")
	f.Add("a.b", "info_hash=&exp=&net=")
	f.Fuzz(func(t *testing.T, tok, claims string) {
		if c, err := k.Verify(tok); err == nil {
			// Whatever verifies was signed here, so it says what these say.
			if again, err := k.Verify(k.Sign(c)); err != nil || !again.Expires.Equal(c.Expires) || again.Net != c.Net {
				t.Fatalf("%q: %+v signed again is %+v, %v", tok, c, again, err)
			}
		}
		c, err := parseClaims(claims)
		if err != nil {
			return
		}
		if again, err := k.Verify(k.Sign(c)); err != nil || !again.Expires.Equal(c.Expires) || again.Net != c.Net || again.Covers([20]byte{7}) != c.Covers([20]byte{7}) {
			t.Fatalf("%q: %+v signed is %+v, %v", claims, c, again, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	k := keys(b, theSecret)
	tok := k.Sign(Claims{Expires: now, InfoHash: &film})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Verify(tok); err != nil {
			b.Fatal(err)
		}
	}
}
