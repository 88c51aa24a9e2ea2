package httpfile

import (
	"mime"
	"strings"
	"testing"
)

func TestDisposition(t *testing.T) {
	for name, want := range map[string]string{
		"a.mp3":            `attachment; filename="a.mp3"; filename*=UTF-8''a.mp3`,
		"two words+1.mp3":  `attachment; filename="two words+1.mp3"; filename*=UTF-8''two%20words%2B1.mp3`,
		"日本 é.mkv":         `attachment; filename="__ _.mkv"; filename*=UTF-8''%E6%97%A5%E6%9C%AC%20%C3%A9.mkv`,
		`a"b\c%41.txt`:     `attachment; filename="a_b_c_41.txt"; filename*=UTF-8''a%22b%5Cc%2541.txt`,
		"it's (1)*.mp4":    `attachment; filename="it's (1)*.mp4"; filename*=UTF-8''it%27s%20%281%29%2A.mp4`,
		"a\r\nX-Evil: 1":   `attachment; filename="a__X-Evil: 1"; filename*=UTF-8''a%0D%0AX-Evil%3A%201`,
		"latin-1 \xe9.txt": `attachment; filename="latin-1 _.txt"; filename*=UTF-8''latin-1%20_.txt`,
	} {
		got := Disposition("attachment", name)
		if got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
		_, params, err := mime.ParseMediaType(got[:strings.Index(got, "; filename=")] + got[strings.Index(got, "; filename*="):])
		if err != nil || params["filename"] != strings.ToValidUTF8(name, "_") {
			t.Errorf("%q arrives as %q, %v", name, params["filename"], err)
		}
	}
}
