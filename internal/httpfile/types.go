package httpfile

import (
	_ "embed"
	"path"
	"strings"
)

// table names a type and the extensions that mean it on each line. The page and its
// service worker are built with the same file, web/src/mime.ts. The system's table is
// not asked: it differs between machines and lacks what players need.
//
//go:embed types.txt
var table string

var types = readTypes(table)

func readTypes(table string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		for _, ext := range fields[1:] {
			m["."+ext] = fields[0]
		}
	}
	return m
}

// ContentType is the media type of a file, by its name alone: sniffing would wait for
// the first piece. A name that means nothing is application/octet-stream; text is
// UTF-8.
func ContentType(name string) string {
	t := types[strings.ToLower(path.Ext(name))]
	switch {
	case t == "":
		return "application/octet-stream"
	case strings.HasPrefix(t, "text/"):
		return t + "; charset=utf-8"
	}
	return t
}
