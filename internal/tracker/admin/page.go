package admin

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
)

//go:embed ui
var ui embed.FS

func file(name string) string {
	b, err := ui.ReadFile("ui/" + name)
	if err != nil {
		panic(err) // it is not part of the program
	}
	// HTML has no CR LF, which a checkout on Windows may bring: hashes would differ.
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

// A page is one HTML document with its style and script in it. It asks nobody else for
// anything: its policy names these two by their hashes and the server it came from.
type page struct{ html, policy string }

var dashboard = newPage("dashboard.html", "dashboard.css", "dashboard.js", "sections.js")

// newPage makes a page of files in ui; its scripts become one.
func newPage(html, css string, scripts ...string) page {
	style := file("base.css") + file(css)
	policy := "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:; style-src " + hashOf(style)
	body := strings.Replace(file(html), "<style></style>", "<style>"+style+"</style>", 1)
	if len(scripts) > 0 {
		var script string
		for _, name := range scripts {
			script += file(name)
		}
		policy += "; connect-src 'self'; script-src " + hashOf(script)
		body = strings.Replace(body, "<script></script>", "<script>"+script+"</script>", 1)
	}
	return page{body, policy}
}

// hashOf names an inline element's text in a content security policy (CSP level 2).
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (p page) headers(h http.Header) {
	guard(h)
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Content-Type", "text/html; charset=utf-8")
}

func (p page) serve(w http.ResponseWriter, _ *http.Request) {
	p.headers(w.Header())
	io.WriteString(w, p.html)
}
