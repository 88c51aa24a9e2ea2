//go:build !js

package native

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Of a magnet link the size is not known at first. It must not look like a whole copy, which
// is what trackers take left=0 for; and they are told whether we encrypt.
func TestWhatATrackerIsToldOfAMagnet(t *testing.T) {
	for level, want := range map[transport.Encryption][2]string{
		transport.EncryptionOff: {"", ""}, transport.EncryptionAllowed: {"1", ""}, transport.EncryptionRequired: {"1", "1"},
	} {
		t.Run(level.String(), func(t *testing.T) {
			asked := make(chan url.Values, 10)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- r.URL.Query()
				io.WriteString(w, "d8:intervali1800e5:peers0:e")
			}))
			defer s.Close()
			c := newClient(t, func(cfg *Config) { cfg.Session.Encryption = level })
			add(t, c, Options{Key: metainfo.Hash{1}, Trackers: [][]string{{s.URL + "/announce"}}, Content: Download(t.TempDir(), nil)})
			select {
			case q := <-asked:
				if q.Get("left") == "" || q.Get("left") == "0" || q.Get("event") != "started" {
					t.Errorf("left=%q, event=%q", q.Get("left"), q.Get("event"))
				}
				if q.Get("supportcrypto") != want[0] || q.Get("requirecrypto") != want[1] {
					t.Errorf("supportcrypto=%q, requirecrypto=%q", q.Get("supportcrypto"), q.Get("requirecrypto"))
				}
			case <-time.After(20 * time.Second):
				t.Fatal("the tracker is not asked")
			}
		})
	}
}
