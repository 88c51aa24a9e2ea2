//go:build !js

package native

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// What a user has set is what is said of a torrent, and a tracker's word is there for who
// asks.
func TestATorrentSaysHowItStands(t *testing.T) {
	s := makeSample(t, "film.mkv", 1<<20, false, false)
	b := newBook(t)
	c := newClient(t, nil)
	got := add(t, c, Options{Torrent: s.Torrent, Trackers: b.url(), Content: Seed(s.dir, nil)})
	eventually(t, "the tracker's word", func() bool { return len(got.Trackers()) == 1 })
	for url, st := range got.Trackers() {
		if url != b.url()[0][0] || st.Err != nil {
			t.Errorf("%s: %+v", url, st)
		}
	}
	if got.Paused() || got.Forced() || got.Queued() {
		t.Error("nothing was set")
	}
	got.Pause(true)
	got.Force(true)
	if !got.Paused() || !got.Forced() {
		t.Error("it was paused and forced")
	}
	got.Force(false)
	got.Pause(false)
	if got.Paused() || got.Forced() {
		t.Error("it was taken back")
	}
	if g := (Goals{Ratio: 3}); got.Goals() != (Goals{}) {
		t.Errorf("goals from nowhere: %+v", got.Goals())
	} else if got.SetGoals(g); got.Goals() != g {
		t.Errorf("goals %+v", got.Goals())
	}
}

// A pause ends what web seeds are asked for, and they are asked again after it.
func TestAPauseEndsRequestsToWebSeeds(t *testing.T) {
	_, tor := library(t, true, true)
	asked, ended := make(chan bool, 100), make(chan bool, 100)
	stay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		<-r.Context().Done()
		ended <- true
	}))
	t.Cleanup(stay.Close)
	got, _ := get(t, tor, stay.URL)
	<-asked
	got.Pause(true)
	<-ended
	for len(asked) > 0 {
		<-asked
	}
	got.Pause(false)
	<-asked
}
