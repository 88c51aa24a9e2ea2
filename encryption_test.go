//go:build !js

package shoal_test

import (
	"testing"

	"github.com/shoal-p2p/shoal"
)

func TestLevelsOfEncryptionHaveNames(t *testing.T) {
	for name, level := range map[string]shoal.Encryption{
		"off": shoal.EncryptionOff, "allowed": shoal.EncryptionAllowed,
		"preferred": shoal.EncryptionPreferred, "required": shoal.EncryptionRequired,
	} {
		got := shoal.Encryption(77)
		if err := got.UnmarshalText([]byte(name)); err != nil || got != level {
			t.Errorf("%q is %v, %v", name, got, err)
		}
		if text, err := level.MarshalText(); err != nil || string(text) != name || level.String() != name {
			t.Errorf("%d is %q, %v", level, text, err)
		}
	}
	for _, name := range []string{"", "Off", "forced"} {
		level := shoal.EncryptionRequired
		if err := level.UnmarshalText([]byte(name)); err == nil || level != shoal.EncryptionRequired {
			t.Errorf("%q is %v, %v", name, level, err)
		}
	}
	if (shoal.Config{}).Encryption != shoal.EncryptionAllowed || shoal.Encryption(77).String() != "unknown" {
		t.Error("the default is another")
	}
}
