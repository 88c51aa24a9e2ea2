//go:build !js

package webrtc

import (
	"errors"
	"testing"
)

// A peer that offers anew while nothing is heard on its connection has lost that: it must not
// be told that it is met.
func TestADoubtedLinkIsGivenUpForAnother(t *testing.T) {
	ha, hb := newTestHost(t, Config{}), newTestHost(t, Config{})
	a, b := connect(t, ha, hb)
	id := [20]byte{7}
	link := a.(*Conn).Link()
	link.Name(id)
	if ha.Link(id) != link {
		t.Fatal("the peer is not met")
	}
	link.(*peer).doubted.Store(true)
	if ha.Link(id) != nil {
		t.Error("it is met on a connection on which nothing is heard")
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, ErrLost) {
		t.Errorf("the old connection: %v", err)
	}
	c, _ := connect(t, ha, hb)
	c.(*Conn).Link().Name(id)
	if ha.Link(id) != c.(*Conn).Link() {
		t.Error("it is not met on the new one")
	}
	b.Close()
}
