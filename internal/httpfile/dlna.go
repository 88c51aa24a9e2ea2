package httpfile

import (
	"net/http"
	"strings"
)

// Flags of DLNA.ORG_FLAGS (DLNA guidelines, part 1-1, "flags parameter"): the first 32
// bits of 128, the rest is reserved. All files may be stalled by the renderer, which
// is what TCP does, and be fetched in the background, by guidelines of version 1.5.
const (
	dlnaCommon      = 1<<20 | 1<<21 | 1<<22 // version 1.5, connection stalling, background transfer
	dlnaInteractive = 1 << 23               // images: as fast as they come
	dlnaStreaming   = 1 << 24               // sound and video: as fast as they are played
)

// dlnaFeatures is contentFeatures.dlna.org of a file: byte ranges but no ranges of time
// (OP=01), not transcoded (CI=0). The profile (PN) is left out; it cannot be told from
// a name, and a wrong one is worse than none.
func dlnaFeatures(flags uint32) string {
	const hex = "0123456789abcdef"
	var word [8]byte
	for i := range word {
		word[i] = hex[flags>>(28-4*i)&15]
	}
	return "DLNA.ORG_OP=01;DLNA.ORG_CI=0;DLNA.ORG_FLAGS=" + string(word[:]) + strings.Repeat("0", 24)
}

// dlna adds what television sets and other renderers look for. false asks for a 406: a
// range of time alone, which we cannot turn into bytes.
func dlna(h http.Header, r *http.Request, contentType string) bool {
	class, _, _ := strings.Cut(contentType, "/")
	mode, flags := "Streaming", uint32(dlnaCommon|dlnaStreaming)
	switch class {
	case "audio", "video":
		if r.Header.Get("TimeSeekRange.dlna.org") != "" && r.Header.Get("Range") == "" {
			return false
		}
	case "image":
		mode, flags = "Interactive", dlnaCommon|dlnaInteractive
	default:
		return true
	}
	// A mode that does not fit the type is answered with the one that does: sets that
	// ask for it exist, and play all the same.
	if strings.EqualFold(r.Header.Get("transferMode.dlna.org"), "Background") {
		mode = "Background"
	}
	// The names' case is kept, there are renderers that do not fold it.
	h["transferMode.dlna.org"] = []string{mode}
	h["contentFeatures.dlna.org"] = []string{dlnaFeatures(flags)}
	return true
}
