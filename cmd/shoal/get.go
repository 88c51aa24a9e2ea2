package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal"
)

type getCmd struct {
	Source    string   `arg:"" name:"link|magnet|file|url" help:"A share link, magnet link, info hash, .torrent file or its URL."`
	Dir       string   `short:"o" default:"." placeholder:"DIR" help:"Folder to download into (the current one)."`
	Peer      []string `placeholder:"HOST:PORT" help:"Connect to this peer (repeatable)."`
	Transport []string `default:"tcp,webrtc" enum:"tcp,webrtc" placeholder:"LIST" help:"Transports to use (${default})."`
	Tracker   []string `placeholder:"URL" help:"Ask this tracker too (repeatable)."`
	NoDHT     bool     `name:"no-dht" help:"Do not use the distributed hash table."`
	NoLSD     bool     `name:"no-lsd" help:"Do not look for peers on the local network."`
	STUN      []string `name:"stun" placeholder:"URL" help:"STUN or TURN server for WebRTC (repeatable; 'none' for none)."`
	Seed      bool     `help:"Go on seeding until Ctrl-C."`
	JSON      bool     `name:"json" help:"Print one JSON object a line."`
}

type metadataEvent struct {
	Event    string     `json:"event"`
	InfoHash string     `json:"info_hash"`
	Name     string     `json:"name"`
	Bytes    int64      `json:"bytes"`
	Pieces   int        `json:"pieces"`
	Files    []infoFile `json:"files"`
}

type progressEvent struct {
	Event    string  `json:"event"`
	Progress float64 `json:"progress"` // 0 to 1
	Bytes    int64   `json:"bytes"`    // verified
	Total    int64   `json:"total"`
	Peers    int     `json:"peers"`
	Down     int64   `json:"down"` // bytes a second
	Up       int64   `json:"up"`
}

type doneEvent struct {
	Event   string  `json:"event"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

func (c *getCmd) Run(ctx context.Context) error {
	src, err := resolve(ctx, c.Source)
	if err != nil {
		return err
	}
	for _, p := range c.Peer {
		if !strings.Contains(p, ":") {
			return usagef("--peer %s: it is not of the form HOST:PORT", p)
		}
	}
	tcp, rtc := slices.Contains(c.Transport, "tcp"), slices.Contains(c.Transport, "webrtc")
	local := src.local && (c.NoDHT && c.NoLSD || src.viaLink)
	for _, a := range append(slices.Clone(c.Peer), hostsOf(c.Tracker)...) {
		local = local && loopback(a)
	}
	client, err := shoal.New(shoal.Config{
		Local: local, NoTCP: !tcp, NoWebRTC: !rtc, NoDHT: c.NoDHT || !tcp, NoLSD: c.NoLSD || !tcp,
		NoNATMap: !c.Seed, ICEServers: iceServers(c.STUN),
	})
	if err != nil {
		return err
	}
	defer client.Close()
	ev := newEvents(c.JSON)
	checking := newBar("checking what is there", c.JSON)
	started := time.Now()
	t, err := client.Add(src.magnet, shoal.AddOptions{
		Dir: c.Dir, Torrent: src.torrent, Trackers: append(src.trackers, c.Tracker...),
		Peers: append(src.peers, c.Peer...), Progress: checking.set,
	})
	checking.clear()
	if err != nil {
		return err
	}
	if err := c.awaitMetadata(ctx, t, src); err != nil {
		return err
	}
	meta := metadataEvent{
		Event: "metadata", InfoHash: t.Key().String(), Name: t.Name(),
		Bytes: t.Info().TotalSize(), Pieces: t.Info().NumPieces(),
	}
	for _, f := range t.Files() {
		meta.Files = append(meta.Files, infoFile{f.Path(), f.Length()})
	}
	ev.emit(meta)
	if err := c.await(ctx, t, ev); err != nil {
		return err
	}
	if err := t.Finish(); err != nil {
		return err
	}
	took := time.Since(started).Seconds()
	ev.emit(doneEvent{"done", meta.Bytes, took})
	if !c.JSON {
		fmt.Fprintf(os.Stderr, "%s: %s in %.1f s, verified\n", t.Name(), size(meta.Bytes), took)
	}
	if c.Seed {
		c.seed(ctx, t)
	}
	return nil
}

var errStopped = errors.New("stopped before it was complete; the same command goes on where it ended")

// awaitMetadata waits for the info dictionary of a magnet link.
func (c *getCmd) awaitMetadata(ctx context.Context, t *shoal.Torrent, src *source) error {
	st := newStatus(c.JSON)
	defer st.clear()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		changed := t.Changed()
		if err := t.Err(); err != nil {
			return err
		}
		select {
		case <-t.Learned():
			return nil
		case <-changed:
		case <-tick.C:
			st.show("%s: looking for peers who know what it is · %s", src.show, plural(t.NumPeers(), "peer", "peers"))
		case <-ctx.Done():
			return errStopped
		}
	}
}

// await shows progress until every byte is verified and stored.
func (c *getCmd) await(ctx context.Context, t *shoal.Torrent, ev *events) error {
	total := t.Info().TotalSize()
	b := newBar(t.Name(), c.JSON)
	defer b.clear()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		changed := t.Changed()
		if err := t.Err(); err != nil {
			return err
		}
		select {
		case <-t.Done():
			return nil
		default:
		}
		select {
		case <-t.Done():
			return nil
		case <-ctx.Done():
			return errStopped
		case <-tick.C:
			s := t.Stats()
			done := total
			if s.Pieces > 0 {
				done = total * int64(s.Have) / int64(s.Pieces)
			}
			b.describe(fmt.Sprintf("%s · %s", t.Name(), plural(len(s.Peers), "peer", "peers")))
			b.set(done, total)
			ev.emit(progressEvent{"progress", float64(done) / float64(max(total, 1)), done, total, len(s.Peers), int64(s.DownRate), int64(s.UpRate)})
		case <-changed:
			// Pieces come by the thousand: look at failures, not at each.
			select {
			case <-time.After(50 * time.Millisecond):
			case <-t.Done():
			case <-ctx.Done():
			}
		}
	}
}

func (c *getCmd) seed(ctx context.Context, t *shoal.Torrent) {
	st := newStatus(c.JSON)
	defer st.clear()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s := t.Stats()
			st.show("seeding %s · %s · %s/s up · %s sent", t.Name(), plural(len(s.Peers), "peer", "peers"), size(int64(s.UpRate)), size(s.Uploaded))
		}
	}
}
