package main

import (
	"context"
	"fmt"
	"net"

	"github.com/shoal-p2p/shoal/internal/sdnotify"
	"github.com/shoal-p2p/shoal/tracker"
)

// inherited are the sockets that systemd opened for the tracker, by the setting they stand for. That
// setting's own addresses are not opened then.
type inherited struct {
	listen, plain []net.Listener
	udp           []net.PacketConn
}

// inherit takes the sockets that systemd hands over. FileDescriptorName= of the socket unit says which
// setting they stand for, listen, plain-listen or udp; without it streams are listen.
func inherit() (in inherited, err error) {
	all, err := sdnotify.Sockets()
	for _, s := range all {
		switch {
		case s.Packet != nil:
			if _, ok := s.Packet.LocalAddr().(*net.UDPAddr); !ok {
				err = fmt.Errorf("socket %q from systemd takes packets, and not by UDP", s.Name)
			}
			in.udp = append(in.udp, s.Packet)
		case s.Name == "plain-listen":
			in.plain = append(in.plain, s.Listener)
		default:
			in.listen = append(in.listen, s.Listener)
		}
	}
	if err != nil {
		in.close()
	}
	return in, err
}

func (in *inherited) close() {
	for _, ln := range append(in.listen, in.plain...) {
		ln.Close()
	}
	for _, pc := range in.udp {
		pc.Close()
	}
}

// doors makes doors of the sockets.
func (in *inherited) doors(p *trackerPlan) (doors []*trackerDoor, err error) {
	if len(in.plain) > 0 && p.tls == nil {
		return nil, usagef("a socket from systemd is named plain-listen: without TLS all are plain, name it listen")
	}
	for _, ln := range in.listen {
		doors = append(doors, &trackerDoor{ln: ln, tls: p.tls})
	}
	for _, ln := range in.plain {
		doors = append(doors, &trackerDoor{ln: ln})
	}
	if len(in.udp) > 0 {
		doors = append(doors, &trackerDoor{udp: in.udp})
	}
	return doors, nil
}

// notifier returns who tells systemd how the tracker is, nil if nobody wants to know.
func (p *trackerPlan) notifier() *sdnotify.Notifier {
	n, err := sdnotify.New()
	p.tell(err)
	return n
}

// watch tells systemd, where the unit has WatchdogSec=, that the tracker's loops turn.
func (p *trackerPlan) watch(ctx context.Context, n *sdnotify.Notifier, t *tracker.Tracker) {
	w := t.Watch()
	n.Watch(ctx, func() bool {
		ok := w.Alive()
		if !ok {
			p.log.Error("a loop is stuck: unless it goes on systemd starts the tracker again")
		}
		return ok
	}, p.tell)
}

// tell logs that systemd could not be told something.
func (p *trackerPlan) tell(err error) {
	if err != nil {
		p.log.Warn(fmt.Sprint(err))
	}
}
