package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestAddressLists(t *testing.T) {
	deny := write(t, "deny", "192.0.2.0/24\nnonsense\n")
	r := startTracker(t, "--address-deny", deny, "--address-allow", write(t, "allow", "P2P:127.0.0.0-127.0.0.255\n"))
	addr := r.addr(t, "ws, http, udp")
	const why = "this tracker does not serve your address"
	everyDoor := func(want string) {
		t.Helper()
		if got := announceHTTP(t, addr, film, ""); got != want {
			t.Errorf("by HTTP %q, want %q", got, want)
		}
		if got := announceUDP(t, addr, film, ""); got != want {
			t.Errorf("by UDP %q, want %q", got, want)
		}
		ws, _, got := dialWS(t, addr, "", "")
		if ws != nil {
			got = ""
			ws.CloseNow()
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("by WebSocket %q, want %q", got, want)
		}
	}
	everyDoor("")
	if log := r.log.String(); !strings.Contains(log, "lines=1") || !strings.Contains(log, deny+":2:") {
		t.Errorf("the line that was skipped is not in the log:\n%s", log)
	}
	ws, _, text := dialWS(t, addr, "", "")
	if ws == nil {
		t.Fatal(text)
	}
	defer ws.CloseNow()
	os.WriteFile(deny, []byte("127.0.0.1\n"), 0o600)
	r.plan.files.check(time.Now(), true)
	everyDoor(why)
	if got := announceWS(t, ws, film); got != why {
		t.Errorf("who is here already gets %q", got)
	}
}

func TestClientLists(t *testing.T) {
	list := write(t, "clients", "-none-\n")
	r := startTracker(t, "--client-deny", list)
	addr := r.addr(t, "ws, http, udp")
	ws, _, text := dialWS(t, addr, "", "")
	if ws == nil {
		t.Fatal(text)
	}
	defer ws.CloseNow()
	everyDoor := func(want string) {
		t.Helper()
		for door, got := range map[string]string{
			"HTTP": announceHTTP(t, addr, film, ""), "UDP": announceUDP(t, addr, film, ""), "WebSocket": announceWS(t, ws, film),
		} {
			if got != want {
				t.Errorf("by %s %q, want %q", door, got, want)
			}
		}
	}
	everyDoor("")
	// Everybody's peer id begins with one of these.
	var all strings.Builder
	for b := range 256 {
		all.WriteString("%" + string("0123456789abcdef"[b>>4]) + string("0123456789abcdef"[b&15]) + "\n")
	}
	os.WriteFile(list, []byte(all.String()), 0o600)
	r.plan.files.check(time.Now(), true)
	everyDoor("this tracker does not serve your client")
}
