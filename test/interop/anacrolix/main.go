// Command anacrolix is one peer of github.com/anacrolix/torrent for the Go tests.
//
//	anacrolix [-seed] [-tracker URL]... TORRENT|MAGNET DIR
//
// It meets peers through the given trackers alone, prints JSON objects, one a line,
// and ends when stdin closes:
//
//	{"event": "listening", "port": 1234}
//	{"event": "tracker", "what": "tracker_connected", "url": "ws://...", "error": ""}
//	{"event": "peer", "network": "webrtc"}
//	{"event": "done", "bytes": 1}
//
// It is a module of its own, so that the product does not depend on what it needs.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/anacrolix/log"
	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"
)

func say(fields map[string]any) {
	line, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(line, '\n'))
}

func main() {
	var trackers []string
	flag.Func("tracker", "announce to this `URL`", func(url string) error {
		trackers = append(trackers, url)
		return nil
	})
	seed := flag.Bool("seed", false, "check the files in DIR and seed them")
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := run(flag.Arg(0), flag.Arg(1), trackers, *seed); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {} // until stdin closes
}

func run(source, dir string, trackers []string, seed bool) error {
	client, err := torrent.NewClient(config(dir))
	if err != nil {
		return err
	}
	var spec *torrent.TorrentSpec
	if strings.HasPrefix(source, "magnet:") {
		spec, err = torrent.TorrentSpecFromMagnetUri(source)
	} else {
		var info *metainfo.MetaInfo
		if info, err = metainfo.LoadFromFile(source); err == nil {
			spec, err = torrent.TorrentSpecFromMetaInfoErr(info)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	spec.Trackers = nil
	spec.DisallowDataUpload = false
	t, _, err := client.AddTorrentSpec(spec)
	if err != nil {
		return err
	}
	if seed {
		if err := t.VerifyDataContext(context.Background()); err != nil {
			return err
		}
		// The last piece's result may come in after the call.
		for end := time.Now().Add(10 * time.Second); !t.Complete().Bool(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				return fmt.Errorf("%s does not hold all of %s", dir, source)
			}
		}
	}
	say(map[string]any{"event": "listening", "port": client.LocalPort()})
	t.AddTrackers([][]string{trackers})
	<-t.GotInfo()
	t.DownloadAll()
	for !t.Complete().Bool() {
		time.Sleep(20 * time.Millisecond)
	}
	say(map[string]any{"event": "done", "bytes": t.BytesCompleted()})
	return nil
}

// config is that of a peer on loopback which nobody finds but through its trackers.
func config(dir string) *torrent.ClientConfig {
	c := torrent.NewDefaultClientConfig()
	c.DataDir = dir
	c.DefaultStorage = storage.NewFileOpts(storage.NewFileClientOpts{
		ClientBaseDir: dir, PieceCompletion: storage.NewMapPieceCompletion(),
	})
	c.Seed = true
	c.NoDHT = true
	c.DisablePEX = true
	c.DisableUTP = true
	c.DisableIPv6 = true
	c.DisableWebseeds = true
	c.NoDefaultPortForwarding = true
	c.ListenHost = func(string) string { return "127.0.0.1" }
	c.ListenPort = 0
	c.TrackerDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
		return d.DialContext(ctx, network, addr)
	}
	c.Logger = log.NewLogger("anacrolix").WithFilterLevel(log.Warning)
	c.Slogger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	c.Callbacks.PeerConnAdded = append(c.Callbacks.PeerConnAdded, func(p *torrent.PeerConn) {
		say(map[string]any{"event": "peer", "network": p.Network})
	})
	c.Callbacks.StatusUpdated = append(c.Callbacks.StatusUpdated, func(e torrent.StatusUpdatedEvent) {
		if e.Url == "" {
			return // of peers
		}
		text := ""
		if e.Error != nil {
			text = e.Error.Error()
		}
		say(map[string]any{"event": "tracker", "what": string(e.Event), "url": e.Url, "error": text})
	})
	return c
}
