// Package npm installs the Node packages that a folder's lock file names.
package npm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// stamp is a copy of the lock file that the last installation was made from.
const stamp = "node_modules/.shoal-lock"

// CI runs `npm ci` in dir with further arguments, without the packages' own install
// scripts; not if what lies there is of the very same lock file, so that a second build needs
// no network, nor npm itself. It tells say before it begins.
func CI(dir string, say func(string), args ...string) error {
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	if done, err := os.ReadFile(filepath.Join(dir, stamp)); err == nil && bytes.Equal(done, lock) {
		return nil
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return fmt.Errorf("the packages of %s have to be installed: Node 20 or later is needed, with npm (on Debian: apt install nodejs npm)", filepath.Join(dir, "package.json"))
	}
	say("npm ci in " + dir)
	cmd := exec.Command("npm", append([]string{"ci", "--ignore-scripts", "--no-audit", "--no-fund"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("npm ci in %s: %w", dir, err), errors.New(string(bytes.TrimSpace(out))))
	}
	return os.WriteFile(filepath.Join(dir, stamp), lock, 0o644)
}
