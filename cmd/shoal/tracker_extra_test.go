package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/tracker/relay"
)

// A TURN server that does not know its address is told what to set, and ends with the code with which
// systemd does not start it again; one whose port is taken may have more luck the next time.
func TestTURNWithoutAddress(t *testing.T) {
	var usage errUsage
	err := turnError("--turn", fmt.Errorf("%w: its own, 10.0.0.1, is not public", relay.ErrPublicAddress))
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "--turn-public-ip") || !strings.HasPrefix(err.Error(), "--turn: ") {
		t.Errorf("%v", err)
	}
	if err := turnError("--turn", errors.New("in use")); errors.As(err, &usage) || err.Error() != "--turn: in use" {
		t.Errorf("%v", err)
	}
}
