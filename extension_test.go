//go:build !js

package shoal_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
)

// message is what an extension received.
type message struct {
	key  string
	from shoal.PeerID
	text string
}

// chatting is a client that speaks an extension, and what it hears.
func chatting(t *testing.T, name string) (*shoal.Client, chan message) {
	heard := make(chan message, 10)
	cfg := quiet
	cfg.Extensions = []shoal.Extension{{Name: name, MaxSize: 1000, Receive: func(t *shoal.Torrent, from shoal.PeerID, payload []byte) {
		heard <- message{t.Key().String(), from, string(payload)}
	}}}
	return newClient(t, cfg), heard
}

func TestExtensions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clip.bin")
	payload(t, file, 100_000, 1)
	meta, err := shoal.Create(deadline(t), []string{file}, shoal.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	anna, annaHears := chatting(t, "xy_chat")
	bert, bertHears := chatting(t, "xy_chat")
	carl, _ := chatting(t, "xy_other")
	// All three lack everything, so that connections stay.
	join := func(c *shoal.Client, peers ...string) *shoal.Torrent {
		got, err := c.Add(deadline(t), shoal.FromTorrent(meta), shoal.AddOptions{Dir: t.TempDir(), Peers: peers})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	annas := join(anna)
	berts := join(bert, anna.PeerAddr())
	join(carl, anna.PeerAddr())
	var others []shoal.Peer
	for range 300 {
		if others = annas.Peers(); len(others) == 2 && (len(others[0].Extensions) > 0 || len(others[1].Extensions) > 0) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(others) != 2 {
		t.Fatalf("anna knows %+v", others)
	}
	speaker, deaf := others[0], others[1]
	if len(speaker.Extensions) == 0 {
		speaker, deaf = deaf, speaker
	}
	if !slices.Equal(speaker.Extensions, []string{"xy_chat"}) || len(deaf.Extensions) != 0 {
		t.Errorf("who speaks what: %+v", others)
	}
	if err := annas.Send("xy_chat", []byte("hello"), speaker.ID, deaf.ID, 9999); err != nil {
		t.Fatal(err)
	}
	var got message
	select {
	case got = <-bertHears:
	case <-time.After(20 * time.Second):
		t.Fatal("bert heard nothing")
	}
	if got.text != "hello" || got.key != berts.Key().String() {
		t.Errorf("bert heard %+v", got)
	}
	if err := berts.Send("xy_chat", []byte(strings.Repeat("x", 1000)), got.from); err != nil {
		t.Fatal(err)
	}
	select {
	case got = <-annaHears:
	case <-time.After(20 * time.Second):
		t.Fatal("anna heard nothing")
	}
	if len(got.text) != 1000 || got.from != speaker.ID {
		t.Errorf("anna heard %d bytes of %v", len(got.text), got.from)
	}
	if err := berts.Send("xy_chat", make([]byte, 1001), got.from); err == nil || !strings.Contains(err.Error(), "larger than xy_chat allows") {
		t.Errorf("too large: %v", err)
	}
	if err := berts.Send("xy_other", nil, got.from); err == nil || !strings.Contains(err.Error(), "not in Config.Extensions") {
		t.Errorf("an extension nobody registered: %v", err)
	}
}

func TestWrongExtensions(t *testing.T) {
	var many []shoal.Extension
	for i := range 65 {
		many = append(many, shoal.Extension{Name: fmt.Sprint("xy_", i)})
	}
	for _, list := range [][]shoal.Extension{
		{{}}, {{Name: strings.Repeat("x", 65)}}, {{Name: "xy"}, {Name: "xy"}}, {{Name: "xy", MaxSize: -1}}, {{Name: "xy", MaxSize: 1<<20 + 1}}, many,
	} {
		cfg := quiet
		cfg.Extensions = list
		if c, err := shoal.New(cfg); err == nil {
			c.Close()
			t.Errorf("%d extensions, the first %+v: no error", len(list), list[0])
		}
	}
	cfg := quiet
	cfg.Extensions = []shoal.Extension{{Name: "ut_pex"}}
	c, err := shoal.New(cfg)
	if err == nil {
		defer c.Close()
		_, err = c.Add(deadline(t), shoal.Link(hex40), shoal.AddOptions{Dir: t.TempDir()})
	}
	if err == nil {
		t.Error("an extension of the engine's own was taken")
	}
}
