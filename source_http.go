//go:build !js

package shoal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

// What a server may take from us when asked for a .torrent or for its ports.
const (
	fetchTimeout  = 30 * time.Second
	configTimeout = 5 * time.Second // a short cut past the tracker, not worth more
	maxConfig     = 1 << 20         // bytes
)

// askNode fetches the .torrent from the node behind a page, and asks where it
// takes TCP peers. A node that only tracks the torrent has no .torrent of it: then
// the hash is what we know.
func (s Source) askNode(ctx context.Context) (Source, error) {
	s.magnet.Peers = append(slices.Clone(s.magnet.Peers), nodePeers(ctx, s.at)...)
	key := s.magnet.Key()
	at := *s.at
	at.Path, at.RawPath, at.RawQuery = "/torrents/"+key.String()+".torrent", "", ""
	t, err := fetchTorrent(ctx, &at)
	if errors.Is(err, errNotThere) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	other := s.magnet.HashV2 != nil && *s.magnet.HashV2 != t.Info.HashV2 // beyond the 20 bytes of a key
	if !slices.Contains(t.Info.SwarmHashes(), key) || other {
		return s, fmt.Errorf("%s gave another torrent than the link names", s.at.Host)
	}
	s.torrent, s.magnet.Name = t, t.Info.Name
	s.text = t.Info.Name
	return s, nil
}

// nodePeers asks the node behind a page where it takes TCP peers. Every failure is
// silent: the tracker knows it too.
func nodePeers(ctx context.Context, page *url.URL) []string {
	ctx, cancel := context.WithTimeout(ctx, configTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page.Scheme+"://"+page.Host+"/shoal/config.json", nil)
	if err != nil {
		return nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var config struct {
		PeerPort int `json:"peerPort"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, maxConfig)).Decode(&config)
	if err != nil || resp.StatusCode != http.StatusOK || config.PeerPort <= 0 || config.PeerPort > 65535 {
		return nil
	}
	return []string{net.JoinHostPort(page.Hostname(), strconv.Itoa(config.PeerPort))}
}

var errNotThere = errors.New("there is no such torrent")

// magnetRedirect is the error of a request that was answered with a redirect to a
// magnet link, as indexers do where they keep no .torrent.
type magnetRedirect struct{ link string }

func (e *magnetRedirect) Error() string { return "redirected to a magnet link" }

// torrentClient ends at such a redirect, before the link is read as the address that
// it is not.
var torrentClient = &http.Client{Transport: stopAtMagnet{}}

type stopAtMagnet struct{}

func (stopAtMagnet) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || resp.StatusCode/100 != 3 {
		return resp, err
	}
	if link := resp.Header.Get("Location"); hasScheme(link, "magnet:") {
		resp.Body.Close()
		return nil, &magnetRedirect{link}
	}
	return resp, nil
}

// fetchTorrent downloads a .torrent, bounded in size, time and redirects. The error
// wraps a *magnetRedirect where the server gives a magnet link instead.
func fetchTorrent(ctx context.Context, u *url.URL) (*metainfo.Torrent, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s is no URL: %w", u, err)
	}
	resp, err := torrentClient.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return nil, fmt.Errorf("cannot fetch %s: %w", u, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("cannot fetch %s: %w", u, errNotThere)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("cannot fetch %s: the server says %s", u, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, metainfo.MaxTorrentSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot fetch %s: %w", u, err)
	}
	if len(b) > metainfo.MaxTorrentSize {
		return nil, fmt.Errorf("%s is no .torrent: it is larger than %d MiB", u, metainfo.MaxTorrentSize>>20)
	}
	t, err := metainfo.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s is no valid .torrent: %w", u, mistaken(b, err))
	}
	return t, nil
}
