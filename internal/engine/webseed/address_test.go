package webseed

import (
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

func TestAddresses(t *testing.T) {
	plain := &metainfo.Info{Name: "-aAzZ09._~", Single: true, PieceLength: 16384, Length: 9, Files: []metainfo.File{{Path: []string{"-aAzZ09._~"}, Length: 9}}}
	single := &metainfo.Info{Name: "a b?.bin", Single: true, PieceLength: 16384, Length: 9, Files: []metainfo.File{{Path: []string{"a b?.bin"}, Length: 9}}}
	folder := &metainfo.Info{Name: "d#", PieceLength: 16384, Length: 9, Files: []metainfo.File{{Path: []string{"ü", "100%"}, Length: 9}}}
	for _, tt := range []struct {
		url  string
		info *metainfo.Info
		want string
	}{
		{"http://h/", plain, "http://h/-aAzZ09._~"},
		{"http://h/x", single, "http://h/x"},
		{"http://h/x?k=v&l", single, "http://h/x?k=v&l"},
		{"http://h/x y", single, "http://h/x%20y"},
		{"http://h/x%20y", single, "http://h/x%20y"},
		{"http://h/dir/", single, "http://h/dir/a%20b%3F.bin"},
		{"https://h", single, "https://h/a%20b%3F.bin"},
		{"HTTPS://user:pw@h:8080/#frag", single, "HTTPS://user:pw@h:8080/a%20b%3F.bin"},
		{"http://h/dir/?token=1", single, "http://h/dir/a%20b%3F.bin?token=1"},
		{"http://h", folder, "http://h/d%23/%C3%BC/100%25"},
		{"http://h/pub", folder, "http://h/pub/d%23/%C3%BC/100%25"},
		{"http://h/pub/", folder, "http://h/pub/d%23/%C3%BC/100%25"},
		{"http://h/pub?k", folder, "http://h/pub/d%23/%C3%BC/100%25?k"},
		{"http://[::1]:80/\u00e9\"<>", folder, "http://[::1]:80/%C3%A9%22%3C%3E/d%23/%C3%BC/100%25"},
	} {
		a, err := parseAddress(tt.url, tt.info.Single)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
		} else if got := a.url(tt.info, 0); got != tt.want {
			t.Errorf("%s: %s, not %s", tt.url, got, tt.want)
		}
	}
	for _, bad := range []string{
		"", "h/x", "ftp://h/x", "http:/h", "http://", "http:///x", "http://?x", "javascript:alert(1)", "file:///etc/passwd",
		"http://h h/x", "http://h\r\nHost: x/", "http://h/" + strings.Repeat("x", maxAddress),
	} {
		if a, err := parseAddress(bad, true); err == nil {
			t.Errorf("%.40q: %+v", bad, a)
		}
	}
}

// A server has files under the names that the torrent spells, also where they get
// others here.
func TestNamesOnTheServer(t *testing.T) {
	info, err := metainfo.ParseInfo([]byte("d5:filesld6:lengthi1e4:pathl5:caf\xe9\x01eed6:lengthi1e4:pathl1:aeed6:lengthi1e4:pathl1:Aeee" +
		"4:name2:d\x7f12:piece lengthi16384e6:pieces20:01234567890123456789e"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := parseAddress("http://h/", false)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range []string{"http://h/d%7F/caf%E9%01", "http://h/d%7F/a", "http://h/d%7F/A"} {
		if got := a.url(info, k); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
