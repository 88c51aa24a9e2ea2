package sdnotify

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// systemd listens as it does.
func systemd(t *testing.T, name string) (*Notifier, func() string) {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	n, err := New()
	if err != nil || n == nil {
		t.Fatal(n, err)
	}
	if os.Getenv("NOTIFY_SOCKET") != "" {
		t.Error("children inherit NOTIFY_SOCKET")
	}
	return n, func() string {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestNotify(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@shoal-test-" + strconv.Itoa(os.Getpid())} {
		n, told := systemd(t, name)
		for _, c := range []struct {
			send func() error
			want string
		}{
			{n.Ready, "READY=1"},
			{n.Stopping, "STOPPING=1"},
			{n.Alive, "WATCHDOG=1"},
			{func() error { return n.Status("10 peers\nREADY=1") }, "STATUS=10 peers READY=1"},
			{func() error { return n.Extend(1500 * time.Millisecond) }, "EXTEND_TIMEOUT_USEC=1500000"},
		} {
			if err := c.send(); err != nil {
				t.Fatal(err)
			}
			if got := told(); got != c.want {
				t.Errorf("told %q, want %q", got, c.want)
			}
		}
		before, _ := monotonic()
		if err := n.Reloading(); err != nil {
			t.Fatal(err)
		}
		after, _ := monotonic()
		usec, ok := strings.CutPrefix(told(), "RELOADING=1\nMONOTONIC_USEC=")
		if at, err := strconv.ParseInt(usec, 10, 64); !ok || err != nil || at < before || at > after || before <= 0 {
			t.Errorf("reloading at %q, want from %d to %d", usec, before, after)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n, err := New()
	if n != nil || err != nil {
		t.Fatal(n, err)
	}
	for _, send := range []func() error{n.Ready, n.Reloading, n.Stopping, n.Alive, func() error { return n.Status("x") }} {
		if err := send(); err != nil {
			t.Error(err)
		}
	}
	if n.Watchdog() != 0 {
		t.Error("somebody watches")
	}
	t.Setenv("NOTIFY_SOCKET", "vsock:2:1234")
	if _, err := New(); err == nil {
		t.Error("what is no path was taken")
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if n, err = New(); err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(); err == nil {
		t.Error("told nobody, and no error")
	}
}

func TestWatchdog(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", self, 15 * time.Second}, {"30000000", "", 15 * time.Second}, {"30000000", "1", 0},
		{"", self, 0}, {"x", self, 0}, {"-5", self, 0}, {"0", self, 0}, {"9223372036854775807", self, 0},
	} {
		t.Setenv("NOTIFY_SOCKET", "/run/x")
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if n, err := New(); err != nil || n.Watchdog() != c.want {
			t.Errorf("%q for %q: %v, %v", c.usec, c.pid, n.Watchdog(), err)
		}
	}
}

// A service that does not turn any more is silent, so that systemd ends it.
func TestWatchIsSilentAboutWhatIsStuck(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "4000")
	t.Setenv("WATCHDOG_PID", "")
	n, told := systemd(t, filepath.Join(t.TempDir(), "notify"))
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Watch(ctx, func() bool {
			if asked++; asked == 6 {
				cancel()
			}
			return asked == 1 || asked == 4 // stuck, on again, stuck
		}, func(err error) { t.Error(err) })
	}()
	<-done
	n.Ready() // the last that is told
	for _, want := range []string{"WATCHDOG=1", "WATCHDOG=1", "READY=1"} {
		if got := told(); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}

	// Nobody watches: it is over at once.
	t.Setenv("WATCHDOG_USEC", "")
	n, _ = systemd(t, filepath.Join(t.TempDir(), "notify"))
	n.Watch(t.Context(), func() bool { t.Error("asked"); return true }, nil)
	(*Notifier)(nil).Watch(t.Context(), func() bool { t.Error("asked"); return true }, nil)
}

// handed puts sockets at descriptors one after the other, and returns the first.
func handed(t *testing.T, files ...*os.File) int {
	t.Helper()
	const first = 700
	for i, f := range files {
		if err := unix.Dup3(int(f.Fd()), first+i, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
	}
	return first
}

func file(t *testing.T, s interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	f, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSocketsAreTaken(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sock")
	local, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	defer udp.Close()
	defer local.Close()
	first := handed(t, file(t, tcp.(*net.TCPListener)), file(t, udp.(*net.UDPConn)), file(t, local.(*net.UnixListener)))
	all, err := sockets(first, 3, "web:udp")
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	if all[0].Name != "web" || all[0].Listener.Addr().String() != tcp.Addr().String() {
		t.Errorf("%+v", all[0])
	}
	if all[1].Name != "udp" || all[1].Packet.LocalAddr().String() != udp.LocalAddr().String() {
		t.Errorf("%+v", all[1])
	}
	if all[2].Name != "unknown" || all[2].Listener.Addr().String() != path {
		t.Errorf("%+v", all[2])
	}
	for i := range 3 {
		if _, err := unix.FcntlInt(uintptr(first+i), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("descriptor %d is still open", first+i)
		}
	}
	for _, s := range all {
		s.Close()
	}
	// It is systemd's: the path stays, and connections are taken.
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestWhatIsNoSocketIsNamed(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	c, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, f := range map[string]*os.File{"a connection": file(t, c.(*net.TCPConn)), "a file": null} {
		first := handed(t, file(t, tcp.(*net.TCPListener)), f)
		_, err := sockets(first, 2, "web:other")
		if err == nil || !strings.Contains(err.Error(), `socket "other" (701)`) {
			t.Errorf("%s: %v", name, err)
		}
		for i := range 2 {
			if _, err := unix.FcntlInt(uintptr(first+i), unix.F_GETFD, 0); err != unix.EBADF {
				t.Errorf("%s: descriptor %d is still open", name, first+i)
			}
		}
	}
}

// A process gets its sockets by the environment, and only if they are for itself.
func TestSockets(t *testing.T) {
	if os.Getenv("SHOAL_TEST_SOCKETS") != "" {
		all, err := Sockets()
		fmt.Printf("got %d %v", len(all), err)
		for _, s := range all {
			fmt.Printf(" %s=%s", s.Name, s.Listener.Addr())
		}
		if again, err := Sockets(); again != nil || err != nil || os.Getenv("LISTEN_FDS") != "" {
			fmt.Print(" and again")
		}
		fmt.Println(".")
		return
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for _, c := range []struct{ env, want string }{
		{"LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=web", "got 1 <nil> web=" + tcp.Addr().String() + "."},
		{"LISTEN_FDS=1 LISTEN_PID=1", "got 0 <nil>."},
		{"LISTEN_PID=$$", "got 0 <nil>."},
		{"LISTEN_FDS=x LISTEN_PID=$$", `got 0 cannot take sockets from systemd: LISTEN_FDS is "x".`},
		{"LISTEN_FDS=99999999 LISTEN_PID=$$", `got 0 cannot take sockets from systemd: LISTEN_FDS is "99999999".`},
	} {
		cmd := exec.Command("sh", "-c", c.env+` exec "$0" -test.run '^TestSockets$' -test.v`, os.Args[0])
		cmd.Env = append(os.Environ(), "SHOAL_TEST_SOCKETS=1")
		cmd.ExtraFiles = []*os.File{file(t, tcp.(*net.TCPListener))}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(out)
		if err := cmd.Wait(); err != nil || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: %v, %s", c.env, err, text)
		}
	}
}
