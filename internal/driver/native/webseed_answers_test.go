//go:build !js

package native

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver/webseed"
	"github.com/shoal-p2p/shoal/internal/reach"
)

// A server without ranges sends the whole file each time; of a small one that is
// borne, and what lies before the part that was wanted is passed over.
func TestAMirrorWithoutRanges(t *testing.T) {
	root := t.TempDir()
	data := make([]byte, 900_001)
	rand.NewChaCha8([32]byte{8}).Read(data)
	path := filepath.Join(root, "small.bin")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	got, dir := get(t, makeOf(t, path, true, true), server(t, root, func(files http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			files.ServeHTTP(w, r)
		})
	}))
	wait(t, got)
	if have, err := os.ReadFile(filepath.Join(dir, "small.bin")); err != nil || !bytes.Equal(have, data) {
		t.Errorf("%d bytes, %v", len(have), err)
	}
}

// When a server that is busy wants to be asked again (RFC 9110, section 10.2.3).
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		after, date string
		want        time.Duration
	}{
		{"", "", 0}, {"soon", "", 0}, {"30", "", 30 * time.Second},
		{"Fri, 01 May 2026 12:01:00 GMT", "", time.Minute},
		{"Fri, 01 May 2026 12:01:00 GMT", "Fri, 01 May 2026 12:00:20 GMT", 40 * time.Second}, // by its own clock
		{"Fri, 01 May 2026 12:01:00 GMT", "today", time.Minute},
	} {
		h := http.Header{}
		h.Set("Retry-After", tt.after)
		h.Set("Date", tt.date)
		if got := retryAfter(h, now); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// What went wrong is said without the address, which may hold a password.
func TestErrorsNameNoAddress(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	rude := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
	}))
	defer rude.Close()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "ftp://127.0.0.1/secret", http.StatusFound)
	}))
	defer elsewhere.Close()
	s := newWebSeeds(true)
	defer s.close()
	for url, want := range map[string]string{
		closed.URL: "refused", rude.URL: errSilent.Error(), elsewhere.URL: reach.ErrScheme.Error(), "http://h\x7f/secret": "not well-formed",
	} {
		_, err := s.fetch(t.Context(), webseed.Request{URL: strings.Replace(url, "://", "://me:secret@", 1), Trusted: true})
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", url, err)
		}
	}
}
