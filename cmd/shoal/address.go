package main

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// What may be announced to, and what content may come from.
var (
	trackerSchemes = []string{"wss", "ws", "https", "http", "udp"}
	webSeedSchemes = []string{"https", "http"}
	stunSchemes    = []string{"stun", "stuns", "turn", "turns"}
)

// checkTrackers tells of the first --tracker that cannot be one.
func checkTrackers(urls []string) error {
	for _, u := range urls {
		if err := checkURL(u, trackerSchemes); err != nil {
			return usagef("--tracker %s: %w, as in wss://tracker.example/announce or udp://tracker.example:6969", u, err)
		}
	}
	return nil
}

// checkWebSeeds tells of the first --web-seed that cannot be one.
func checkWebSeeds(urls []string) error {
	for _, u := range urls {
		if err := checkURL(u, webSeedSchemes); err != nil {
			return usagef("--web-seed %s: %w, as in https://files.example/film.mkv", u, err)
		}
	}
	return nil
}

// checkPeers tells of the first --peer that cannot be dialled.
func checkPeers(addrs []string) error {
	for _, a := range addrs {
		host, port, err := net.SplitHostPort(a)
		if err != nil || host == "" || !isPort(port) {
			return usagef("--peer %s: it is not of the form HOST:PORT, as in 192.0.2.1:6881 or [2001:db8::1]:6881", a)
		}
	}
	return nil
}

// checkSTUN tells of the first --stun that cannot be one.
func checkSTUN(urls []string) error {
	for _, u := range urls {
		scheme, host, _ := strings.Cut(u, ":")
		if !(u == "none" && len(urls) == 1) && (host == "" || !slices.Contains(stunSchemes, strings.ToLower(scheme))) {
			return usagef("--stun %s: it is not a STUN or TURN URL, as in stun:stun.example:3478 or turn:user:password@turn.example:3478", u)
		}
	}
	return nil
}

// checkURL returns what an address lacks, in words that go on with an example.
func checkURL(s string, schemes []string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || u.Opaque != "":
		return errors.New("it is not a URL")
	case !slices.Contains(schemes, u.Scheme):
		return errors.New("the scheme " + u.Scheme + " is not one that is known here")
	case u.Hostname() == "":
		return errors.New("it names no host")
	case u.Port() == "" && u.Scheme == "udp":
		return errors.New("it names no port")
	case u.Port() != "" && !isPort(u.Port()):
		return errors.New("the port is not from 1 to 65535")
	}
	return nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
