package httpfile

import (
	"net/url"
	"strings"
)

// Disposition is a Content-Disposition (RFC 6266) of a kind, "inline" or "attachment",
// that names the file: as it is by RFC 8187, and before it in plain ASCII for programs
// that know no other form, as curl and many television sets.
func Disposition(kind, name string) string {
	name = strings.ToValidUTF8(name, "_")
	plain := strings.Map(func(c rune) rune {
		// Some decode a % here, and a backslash escapes: appendix D.
		if c < ' ' || c > '~' || strings.ContainsRune(`"\%`, c) {
			return '_'
		}
		return c
	}, name)
	return kind + `; filename="` + plain + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}
