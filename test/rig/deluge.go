//go:build unix

package rig

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startDeluge runs deluged and gives it the torrent by its console.
func startDeluge(t T, task Task) func(time.Duration) {
	home := t.TempDir()
	rpc, port := strconv.Itoa(FreePort(t)), strconv.Itoa(FreePort(t))
	policy := map[string]string{"required": "0", "preferred": "1", "off": "2"}[task.Encryption]
	level := map[string]string{"required": "1", "preferred": "2", "off": "2"}[task.Encryption]
	settings := `{"file": 1, "format": 1}{
"daemon_port": ` + rpc + `, "allow_remote": false, "new_release_check": false,
"random_port": false, "listen_random_port": null, "listen_ports": [` + port + `, ` + port + `], "listen_interface": "` + task.Host + `", "outgoing_interface": "` + task.Host + `",
"dht": false, "lsd": false, "upnp": false, "natpmp": false, "utpex": false,
"download_location": ` + strconv.Quote(task.Dir) + `, "pre_allocate_storage": false,
"enc_in_policy": ` + policy + `, "enc_out_policy": ` + policy + `, "enc_level": ` + level + `
}`
	err := os.WriteFile(filepath.Join(home, "core.conf"), []byte(settings), 0o644)
	if err == nil {
		err = os.WriteFile(filepath.Join(home, "auth"), []byte("localclient:secret:10\n"), 0o600)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	env := []string{"HOME=" + home}
	p := Start(t, Command{Path: "deluged", Args: []string{"-d", "-c", home, "-p", rpc, "-i", task.Host, "-L", "error"}, Env: env})
	WaitListening(t, "127.0.0.1:"+rpc, 60*time.Second)
	console := func(order string) string {
		cmd := exec.Command("deluge-console", "-c", home, "-d", "127.0.0.1", "-p", rpc, "-U", "localclient", "-P", "secret", order)
		cmd.Env = append(os.Environ(), env...)
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	if said := console("add -p '" + task.Dir + "' '" + task.Torrent + "'"); !strings.Contains(said, "Torrent added") {
		t.Fatalf("deluge-console: %s", said)
	}
	return func(limit time.Duration) {
		Poll(t, "Deluge's complete download", limit, func() bool {
			if !p.Running() {
				t.Fatalf("deluged ended")
			}
			return strings.Contains(console("info -v"), "State: Seeding")
		})
	}
}
