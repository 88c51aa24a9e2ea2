package sdnotify

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// A Socket is one that systemd opened, so that it takes connections while the service starts
// again. One of Listener and Packet is set.
type Socket struct {
	Name     string         // FileDescriptorName= of the socket unit; by default that is the unit's name
	Listener net.Listener   // ListenStream=
	Packet   net.PacketConn // ListenDatagram=
}

const (
	// firstFD is where the sockets begin.
	firstFD = 3
	// maxFDs bounds them: more come from no unit.
	maxFDs = 1024
)

// Sockets returns the sockets that were handed to this process, in the order of the unit; none if
// there are none. It takes LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES out of the environment, so
// it is to be called once. On an error all are closed.
func Sockets() ([]Socket, error) {
	count, pid, names := take("LISTEN_FDS"), take("LISTEN_PID"), take("LISTEN_FDNAMES")
	if count == "" || pid != strconv.Itoa(os.Getpid()) || !supported {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxFDs {
		return nil, fmt.Errorf("cannot take sockets from systemd: LISTEN_FDS is %q", count)
	}
	return sockets(firstFD, n, names)
}

// sockets makes Sockets of n descriptors from first on.
func sockets(first, n int, names string) (all []Socket, err error) {
	each := strings.Split(names, ":")
	for i := range n {
		name := "unknown"
		if i < len(each) && each[i] != "" {
			name = each[i]
		}
		s, bad := socket(first+i, name)
		if bad != nil && err == nil {
			err = fmt.Errorf("cannot take socket %q (%d) from systemd: %w", name, first+i, bad)
		}
		all = append(all, s)
	}
	if err != nil {
		for _, s := range all {
			s.Close()
		}
		return nil, err
	}
	return all, nil
}

// socket makes a Socket of a descriptor, which is closed: net works on a copy that children do
// not get.
func socket(fd int, name string) (Socket, error) {
	f := os.NewFile(uintptr(fd), name)
	if f == nil {
		return Socket{}, os.ErrInvalid
	}
	defer f.Close()
	if !accepts(fd) {
		// Of a connection too, as Accept=yes gives: that is for programs of one connection.
		pc, err := net.FilePacketConn(f)
		if err != nil {
			return Socket{}, fmt.Errorf("it takes neither connections nor packets: %w", err)
		}
		return Socket{Name: name, Packet: pc}, nil
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return Socket{}, err
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the path is systemd's
	}
	return Socket{Name: name, Listener: ln}, nil
}

// Close closes the socket in this process; systemd keeps its own.
func (s Socket) Close() error {
	switch {
	case s.Listener != nil:
		return s.Listener.Close()
	case s.Packet != nil:
		return s.Packet.Close()
	}
	return nil
}
