//go:build unix

package rig

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// startQBittorrent runs qbittorrent-nox and gives it the torrent by its web API.
func startQBittorrent(t T, task Task) func(time.Duration) {
	home := t.TempDir()
	web, port := strconv.Itoa(FreePort(t)), strconv.Itoa(FreePort(t))
	level := map[string]string{"preferred": "0", "required": "1", "off": "2"}[task.Encryption]
	settings := `[LegalNotice]
Accepted=true

[Preferences]
WebUI\Address=127.0.0.1
WebUI\Port=` + web + `
WebUI\LocalHostAuth=false
WebUI\CSRFProtection=false

[Network]
PortForwardingEnabled=false

[BitTorrent]
Session\Port=` + port + `
Session\InterfaceAddress=` + task.Host + `
Session\DHTEnabled=false
Session\LSDEnabled=false
Session\PeXEnabled=false
Session\BTProtocol=TCP
Session\MultiConnectionsPerIp=true
Session\QueueingSystemEnabled=false
Session\Encryption=` + level + `
`
	dir := filepath.Join(home, "qBittorrent", "config")
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "qBittorrent.conf"), []byte(settings), 0o644)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	p := Start(t, Command{Path: "qbittorrent-nox", Args: []string{"--profile=" + home}, Env: []string{"HOME=" + home, "LC_ALL=C.UTF-8"}})
	WaitListening(t, "127.0.0.1:"+web, 60*time.Second)
	api := "http://127.0.0.1:" + web + "/api/v2/torrents/"

	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("torrents", "x.torrent")
	if err == nil {
		var raw []byte
		if raw, err = os.ReadFile(task.Torrent); err == nil {
			_, err = file.Write(raw)
		}
	}
	form.WriteField("savepath", task.Dir)
	form.WriteField("skip_checking", strconv.FormatBool(task.Has))
	form.Close()
	if err != nil {
		t.Fatalf("%v", err)
	}
	res, err := http.Post(api+"add", form.FormDataContentType(), &body)
	if err != nil {
		t.Fatalf("%v", err)
	}
	said, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if string(said) != "Ok." {
		t.Fatalf("qBittorrent answers %s: %s", res.Status, said)
	}
	return func(limit time.Duration) {
		Poll(t, "qBittorrent's complete download", limit, func() bool {
			if !p.Running() {
				t.Fatalf("qbittorrent-nox ended")
			}
			var list []struct{ State string }
			err := json.Unmarshal(Fetch(t, api+"info"), &list)
			return err == nil && len(list) == 1 && (list[0].State == "uploading" || list[0].State == "stalledUP")
		})
	}
}
