package webseed

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// What servers answer, and what is made of it.
func TestCheck(t *testing.T) {
	part := Part{URL: "http://h/f", From: 100, Length: 50, Size: 1000, Ranged: true}
	whole := Part{URL: "http://h/f", Length: 1000, Size: 1000}
	large := Part{URL: "http://h/f", From: 100, Length: 50, Size: maxSkip + 1, Ranged: true}
	head := Part{URL: "http://h/f", Length: 50, Size: maxSkip + 1, Ranged: true}
	piece := Part{URL: "http://h/?piece=1", Length: 50, Size: 50, Pieces: true}
	for _, tt := range []struct {
		name string
		part Part
		a    Answer
		skip int64
		kind Kind
		why  string // "" for none
	}{
		{"as it should be", part, Answer{Status: 206, Range: "bytes 100-149/1000", Length: 50}, 0, 0, ""},
		{"size not told", part, Answer{Status: 206, Range: "bytes 100-149/*", Length: -1}, 0, 0, ""},
		{"more than asked", part, Answer{Status: 206, Range: "bytes 100-999/1000", Length: 900}, 0, 0, ""},
		{"identity said", part, Answer{Status: 206, Range: "bytes 100-149/1000", Length: 50, Encoding: "Identity"}, 0, 0, ""},
		{"from elsewhere", part, Answer{Status: 206, Range: "bytes 0-49/1000", Length: 50}, 0, Wrong, "another range"},
		{"no Content-Range", part, Answer{Status: 206, Length: 50}, 0, Wrong, "another range"},
		{"of another file", part, Answer{Status: 206, Range: "bytes 100-149/999", Length: 50}, 0, Wrong, "999 bytes"},
		{"too short", part, Answer{Status: 206, Range: "bytes 100-148/1000", Length: 49}, 0, Wrong, "less than"},
		{"too short, by its range alone", part, Answer{Status: 206, Range: "bytes 100-148/1000", Length: -1}, 0, Wrong, "less than"},
		{"says one thing, sends another", part, Answer{Status: 206, Range: "bytes 100-149/1000", Length: 10}, 0, Wrong, "less than"},
		{"compressed", part, Answer{Status: 206, Range: "bytes 100-149/1000", Length: 50, Encoding: "gzip"}, 0, Wrong, "compresses"},
		{"the whole instead", part, Answer{Status: 200, Length: 1000}, 100, 0, ""},
		{"the whole, size unknown", part, Answer{Status: 200, Length: -1}, 100, 0, ""},
		{"the whole of a file that is just small enough", Part{URL: "http://h/f", From: 1, Length: 50, Size: maxSkip, Ranged: true}, Answer{Status: 200, Length: maxSkip}, 1, 0, ""},
		{"the whole of a large file but its first byte", Part{URL: "http://h/f", From: 1, Length: maxSkip, Size: maxSkip + 1, Ranged: true}, Answer{Status: 200, Length: maxSkip + 1}, 0, Wrong, "requests for ranges"},
		{"an empty answer", part, Answer{Status: 206, Range: "bytes 100-149/1000"}, 0, Wrong, "less than"},
		{"an empty whole", whole, Answer{Status: 200}, 0, Wrong, "0 bytes"},
		{"of an empty file", part, Answer{Status: 206, Range: "bytes 100-149/0", Length: -1}, 0, Wrong, "another range"},
		{"to a page: without the header it may not see", part, Answer{Status: 206, Page: true, Length: 50}, 0, 0, ""},
		{"to a page: without either", part, Answer{Status: 206, Page: true, Length: -1}, 0, 0, ""},
		{"to a page: too short", part, Answer{Status: 206, Page: true, Length: 49}, 0, Wrong, "less than"},
		{"to a page: empty", part, Answer{Status: 206, Page: true}, 0, Wrong, "less than"},
		{"to a page: from elsewhere", part, Answer{Status: 206, Page: true, Range: "bytes 0-49/1000", Length: 50}, 0, Wrong, "another range"},
		{"to a page: the whole, unpacked by the browser", whole, Answer{Status: 200, Page: true, Encoding: "gzip", Length: 400}, 0, 0, ""},
		{"to a page: a range of what is packed", part, Answer{Status: 206, Page: true, Encoding: "gzip", Length: 50}, 0, Wrong, "compresses"},
		{"to a page: a piece, unpacked by the browser", piece, Answer{Status: 206, Page: true, Encoding: "br", Length: 50}, 0, 0, ""},
		{"packed as a whole", whole, Answer{Status: 200, Encoding: " gzip ", Length: 1000}, 0, Wrong, "compresses"},
		{"the whole of a large file", large, Answer{Status: 200, Length: maxSkip + 1}, 0, Wrong, "requests for ranges"},
		{"the whole, of which the beginning is wanted", head, Answer{Status: 200, Length: maxSkip + 1}, 0, 0, ""},
		{"another whole", whole, Answer{Status: 200, Length: 999}, 0, Wrong, "999 bytes"},
		{"a login page", whole, Answer{Status: 200, Length: -1}, 0, 0, ""}, // found out by its hash
		{"range not satisfiable", part, Answer{Status: 416}, 0, Wrong, "shorter"},
		{"not found", part, Answer{Status: 404}, 0, Gone, "404"},
		{"gone", part, Answer{Status: 410}, 0, Gone, "410"},
		{"forbidden", part, Answer{Status: 403}, 0, Failed, "403"},
		{"no content", part, Answer{Status: 204}, 0, Failed, "204"},
		{"redirect to nowhere", part, Answer{Status: 302}, 0, Failed, "302"},
		{"broken", part, Answer{Status: 500}, 0, Failed, "500"},
		{"too many", part, Answer{Status: 429, Wait: time.Minute}, 0, Busy, "429"},
		{"overloaded", part, Answer{Status: 503}, 0, Busy, "503"},
		{"a piece", piece, Answer{Status: 200, Length: 50}, 0, 0, ""},
		{"a piece as a range", piece, Answer{Status: 206, Length: 50}, 0, 0, ""},
		{"a whole piece instead of a part", piece, Answer{Status: 200, Length: 60}, 0, Wrong, "60 bytes"},
	} {
		skip, p := tt.part.Check(&tt.a)
		switch {
		case (p != nil) != (tt.why != ""):
			t.Errorf("%s: %v", tt.name, p)
		case p == nil && skip != tt.skip:
			t.Errorf("%s: %d bytes skipped", tt.name, skip)
		case p != nil && (p.Kind != tt.kind || !strings.Contains(p.Why, tt.why)):
			t.Errorf("%s: kind %d, %s", tt.name, p.Kind, p.Why)
		}
	}
}

// Who breaks off may be asked again, who sends less than promised is not right.
func TestEndOfBody(t *testing.T) {
	if p := EndOfBody(true); p.Kind != Cut || p.Error() == "" {
		t.Errorf("%+v", p)
	}
	if p := EndOfBody(false); p.Kind != Wrong || p.Error() == "" {
		t.Errorf("%+v", p)
	}
}

func TestWaitsAreBounded(t *testing.T) {
	p := Part{}
	if _, problem := p.Check(&Answer{Status: 429, Wait: 1000 * time.Hour}); problem.Wait != maxWait {
		t.Errorf("waits for %v", problem.Wait)
	}
	if _, problem := p.Check(&Answer{Status: 429, Wait: -time.Hour}); problem.Wait != 0 {
		t.Errorf("waits for %v", problem.Wait)
	}
	for s, want := range map[string]time.Duration{"0": 0, " 7 ": 7 * time.Second, "99999999999": maxWait} {
		if d, ok := ParseSeconds(s); !ok || d != want {
			t.Errorf("%q: %v %v", s, d, ok)
		}
	}
	for _, s := range []string{"", "-1", "1.5", "Fri, 31 Dec 1999 23:59:59 GMT", "9999999999999999999"} {
		if d, ok := ParseSeconds(s); ok {
			t.Errorf("%q: %v", s, d)
		}
	}
}

func TestParseContentRange(t *testing.T) {
	for _, s := range []string{
		"", "bytes", "bytes */1000", "bytes 0-99", "bytes 99-0/1000", "bytes 0-1000/1000", "items 0-9/10", "bytes 0-/10", "bytes -9/10",
		"bytes 0-9/", "bytes 0x1-2/10", "bytes 0-9/10 11", "bytes 1-99999999999999999999/*",
	} {
		if a, b, n, ok := parseContentRange(s); ok {
			t.Errorf("%q: %d %d %d", s, a, b, n)
		}
	}
	if a, b, n, ok := parseContentRange(" Bytes  3-9/ 10 "); !ok || a != 3 || b != 9 || n != 10 {
		t.Errorf("%d %d %d %v", a, b, n, ok)
	}
	if a, b, n, ok := parseContentRange("bytes 0-0/*"); !ok || a != 0 || b != 0 || n != -1 {
		t.Errorf("one byte: %d %d %d %v", a, b, n, ok)
	}
	if n, ok := parseNumber("123456789012345678"); !ok || n != 123456789012345678 {
		t.Errorf("eighteen digits: %d, %v", n, ok)
	}
	if n, ok := parseNumber("1234567890123456789"); ok {
		t.Errorf("nineteen digits: %d", n)
	}
}

// What is read is what would be written for it.
func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-99/1234", "bytes 5-5/*", "bytes */7", "bytes 0-0/1", "BYTES 00-1/2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, last, total, ok := parseContentRange(s)
		if !ok {
			return
		}
		if first < 0 || last < first || total >= 0 && last >= total || total < -1 {
			t.Fatalf("%q: %d %d %d", s, first, last, total)
		}
		size := "*"
		if total >= 0 {
			size = strconv.FormatInt(total, 10)
		}
		again := "bytes " + strconv.FormatInt(first, 10) + "-" + strconv.FormatInt(last, 10) + "/" + size
		if a, b, n, ok := parseContentRange(again); !ok || a != first || b != last || n != total {
			t.Fatalf("%q reads as %q, which reads as %d %d %d %v", s, again, a, b, n, ok)
		}
	})
}

func FuzzSeconds(f *testing.F) {
	for _, s := range []string{"0", "120", " 7\r\n", "-1", "1e9", "999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := ParseSeconds(s); d < 0 || d > maxWait || !ok && d != 0 {
			t.Fatalf("%q: %v", s, d)
		}
	})
}
