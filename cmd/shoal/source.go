package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
)

// source is what the user named, found out.
type source struct {
	show     string // how to call it in messages
	magnet   string
	torrent  *metainfo.Torrent
	trackers []string
	peers    []string
	local    bool // every address it names is on this machine
	viaLink  bool
}

var hexHash = regexp.MustCompile(`^[0-9a-fA-F]{40}$`)

// resolve finds out what kind of thing the user named.
func resolve(ctx context.Context, s string) (*source, error) {
	switch {
	case strings.HasPrefix(s, "magnet:"):
		return fromMagnet(s)
	case strings.HasPrefix(s, "http://"), strings.HasPrefix(s, "https://"):
		return fromURL(ctx, s)
	case hexHash.MatchString(s):
		return fromMagnet("magnet:?xt=urn:btih:" + strings.ToLower(s))
	}
	if _, err := os.Stat(s); err != nil {
		return nil, fmt.Errorf("%s is neither a link, a magnet link, an info hash nor a file: %w", s, cause(err))
	}
	t, err := readTorrent(s)
	if err != nil {
		return nil, err
	}
	src := &source{show: s, torrent: t}
	src.findLocal(t.Announce, nil)
	return src, nil
}

func fromMagnet(s string) (*source, error) {
	m, err := magnet.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("%s is no valid magnet link: %w", s, reason(err))
	}
	src := &source{show: m.Name, magnet: s}
	if src.show == "" {
		src.show = m.Key().String()
	}
	src.findLocal([][]string{m.Trackers}, m.Peers)
	return src, nil
}

// findLocal notes whether all trackers and peers are on this machine.
func (s *source) findLocal(tiers [][]string, peers []string) {
	s.local = true
	for _, tier := range tiers {
		peers = append(peers, hostsOf(tier)...)
	}
	for _, a := range peers {
		s.local = s.local && loopback(a)
	}
}

// hostsOf returns the host:port of URLs.
func hostsOf(urls []string) (hosts []string) {
	for _, u := range urls {
		p, err := url.Parse(u)
		if err != nil {
			continue
		}
		port := p.Port()
		if port == "" {
			port = "0"
		}
		hosts = append(hosts, net.JoinHostPort(p.Hostname(), port))
	}
	return hosts
}

// fromURL reads a share link (http://host/#<info hash>, or #magnet:...) or the
// URL of a .torrent.
func fromURL(ctx context.Context, s string) (*source, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("%s is no URL: %w", s, err)
	}
	if strings.HasPrefix(u.Fragment, "magnet:") {
		return fromMagnet(u.Fragment)
	}
	fragment := strings.ToLower(u.Fragment)
	if u.Fragment == "" {
		t, err := fetchTorrent(ctx, u)
		if err != nil {
			return nil, err
		}
		src := &source{show: s, torrent: t}
		src.findLocal(t.Announce, hostsOf([]string{s}))
		return src, nil
	}
	if !hexHash.MatchString(fragment) {
		return nil, fmt.Errorf("%s is no share link: what follows # is no info hash", s)
	}
	ws := *u
	ws.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	src := &source{show: fragment, viaLink: true, trackers: []string{
		ws.Scheme + "://" + u.Host + "/announce", u.Scheme + "://" + u.Host + "/announce",
	}}
	src.local = loopback(net.JoinHostPort(u.Hostname(), "0"))
	src.peers = nodePeers(ctx, u)
	at := *u
	at.Fragment, at.RawFragment, at.Path = "", "", "/torrents/"+fragment+".torrent"
	t, err := fetchTorrent(ctx, &at)
	switch {
	case err == nil:
		if !hasHash(t.Info, fragment) {
			return nil, fmt.Errorf("%s gave another torrent than the link names", u.Host)
		}
		src.torrent = t
		src.findLocal(append(t.Announce, src.trackers), nil)
		src.trackers = missing(src.trackers, t.Announce)
	case errors.Is(err, errNotThere):
		src.magnet = "magnet:?xt=urn:btih:" + fragment
	default:
		return nil, err
	}
	return src, nil
}

// nodePeers asks the node behind a share link where it takes TCP peers. It is
// only a short cut past the tracker, so every failure is silent.
func nodePeers(ctx context.Context, link *url.URL) []string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link.Scheme+"://"+link.Host+"/shoal/config.json", nil)
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
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&config)
	if err != nil || resp.StatusCode != http.StatusOK || config.PeerPort <= 0 || config.PeerPort > 65535 {
		return nil
	}
	return []string{net.JoinHostPort(link.Hostname(), strconv.Itoa(config.PeerPort))}
}

func hasHash(info *metainfo.Info, hex string) bool {
	for _, h := range info.SwarmHashes() {
		if h.String() == hex {
			return true
		}
	}
	return false
}

// missing returns those of list that no tier has.
func missing(list []string, tiers [][]string) (out []string) {
	for _, u := range list {
		found := false
		for _, tier := range tiers {
			for _, v := range tier {
				found = found || u == v
			}
		}
		if !found {
			out = append(out, u)
		}
	}
	return out
}

var errNotThere = errors.New("there is no such torrent")

// fetchTorrent downloads a .torrent, bounded in size, time and redirects.
func fetchTorrent(ctx context.Context, u *url.URL) (*metainfo.Torrent, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s is no URL: %w", u, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
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
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxTorrentFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot fetch %s: %w", u, err)
	}
	if len(b) > maxTorrentFile {
		return nil, fmt.Errorf("%s is no .torrent: it is larger than %s", u, size(maxTorrentFile))
	}
	t, err := metainfo.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s is no valid .torrent: %w", u, reason(err))
	}
	return t, nil
}
