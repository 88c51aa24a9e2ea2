package signal

import "bytes"

const whyCandidates = "has too many candidates"

// fewCandidates cuts the lines with ICE candidates (RFC 8839 section 5.1) beyond MaxCandidates out of
// a session description in its JSON form, in place.
func (r *reader) fewCandidates(field string, raw SDP, fl uint8) SDP {
	most := r.lim.MaxCandidates
	if most <= 0 || len(raw) <= most*len(candidate) {
		return raw
	}
	if fl&hasCode != 0 {
		// Nobody writes ASCII in this form but to hide it.
		if bytes.Count(bytes.ToLower(appendDecoded(nil, raw)), []byte(candidate)) > most {
			r.bad(field, whyCandidates)
		}
		return raw
	}
	if bytes.Count(raw, []byte("=")) <= most {
		return raw // as most have: each line has one
	}
	n, kept := 0, 0
	for start := 0; start < len(raw); {
		end := lineEnd(raw, start)
		line := raw[start:end]
		start = end
		if isCandidate(line) {
			if n++; n > most {
				r.cut++
				continue
			}
		}
		if kept+len(line) < end {
			copy(raw[kept:], line)
		}
		kept += len(line)
	}
	return raw[:kept]
}

// candidate begins a line with an ICE candidate; some readers take it in any case.
const candidate = "a=candidate:"

func isCandidate(line []byte) bool {
	if len(line) < len(candidate) {
		return false
	}
	for i := range len(candidate) {
		c := line[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != candidate[i] {
			return false
		}
	}
	return true
}

// lineEnd returns where the line that begins at i ends, with what ends it: \r, \n or both, as
// JSON writes them.
func lineEnd(raw []byte, i int) int {
	for {
		n := bytes.IndexByte(raw[i:], '\\')
		if n < 0 || i+n+2 > len(raw) {
			return len(raw)
		}
		i += n + 2
		switch raw[i-1] {
		case 'n':
			return i
		case 'r':
			if i+2 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'n' {
				i += 2
			}
			return i
		}
	}
}
