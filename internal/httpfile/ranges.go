package httpfile

import (
	"math"
	"strconv"
	"strings"
)

// maxRanges bounds the parts of one answer. PDF viewers ask for a handful at a time;
// each part beyond costs us a seek and the torrent a piece out of order.
const maxRanges = 16

// canonicalRange rewrites a Range header (RFC 9110, section 14.2) for
// http.ServeContent, which refuses units that it does not know, folded case and
// positions of 20 digits, and takes a suffix of 0 for satisfiable. "" stands for the
// whole body: no header, another unit, bad syntax, an empty file or more than
// maxRanges, all of which a server may ignore.
func canonicalRange(header string, size int64) string {
	unit, set, ok := strings.Cut(header, "=")
	if !ok || size == 0 || !strings.EqualFold(trim(unit), "bytes") {
		return ""
	}
	var satisfiable []string
	specs := 0
	for spec := range strings.SplitSeq(set, ",") {
		if spec = trim(spec); spec == "" {
			continue // RFC 9110, section 5.6.1.2
		}
		if specs++; specs > maxRanges {
			return ""
		}
		start, end, ok := parseSpec(spec, size)
		if !ok {
			return ""
		}
		if start < end {
			satisfiable = append(satisfiable, strconv.FormatInt(start, 10)+"-"+strconv.FormatInt(end-1, 10))
		}
	}
	switch {
	case specs == 0:
		return ""
	case len(satisfiable) == 0:
		return "bytes=" + strconv.FormatInt(size, 10) + "-" // begins behind the end: 416
	}
	return "bytes=" + strings.Join(satisfiable, ",")
}

// parseSpec returns the bytes [start, end) that a range-spec means, none where it is
// not satisfiable. ok is false for bad syntax.
func parseSpec(spec string, size int64) (start, end int64, ok bool) {
	first, last, dash := strings.Cut(spec, "-")
	first, last = trim(first), trim(last)
	if !dash || first == "" && last == "" {
		return 0, 0, false
	}
	if first == "" {
		suffix, ok := position(last)
		return size - min(suffix, size), size, ok
	}
	if start, ok = position(first); !ok {
		return 0, 0, false
	}
	end = size
	if last != "" {
		n, ok := position(last)
		if !ok || n < start {
			return 0, 0, false
		}
		end = min(n, size-1) + 1
	}
	return min(start, size), end, true
}

// position reads 1*DIGIT; what an int64 does not hold is behind every file's end.
func position(s string) (int64, bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	return n, s != ""
}

// trim takes off OWS, RFC 9110 section 5.6.3.
func trim(s string) string { return strings.Trim(s, " \t") }
