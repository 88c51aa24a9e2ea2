package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/load"
)

type benchCmd struct {
	Tracker benchTrackerCmd `cmd:"" help:"Put a load on a tracker: connections, announces, offers and answers as browsers make them."`
}

type benchTrackerCmd struct {
	URL         []string      `placeholder:"URL" default:"ws://127.0.0.1:8000/announce" help:"The tracker: ws, wss, http, https or udp (${default}). The cluster profile takes several."`
	Profile     string        `default:"heavy" enum:"${load_profiles}" help:"What to do: ${load_profiles} (${default})."`
	PID         []int         `name:"pid" placeholder:"N" help:"The tracker's process: print what it uses. Linux only."`
	Conns       int           `placeholder:"N" help:"Connections."`
	Interval    time.Duration `placeholder:"D" help:"Time between two announces of a connection."`
	RateScale   float64       `default:"1" placeholder:"X" help:"Multiply the announces per second."`
	Duration    time.Duration `placeholder:"D" help:"Length of the measurement."`
	Warmup      time.Duration `placeholder:"D" help:"Time at full load before it."`
	Offers      int           `placeholder:"N" help:"Offers in an announce; -1 means none."`
	SDPSize     int           `name:"sdp-size" placeholder:"BYTES" help:"Size of the SDP of an offer or answer."`
	SwarmSize   int           `placeholder:"N" help:"Connections in one swarm."`
	SwarmMean   float64       `placeholder:"X" help:"Cluster profile: peers in one swarm on average."`
	KeepAlive   bool          `negatable:"" default:"true" help:"HTTP: many announces on one connection."`
	AttackConns int           `placeholder:"N" help:"Hostile profiles: connections of the attackers."`
	AttackRate  float64       `placeholder:"X" help:"Hostile profiles: messages, or connections of a storm, per second of all attackers."`
	Seed        uint64        `default:"1" placeholder:"N" help:"Seed of ids and choices."`
	JSON        bool          `name:"json" help:"Print the report as JSON."`

	TLSInsecure    bool `name:"tls-insecure" help:"Take any certificate."`
	TLSResume      bool `name:"tls-resume" help:"Connect with a session ticket where there is one."`
	BeyondLoopback bool `help:"Allow a tracker on another machine. It must be your own."`
}

func (benchTrackerCmd) Help() string {
	var b strings.Builder
	b.WriteString("Runs one profile against a tracker, which may be any, and reports messages per second, latencies, delivered offers and, with --pid, the tracker's CPU time per message and memory per connection. Settings that are not given are the profile's.\n\nProfiles:\n")
	for _, name := range load.Profiles() {
		fmt.Fprintf(&b, "\n  %-10s %s", name, load.Describe(name))
	}
	return b.String()
}

func (c *benchTrackerCmd) Run(ctx context.Context) error {
	r, err := load.Run(ctx, load.Options{
		Profile: c.Profile, URLs: c.URL, PIDs: c.PID,
		Conns: c.Conns, Interval: c.Interval, RateScale: c.RateScale, Duration: c.Duration, Warmup: c.Warmup,
		Offers: c.Offers, SDPSize: c.SDPSize, SwarmSize: c.SwarmSize, SwarmMean: c.SwarmMean, KeepAlive: c.KeepAlive, Seed: c.Seed,
		AttackConns: c.AttackConns, AttackRate: c.AttackRate,
		TLSInsecure: c.TLSInsecure, TLSResume: c.TLSResume, BeyondLoopback: c.BeyondLoopback,
		Log: func(line string) { tell("%s\n", line) },
	})
	if wrong := new(load.OptionError); errors.As(err, &wrong) {
		return errUsage{err}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(jsonOutput{})
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	r.Print(stdout)
	return nil
}
