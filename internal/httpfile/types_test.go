package httpfile

import (
	"strings"
	"testing"
)

func TestContentType(t *testing.T) {
	for name, want := range map[string]string{
		"a.m2ts": "video/mp2t", "a.mka": "audio/x-matroska", "a.m4b": "audio/mp4", "a.3gp": "video/3gpp", "a.mpg": "video/mpeg",
		"a.wmv": "video/x-ms-wmv", "a.oga": "audio/ogg", "VIDEO_TS/VTS_01_1.VOB": "video/mpeg", "a.heic": "image/heic",
		"a.avif": "image/avif", "a.jxl": "image/jxl", "a.ass": "text/x-ssa; charset=utf-8", "a.srt": "application/x-subrip",
		"a.vtt": "text/vtt; charset=utf-8", "a.mpd": "application/dash+xml", "a.m4s": "video/iso.segment", "a.m3u8": "application/vnd.apple.mpegurl",
		"a.mp4": "video/mp4", "a.mkv": "video/x-matroska", "a.ts": "video/mp2t", "a.opus": "audio/ogg", "a.TXT": "text/plain; charset=utf-8",
		"a.html": "text/html; charset=utf-8", "film.en.srt": "application/x-subrip", "deep/a.b/c.webp": "image/webp",
		"none": "application/octet-stream", "a.": "application/octet-stream", "a.strange": "application/octet-stream",
		"mp4": "application/octet-stream", ".mp4": "video/mp4", "a.mp4/x": "application/octet-stream",
	} {
		if got := ContentType(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// A line is a type and its extensions, none of them twice: what is named last would
// win here, and nobody would see it.
func TestTable(t *testing.T) {
	seen := map[string]string{}
	for line := range strings.Lines(table) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(fields) < 2 || strings.Count(fields[0], "/") != 1 || strings.ToLower(line) != line {
			t.Errorf("%q is no line of the table", line)
		}
		for _, ext := range fields[1:] {
			if ext == "" || seen[ext] != "" {
				t.Errorf("%q of %s was of %s", ext, fields[0], seen[ext])
			}
			seen[ext] = fields[0]
		}
	}
}
