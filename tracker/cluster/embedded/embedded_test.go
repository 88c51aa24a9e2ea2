package embedded

import (
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestNonsenseIsRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{ClusterListen: "nonsense"}, `listen address "nonsense" for routes: write host:port`},
		{Config{ClusterListen: "127.0.0.1:70000"}, `port "70000"`},
		{Config{ClusterListen: taken.Addr().String()}, "address already in use"},
		{Config{Routes: []string{"host"}}, `route "host": write host:port`},
		{Config{Routes: []string{"nats-route://:1"}}, `route "nats-route://:1": write host:port`},
	} {
		s, err := Start(tc.cfg)
		if err == nil {
			s.Close()
			t.Errorf("%+v was taken", tc.cfg)
		} else if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %q, want %q in it", tc.cfg, err, tc.want)
		}
	}
}

// The clients' port has to be open, so it is guarded.
func TestOnlyThisProcessGetsIn(t *testing.T) {
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if nc, err := nats.Connect(s.nats.ClientURL()); err == nil {
		nc.Close()
		t.Error("a client without a password got in")
	}
	user, password := s.Credentials()
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(user, password))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}
