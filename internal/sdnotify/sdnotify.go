// Package sdnotify speaks with systemd about how a service is, and takes sockets from it.
//
// The protocol is that of sd_notify(3): datagrams with lines NAME=VALUE to the Unix socket that
// NOTIFY_SOCKET names. It serves units with Type=notify and Type=notify-reload, and WatchdogSec=. Sockets
// come as sd_listen_fds(3) says. Elsewhere than on Linux, and without systemd, nothing happens.
package sdnotify

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Notifier tells systemd of one service. A nil Notifier tells nobody.
type Notifier struct {
	addr     net.UnixAddr
	watchdog time.Duration
}

// New returns a Notifier for the one who started this process, or nil if he does not listen. It
// takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that children do not
// speak for the service.
func New() (*Notifier, error) {
	socket := take("NOTIFY_SOCKET")
	usec, pid := take("WATCHDOG_USEC"), take("WATCHDOG_PID")
	if socket == "" || !supported {
		return nil, nil
	}
	// A path, or @ and a name in the abstract namespace.
	if socket[0] != '/' && socket[0] != '@' || len(socket) < 2 {
		return nil, errors.New("cannot notify systemd: NOTIFY_SOCKET is no path: " + strconv.Quote(socket))
	}
	n := &Notifier{addr: net.UnixAddr{Name: socket, Net: "unixgram"}}
	if pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if us, err := strconv.ParseInt(usec, 10, 64); err == nil && us > 0 && us < 1<<50 {
			n.watchdog = time.Duration(us) * time.Microsecond
		}
	}
	return n, nil
}

func take(name string) string {
	v := os.Getenv(name)
	os.Unsetenv(name)
	return v
}

// Ready says that the service is up, and after Reloading that this is over.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Reloading says that settings are read again; Ready follows. Type=notify-reload needs
// both, after the signal it sends.
func (n *Notifier) Reloading() error {
	if n == nil {
		return nil
	}
	usec, err := monotonic()
	if err != nil {
		return err
	}
	return n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(usec, 10))
}

// Stopping says that the service goes down, which may take a while.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Status is a line about the service that systemctl status shows.
func (n *Notifier) Status(text string) error {
	return n.send("STATUS=" + strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, text))
}

// Extend asks for more time to start, reload or stop than the unit allows; by then it must be
// asked again or over.
func (n *Notifier) Extend(d time.Duration) error {
	return n.send("EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(max(d.Microseconds(), 0), 10))
}

// Watchdog is how often Alive is due, which is half of what the unit allows, or 0 if it does
// not watch.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog / 2
}

// Watch says, as often as systemd wants to hear it, that the service works, until ctx is done. Each time it
// asks alive first, and says nothing when that reports false or does not return: after WatchdogSec=
// of silence systemd ends the service and starts it again. failed gets what could not be sent. Without
// WatchdogSec= it returns at once.
func (n *Notifier) Watch(ctx context.Context, alive func() bool, failed func(error)) {
	every := n.Watchdog()
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if alive() {
			if err := n.Alive(); err != nil {
				failed(err)
			}
		}
	}
}

// Alive says that the service works, for WatchdogSec=.
func (n *Notifier) Alive() error { return n.send("WATCHDOG=1") }

// send never waits: a systemd that does not read gets nothing.
func (n *Notifier) send(text string) error {
	if n == nil {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &n.addr)
	if err != nil {
		return errors.New("cannot notify systemd: " + err.Error())
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte(text)); err != nil {
		return errors.New("cannot notify systemd: " + err.Error())
	}
	return nil
}
