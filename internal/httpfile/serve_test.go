package httpfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

var film = bytes.Repeat([]byte("0123456789"), 20_000)

// broken fails where it is read at or behind a place.
type broken struct {
	*bytes.Reader
	from int64
}

func (b broken) Read(p []byte) (int, error) {
	at, _ := b.Seek(0, io.SeekCurrent)
	if at >= b.from {
		return 0, errors.New("open /home/me/film.mp4: no such file")
	}
	return b.Reader.Read(p[:min(int64(len(p)), b.from-at)])
}

func serve(f File, method string, header ...string) *http.Response {
	r := httptest.NewRequest(method, "/x", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Serve(w, r, f)
	return w.Result()
}

func read(res *http.Response) string {
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestRanges(t *testing.T) {
	const etag = `"tag"`
	all := string(film[:1000])
	for _, c := range []struct {
		what   string
		header []string
		status int
		body   string
		ranged string
	}{
		{"no range", nil, 200, all, ""},
		{"a suffix of nothing", []string{"Range", "bytes=-0"}, 416, "", "bytes */1000"},
		{"a suffix", []string{"Range", "bytes=-4"}, 206, "6789", "bytes 996-999/1000"},
		{"a suffix beyond the beginning", []string{"Range", "bytes=-4000"}, 206, all, "bytes 0-999/1000"},
		{"another unit", []string{"Range", "npt=10-20"}, 200, all, ""},
		{"a folded unit", []string{"Range", "Bytes=0-1"}, 206, "01", "bytes 0-1/1000"},
		{"a huge end", []string{"Range", "bytes=998-18446744073709551615"}, 206, "89", "bytes 998-999/1000"},
		{"a huge begin", []string{"Range", "bytes=18446744073709551615-"}, 416, "", "bytes */1000"},
		{"backwards", []string{"Range", "bytes=9-5"}, 200, all, ""},
		{"one of two is there", []string{"Range", "bytes=5-6,5000-"}, 206, "56", "bytes 5-6/1000"},
		{"more than there is", []string{"Range", "bytes=0-,0-,0-"}, 200, all, ""},
		{"of the same bytes", []string{"Range", "bytes=0-1", "If-Range", etag}, 206, "01", "bytes 0-1/1000"},
		{"of other bytes", []string{"Range", "bytes=0-1", "If-Range", `"other"`}, 200, all, ""},
		{"of other bytes, not there", []string{"Range", "bytes=-0", "If-Range", `"other"`}, 200, all, ""},
		{"by date", []string{"Range", "bytes=0-1", "If-Range", "Tue, 01 Jan 2030 00:00:00 GMT"}, 200, all, ""},
		{"by a weak tag", []string{"Range", "bytes=0-1", "If-Range", "W/" + etag}, 200, all, ""},
		{"known", []string{"Range", "bytes=-0", "If-None-Match", etag}, 304, "", ""},
		{"known, one of several", []string{"If-None-Match", `"a", W/` + etag}, 304, "", ""},
		{"known, whatever it is", []string{"If-None-Match", "*"}, 304, "", ""},
		{"if it is still the same", []string{"If-Match", etag}, 200, all, ""},
		{"if it is still another", []string{"If-Match", `"other"`}, 412, "", ""},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			res := serve(File{"a.mp4", etag, bytes.NewReader(film[:1000])}, method, c.header...)
			body := read(res)
			if res.StatusCode != c.status || res.Header.Get("Content-Range") != c.ranged || c.status < 300 && method == "GET" && body != c.body {
				t.Errorf("%s %s: %s, %d bytes, Content-Range %q", method, c.what, res.Status, len(body), res.Header.Get("Content-Range"))
			}
			if c.status < 300 && (res.Header.Get("Content-Length") != fmt.Sprint(len(c.body)) || res.Header.Get("ETag") != etag || res.Header.Get("Accept-Ranges") != "bytes") {
				t.Errorf("%s %s: %v", method, c.what, res.Header)
			}
		}
	}
	// An empty file has no range to give; programs that always ask for one get it.
	for _, ranged := range []string{"", "bytes=0-", "bytes=-5", "bytes=-0"} {
		if res := serve(File{"a.mp4", etag, bytes.NewReader(nil)}, "GET", "Range", ranged); res.StatusCode != 200 || res.Header.Get("Content-Length") != "0" {
			t.Errorf("an empty file, %q: %s", ranged, res.Status)
		}
	}
}

func TestSeveralRanges(t *testing.T) {
	res := serve(File{"a.pdf", `"t"`, bytes.NewReader(film)}, "GET", "Range", "bytes=0-1, -3,50-54")
	kind, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode != 206 || kind != "multipart/byteranges" || err != nil {
		t.Fatalf("%s, %s", res.Status, res.Header.Get("Content-Type"))
	}
	parts := multipart.NewReader(res.Body, params["boundary"])
	for _, want := range [][2]string{{"bytes 0-1/200000", "01"}, {"bytes 199997-199999/200000", "789"}, {"bytes 50-54/200000", "01234"}} {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(p)
		if p.Header.Get("Content-Range") != want[0] || string(b) != want[1] || p.Header.Get("Content-Type") != "application/pdf" {
			t.Errorf("%v: %q", p.Header, b)
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("there is more: %v", err)
	}
}

// The status tells that there is nothing to read, without the paths of this machine;
// what does not read, tells nothing.
func TestContentThatCannotBeRead(t *testing.T) {
	gone := func() File { return File{"film.mp4", `"t"`, broken{bytes.NewReader(film), 0}} }
	for _, ranged := range []string{"", "bytes=100-200", "bytes=-5"} {
		res := serve(gone(), "GET", "Range", ranged)
		body := read(res)
		h := res.Header
		if res.StatusCode != 503 || strings.Contains(body, "/home/me") || !strings.Contains(body, "cannot be read") {
			t.Errorf("%q: %s, %q", ranged, res.Status, body)
		}
		if h.Get("Content-Range") != "" || h.Get("ETag") != "" || h.Get("Cache-Control") != "no-store" || h.Get("Content-Disposition") != "" ||
			!strings.HasPrefix(h.Get("Content-Type"), "text/plain") || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%q: %v", ranged, h)
		}
	}
	for _, c := range []struct {
		method, name, value string
		status              int
	}{{"HEAD", "Range", "", 200}, {"HEAD", "Range", "bytes=1-2", 206}, {"GET", "If-None-Match", `"t"`, 304}, {"GET", "Range", "bytes=-0", 416}} {
		if res := serve(gone(), c.method, c.name, c.value); res.StatusCode != c.status {
			t.Errorf("%s, %s %s: %s", c.method, c.name, c.value, res.Status)
		}
	}
	if res := serve(File{"film.mp4", `"t"`, broken{bytes.NewReader(film), 1000}}, "GET", "Range", "bytes=0-999"); read(res) != string(film[:1000]) {
		t.Errorf("what can be read: %s", res.Status)
	}
}

// Half a file is not taken for all of it.
func TestContentThatEndsEarly(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Serve(w, r, File{"film.mp4", `"t"`, broken{bytes.NewReader(film), 100_000}})
	}))
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); res.StatusCode != 200 || err == nil || !bytes.Equal(b, film[:100_000]) {
		t.Errorf("%s, %d bytes, %v", res.Status, len(b), err)
	}
}

// Renderers look for the names as the guidelines spell them, so the bytes count.
func TestDLNA(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Serve(w, r, File{r.URL.Path, `"t"`, bytes.NewReader(film)})
	}))
	defer server.Close()
	const op = "DLNA.ORG_OP=01;DLNA.ORG_CI=0;DLNA.ORG_FLAGS="
	zeros := strings.Repeat("0", 24)
	for _, c := range []struct{ path, header, mode, features string }{
		{"/a.mkv", "getcontentFeatures.dlna.org: 1", "Streaming", op + "01700000" + zeros},
		{"/a.flac", "transferMode.dlna.org: Streaming", "Streaming", op + "01700000" + zeros},
		{"/a.mp4", "transferMode.dlna.org: Interactive", "Streaming", op + "01700000" + zeros},
		{"/a.mp4", "transfermode.dlna.org: background", "Background", op + "01700000" + zeros},
		{"/a.jpg", "getcontentFeatures.dlna.org: 1", "Interactive", op + "00f00000" + zeros},
		{"/a.srt", "getcontentFeatures.dlna.org: 1", "", ""},
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "HEAD %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n", c.path, c.header)
		got := map[string]string{}
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			got[name] = value
		}
		conn.Close()
		if got["transferMode.dlna.org"] != c.mode || got["contentFeatures.dlna.org"] != c.features {
			t.Errorf("%s, %s: %v", c.path, c.header, got)
		}
	}
	f := func() File { return File{"a.mp4", `"t"`, bytes.NewReader(film)} }
	if res := serve(f(), "GET", "TimeSeekRange.dlna.org", "npt=60-"); res.StatusCode != 406 {
		t.Errorf("a range of time: %s", res.Status)
	}
	if res := serve(f(), "GET", "TimeSeekRange.dlna.org", "npt=0-", "Range", "bytes=0-1"); res.StatusCode != 206 {
		t.Errorf("a range of time beside one of bytes: %s", res.Status)
	}
}

// Every origin may play, none may run what is in the file.
func TestHeaders(t *testing.T) {
	for name, sandboxed := range map[string]bool{"page.html": true, "a.svg": true, "a.js": true, "a.xhtml": true, "a.mp4": true, "none": true, "a.pdf": false} {
		h := serve(File{"dir/" + name, `"t"`, bytes.NewReader(film)}, "GET").Header
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") || strings.HasPrefix(csp, "sandbox;") != sandboxed {
			t.Errorf("%s: the policy is %q", name, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cache-Control") != "no-cache" ||
			h.Get("Content-Disposition") != Disposition("inline", name) {
			t.Errorf("%s: %v", name, h)
		}
	}
}
