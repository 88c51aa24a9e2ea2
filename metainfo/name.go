package metainfo

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// decodeText turns bytes meant for people into a string. Bytes that are not
// UTF-8, as old torrents in local encodings have them, are read as Latin-1.
func decodeText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return string(out)
}

// cleanName makes a path component of what a torrent has for one, much as
// libtorrent does, so that a torrent has the same names in both. Separators,
// NUL bytes and what changes the direction of writing are left out, control
// characters and bytes that are no UTF-8 become "_", an empty name is "_", and
// a name over MaxNameLength is shortened. It is "" where a name vanishes,
// which ".." and "/" do. What it returns it would return again.
func cleanName(raw []byte) string {
	if len(raw) == 0 {
		return "_"
	}
	if isClean(raw) {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for k := 0; k < len(raw); {
		r, n := utf8.DecodeRune(raw[k:])
		switch {
		case r == utf8.RuneError && n == 1, isControl(r):
			out = append(out, '_')
		case !isDropped(r):
			out = append(out, raw[k:k+n]...)
		}
		k += n
	}
	if out = shorten(out); string(out) == "." || string(out) == ".." {
		return ""
	}
	return string(out)
}

// isClean reports whether a name of ASCII alone needs no change: nearly all do
// not.
func isClean(raw []byte) bool {
	for _, c := range raw {
		if c < ' ' || c >= 0x7f || c == '/' || c == '\\' {
			return false
		}
	}
	return len(raw) <= MaxNameLength && string(raw) != "." && string(raw) != ".."
}

// isControl knows the control characters of ASCII and Latin-1 but NUL, which
// is dropped.
func isControl(r rune) bool { return r > 0 && r < ' ' || r >= 0x7f && r < 0xa0 }

// isDropped knows what a name must not have and nobody misses: separators, NUL
// and the marks, embeddings and isolates of writing direction, which make
// "gpj.exe" look like "exe.jpg".
func isDropped(r rune) bool {
	switch r {
	case 0, '/', '\\', 0x061c, 0x200e, 0x200f:
		return true
	}
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// shorten cuts a name that no file system holds: the first 240 bytes, and the
// extension where it is short.
func shorten(name []byte) []byte {
	if len(name) <= MaxNameLength {
		return name
	}
	n := 0
	for n < 240 {
		_, size := utf8.DecodeRune(name[n:])
		n += size
	}
	ext := len(name) - 1
	for ext > max(len(name)-10, n) && name[ext] != '.' {
		ext--
	}
	if ext <= max(len(name)-10, n) {
		ext = len(name)
	}
	return append(name[:n:n], name[ext:]...)
}

// checkName returns what makes a path component unsafe on any system, or "".
// A path of components that pass stays below the folder it is put in.
func checkName(s string) string {
	switch {
	case s == "":
		return "empty name"
	case s == "." || s == "..":
		return "name is a relative folder"
	case len(s) > MaxNameLength:
		return "name is longer than 255 bytes"
	}
	for k := range len(s) {
		switch s[k] {
		case '/', '\\':
			return "name contains a separator"
		case 0:
			return "name contains a NUL byte"
		}
	}
	return ""
}

// portable returns why Windows cannot hold a name, or "".
func portable(s string) string {
	if s == "" {
		return "empty name"
	}
	for k := range len(s) {
		if isReserved(s[k]) {
			return "name contains a character that Windows reserves"
		}
	}
	if c := s[len(s)-1]; c == '.' || c == ' ' {
		return "name ends in a dot or a space"
	}
	if isDevice(s) {
		return "name is a device on Windows"
	}
	return ""
}

// PortableName returns a name as Windows can hold it, which most are already:
// "_" in place of each character that it reserves (a colon would name a stream
// of another file) and of a dot or space at the end (it drops them, which makes
// two names one), and "_" before the name of a device. Names of one folder that
// Parse has told apart stay apart.
func PortableName(s string) string {
	if s == "" || portable(s) == "" {
		return s
	}
	b := []byte(s)
	for k, c := range b {
		if isReserved(c) {
			b[k] = '_'
		}
	}
	if c := &b[len(b)-1]; *c == '.' || *c == ' ' {
		*c = '_'
	}
	if !isDevice(string(b)) {
		return string(b)
	}
	if len(b) == MaxNameLength {
		b = b[1:]
	}
	return "_" + string(b)
}

func isReserved(c byte) bool { return c < ' ' || strings.IndexByte(`<>:"/\|?*`, c) >= 0 }

// isDevice reports whether Windows takes a name for a device, whatever its
// extension.
func isDevice(s string) bool {
	base, _, _ := strings.Cut(s, ".")
	base = strings.TrimRight(base, " ")
	if len(base) < 3 || len(base) > 7 {
		return false
	}
	for _, device := range [...]string{"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"} {
		if isASCIIFold(base, device) {
			return true
		}
	}
	return (isASCIIFold(base[:3], "com") || isASCIIFold(base[:3], "lpt")) && isPort(base[3:])
}

// isASCIIFold reports whether s is want, which is of lower case, but for the case
// of ASCII letters. Other letters change their length with their case.
func isASCIIFold(s, want string) bool {
	if len(s) != len(want) {
		return false
	}
	for k := range len(s) {
		if s[k] >= utf8.RuneSelf || foldRune(rune(s[k])) != rune(want[k]) {
			return false
		}
	}
	return true
}

func isPort(n string) bool {
	return len(n) == 1 && n[0] >= '0' && n[0] <= '9' || n == "\u00b9" || n == "\u00b2" || n == "\u00b3"
}

// foldRune returns one rune for all that differ in case alone.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least < utf8.RuneSelf {
		return foldRune(least) // the Kelvin sign and the long s
	}
	return least
}
