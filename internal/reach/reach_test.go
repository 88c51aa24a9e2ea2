//go:build !js

package reach

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func is(l Limit) func(*url.URL) Limit { return func(*url.URL) Limit { return l } }

func TestNearness(t *testing.T) {
	for want, addrs := range map[Limit]string{
		Public:  "8.8.8.8 2606:4700::1111 168.63.129.17 64:ff9b::8.8.8.8 2002:0808:0808::1 ::ffff:8.8.8.8",
		Private: "10.0.0.1 172.16.5.5 192.168.1.1 100.64.0.1 fd00::1 64:ff9b::10.0.0.1 2002:c0a8:0101::1 ::10.0.0.1",
		Own: "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1 0.0.0.0 :: 169.254.169.254 fe80::1 fe80::1%eth0 224.0.0.251 ff02::1 168.63.129.16 " +
			"100.100.100.200 fd00:ec2::254 64:ff9b::127.0.0.1 2002:7f00:0001::1 64:ff9b::169.254.169.254 ::127.0.0.1",
	} {
		for a := range strings.FieldsSeq(addrs) {
			if got := nearness(netip.MustParseAddr(a)); got != want {
				t.Errorf("%s: %d, want %d", a, got, want)
			}
		}
	}
}

func TestWhereAWayMayLead(t *testing.T) {
	type at struct {
		named, redirected, public bool
		limit                     Limit
	}
	for _, tt := range []struct {
		addr string
		at   at
		want error
	}{
		{"8.8.8.8", at{}, nil},
		{"10.0.0.1", at{}, ErrPrivate},
		{"127.0.0.1", at{}, ErrOwn},
		{"10.0.0.1", at{limit: Private}, nil},
		{"127.0.0.1", at{limit: Private}, ErrOwn},
		{"169.254.169.254", at{limit: Private}, ErrOwn},
		{"127.0.0.1", at{limit: Own}, nil},
		{"127.0.0.1", at{named: true}, nil},
		{"10.0.0.1", at{limit: Private, redirected: true}, nil},
		{"127.0.0.1", at{limit: Private, redirected: true}, ErrOwn},
		{"8.8.8.8", at{redirected: true, public: true}, nil},
		{"10.0.0.1", at{limit: Own, redirected: true, public: true}, ErrInward},
		{"127.0.0.1", at{named: true, redirected: true, public: true}, ErrInward},
		{"fd00::1", at{named: true, redirected: true, public: true}, ErrInward},
	} {
		w := New(&url.URL{}, tt.at.named, is(tt.at.limit))
		w.redirected.Store(tt.at.redirected)
		w.public.Store(tt.at.public)
		address := netip.AddrPortFrom(netip.MustParseAddr(tt.addr), 80).String()
		if err := Control(With(t.Context(), w), "tcp", address, nil); !errors.Is(err, tt.want) {
			t.Errorf("%s %+v: %v, want %v", tt.addr, tt.at, err, tt.want)
		}
	}
	if Control(t.Context(), "tcp", "8.8.8.8:80", nil) == nil {
		t.Error("a connection that nobody has judged is made")
	}
}

// A connection that is used again tells where the way began, too.
func TestWhereAWayBegan(t *testing.T) {
	for addr, want := range map[string]bool{"8.8.8.8": true, "127.0.0.1": false, "192.168.1.1": false, "::ffff:10.0.0.1": false} {
		w := New(&url.URL{}, true, is(Own))
		w.began(netip.MustParseAddr(addr))
		if w.public.Load() != want {
			t.Errorf("%s: public %v", addr, w.public.Load())
		}
		w = New(&url.URL{}, true, is(Own))
		w.redirected.Store(true)
		if w.began(netip.MustParseAddr(addr)); w.public.Load() {
			t.Errorf("%s: where a redirect leads is no beginning", addr)
		}
	}
}

// Each address of a redirect is judged anew, and the one behind a name when it is dialled.
func TestRedirectsAreJudged(t *testing.T) {
	asked := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked += r.URL.Path + " "
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	}))
	defer srv.Close()
	judge := func(u *url.URL) Limit {
		if u.Path == "/open" {
			return Own
		}
		return Public
	}
	dialer := &net.Dialer{ControlContext: Control}
	client := &http.Client{CheckRedirect: CheckRedirect, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	for path, want := range map[string]error{
		"/open": nil, "/open?to=/open": nil, "/secret": ErrOwn, "/open?to=/secret": ErrOwn, "/open?to=file:///etc/passwd": ErrScheme,
	} {
		asked = ""
		named := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
		u, err := url.Parse(named + path)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(With(context.Background(), New(u, false, judge)), http.MethodGet, u.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err == nil {
			res.Body.Close()
		}
		if !errors.Is(err, want) || strings.Contains(asked, "/secret") {
			t.Errorf("%s: %v, asked %s", path, err, asked)
		}
	}
}
