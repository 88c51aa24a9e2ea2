package tracker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/tracker"
)

// A tracker of one site, which has the torrents that it published and no others.
func Example() {
	published := map[[20]byte]bool{[20]byte([]byte("one of our own films")): true}
	t, err := tracker.New(tracker.Config{
		AllowAnnounce: func(c *tracker.Client, infoHash [20]byte) error {
			if !published[infoHash] {
				return errors.New("this site has no such film")
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0") // in earnest ":8000"
	if err != nil {
		log.Fatal(err)
	}
	udp, err := tracker.ListenUDP(ln.Addr().String()) // the same number
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		if err := t.Serve(ln); err != nil {
			log.Print(err)
		}
	}()
	go func() {
		if err := t.ServeUDP(udp...); err != nil {
			log.Print(err)
		}
	}()

	for _, film := range []string{"one of our own films", "somebody else's film"} {
		res, err := http.Get("http://" + ln.Addr().String() + "/announce?port=6881&left=1&peer_id=-XX0001-123456789012&info_hash=" + url.PathEscape(film))
		if err != nil {
			log.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		if _, reason, refused := strings.Cut(string(body), "failure reason"); refused {
			fmt.Println(film, "is refused:", reason)
		} else {
			fmt.Println(film, "is taken")
		}
	}

	// Clients are sent away little by little, here within a second.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := t.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// one of our own films is taken
	// somebody else's film is refused: 26:this site has no such filme
}

// Beside other things on a server of your own.
func Example_handler() {
	t, err := tracker.New(tracker.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	mux := http.NewServeMux()
	mux.Handle("/announce", t)
	mux.Handle("/scrape", t)
	srv := httptest.NewServer(mux) // in earnest an http.Server
	defer srv.Close()

	res, err := http.Get(srv.URL + "/scrape?info_hash=one%20of%20our%20own%20films")
	if err != nil {
		log.Fatal(err)
	}
	res.Body.Close()
	fmt.Println(res.Status, t.Stats().Scrapes[tracker.HTTP])
	// Output: 200 OK 1
}
