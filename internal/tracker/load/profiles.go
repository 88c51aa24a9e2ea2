package load

import (
	"context"
	"time"
)

// A profile is a way of putting load on a tracker.
type profile struct {
	name     string
	what     string
	schemes  []string
	defaults Options
	run      func(ctx context.Context, g *generator) error
}

var webSocket = []string{"ws", "wss"}

var profiles = []profile{
	{"idle", "50,000 connections in swarms of two announce once, then say nothing: memory", webSocket,
		Options{Conns: 50_000, Offers: 5, SDPSize: 1300, SwarmSize: 2, Duration: 20 * time.Second}, runIdle},
	{"light", "42,000 connections announce every two minutes with 5 offers", webSocket,
		Options{Conns: 42_000, Offers: 5, SDPSize: 1300, SwarmSize: 2, Interval: 2 * time.Minute, Duration: 30 * time.Second, Warmup: 5 * time.Second}, runPaced},
	{"heavy", "4,000 connections announce every second with 10 offers of 1.3 kB, each of which is answered", webSocket,
		Options{Conns: 4000, Offers: 10, SDPSize: 1300, SwarmSize: 20, Interval: time.Second, Duration: 20 * time.Second, Warmup: 5 * time.Second}, runPaced},
	{"moderate", "800 connections announce every second with 10 offers of 1.3 kB, each of which is answered: 25,600 messages a second", webSocket,
		Options{Conns: 800, Offers: 10, SDPSize: 1300, SwarmSize: 20, Interval: time.Second, Duration: 20 * time.Second, Warmup: 5 * time.Second}, runPaced},
	{"lockstep", "1,000 connections send a message for each they read; 10,000 torrents, few of them popular", webSocket,
		Options{Conns: 1000, Offers: 10, SDPSize: 47, Duration: 15 * time.Second, Warmup: 5 * time.Second}, runLockstep},
	{"http", "64 connections announce as fast as they get replies", []string{"http", "https"},
		Options{Conns: 64, SwarmSize: 50, Duration: 10 * time.Second, Warmup: 2 * time.Second}, runHTTP},
	{"udp", "64 sockets with 1,000 peers each announce, 16 under way on each", []string{"udp"},
		Options{Conns: 64, SwarmSize: 20, Duration: 10 * time.Second, Warmup: 2 * time.Second}, runUDP},
	{"cluster", "3,000 peers in swarms of 1.8 spread over several trackers, and go to another when one dies", webSocket,
		Options{Conns: 3000, Offers: 5, SDPSize: 1300, SwarmMean: 1.8, Interval: 10 * time.Second, Duration: 30 * time.Second, Warmup: 10 * time.Second}, runCluster},
	hostileProfile("slowloris", "5,000 connections that send a byte a second", 5000, 0, slowloris),
	hostileProfile("bigframes", "1,000 frames of 64 KiB a second", 20, 1000, bigframes),
	hostileProfile("hashes", "50,000 announces a second of ever new info hashes from one address", 20, 50_000, hashes),
	hostileProfile("badjson", "10,000 malformed messages a second", 50, 10_000, badJSON),
	hostileProfile("udpspoof", "50,000 spoofed packets a second, to the UDP port of the same number", 50, 50_000, udpSpoof),
	hostileProfile("storm", "10,000 connections within two seconds, again and again", 10_000, 5000, storm),
	hostileProfile("halfframes", "8,200 connections that begin a frame of 32 KiB and do not end it", 8200, 0, halfFrames),
	hostileProfile("bodies", "1,000 requests for a page with a body that never comes", 1000, 0, bodies),
	hostileProfile("slowreaders", "200 connections that ask for much and read nothing", 200, 2000, slowReaders),
	hostileProfile("peerids", "5,000 announces a second of ever new peer ids in one swarm", 20, 5000, peerIDs),
	hostileProfile("flood", "3,000 announces a second with ten offers each to three victims", 20, 3000, offerFlood),
	hostileProfile("answers", "20,000 answers a second that nobody asked for", 20, 20_000, answers),
	hostileProfile("full", "20,000 announces a second of ever new info hashes from 100 addresses", 100, 20_000, full),
	hostileProfile("candidates", "500 offers a second with 250 ICE candidates each", 20, 500, candidates),
}

// hostileProfile has 500 honest peers beside the attackers.
func hostileProfile(name, what string, conns int, rate float64, attack func(ctx context.Context, a *attackers)) profile {
	return profile{name, what + ", beside 500 honest peers", webSocket, Options{
		Conns: 500, Offers: 3, SDPSize: 1300, SwarmSize: 5, Interval: time.Second, Duration: 20 * time.Second, Warmup: 2 * time.Second,
		AttackConns: conns, AttackRate: rate,
	}, hostile(attack)}
}

// Profiles returns the names of the profiles.
func Profiles() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.name)
	}
	return names
}

// Describe says what a profile does, "" if there is none of that name.
func Describe(name string) string {
	for _, p := range profiles {
		if p.name == name {
			return p.what
		}
	}
	return ""
}
