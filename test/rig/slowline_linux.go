package rig

import (
	"net"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// NewSlowMachine makes a place whose loopback, all that it has, carries so many bits a
// second: whatever runs there shares one slow line. It needs to be root.
func NewSlowMachine(t T, bits int) *Place {
	t.Helper()
	p := (&Internet{t: t}).place("a machine on a slow line")
	p.Addr = "127.0.0.1"
	p.do("ip link set lo mtu 1500")
	// Browsers look for peers by way of a network alone. What is sent to an address of one's own
	// goes over loopback.
	p.do("ip link add net0 type veth peer name net1 && ip link set net0 up && ip link set net1 up")
	p.do("ip addr add 198.51.100.2/24 dev net0 && ip route add default via 198.51.100.1")
	// The queue holds a second of data, as those of slow lines do.
	p.do("tc qdisc add dev lo root tbf rate " + strconv.Itoa(bits) + " burst 8kb limit " + strconv.Itoa(bits/8))
	return p
}

// ShareHere shares a file on the place's own loopback.
func (p *Place) ShareHere(path string, args ...string) *Node {
	p.t.Helper()
	return ready(p.t, p.Shoal(append(append([]string{"share", path, "--no-nat"}, onlyHere...), args...)...))
}

// Browser starts a browser in the place.
func (p *Place) Browser(cfg BrowserConfig) *Browser {
	p.t.Helper()
	cfg.enter = p.enter
	return StartBrowser(p.t, cfg)
}

// Listen listens on a free port of the place's loopback; whoever runs elsewhere serves there.
func (p *Place) Listen() net.Listener {
	p.t.Helper()
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // for ever: the thread stays in the place, and ends
		ns, err := os.Open("/proc/" + strconv.Itoa(p.proc.PID()) + "/ns/net")
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		p.t.Fatalf("listening in the place: %v", r.err)
	}
	return r.l
}
