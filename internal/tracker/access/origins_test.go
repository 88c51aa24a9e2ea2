package access

import (
	"errors"
	"strings"
	"testing"
)

func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		allow, deny, yes, no string
	}{
		{allow: "", yes: "https://example.org http://a.b:1 null chrome-extension://abc"},
		{
			allow: "https://example.org",
			yes:   "https://example.org https://EXAMPLE.org https://example.org:443 https://example.org.",
			no:    "http://example.org https://example.org:8443 https://www.example.org https://example.org.evil.net null",
		},
		{allow: "https://example.org:443", yes: "https://example.org", no: "https://example.org:80"},
		{allow: "https://example.org:8443", yes: "https://example.org:8443", no: "https://example.org"},
		{
			allow: "example.org",
			yes:   "https://example.org http://example.org http://example.org:8080",
			no:    "https://www.example.org https://notexample.org",
		},
		{allow: "example.org:8080", yes: "http://example.org:8080 https://example.org:8080", no: "http://example.org"},
		{
			allow: "*.example.org",
			yes:   "https://www.example.org http://a.b.example.org:99",
			no:    "https://example.org https://notexample.org https://.example.org https://www.example.org.evil.net",
		},
		{allow: "https://*.example.org", yes: "https://a.example.org", no: "http://a.example.org https://a.example.org:444"},
		{allow: "http://127.0.0.1:3000 [::1]", yes: "http://127.0.0.1:3000 http://[::1]:5 https://[0:0::1]", no: "http://127.0.0.1 http://[::2]"},
		{allow: "null", yes: "null", no: "https://null.org"},
		{deny: "*.evil.net evil.net", yes: "https://example.org null", no: "https://evil.net https://www.evil.net"},
		{allow: "*.example.org", deny: "bad.example.org", yes: "https://good.example.org", no: "https://bad.example.org"},
		// What is no origin is never one of those allowed, and never gets past a denial.
		{allow: "example.org", no: "example.org //example.org https:// https://example.org:x https://[::1 https://a@example.org"},
		{deny: "example.org", no: "example.org https://example.org/ https://example.org:0"},
	} {
		o, err := NewOrigins(strings.Fields(c.allow), strings.Fields(c.deny), false)
		if err != nil {
			t.Errorf("allow %q, deny %q: %v", c.allow, c.deny, err)
			continue
		}
		for _, origin := range strings.Fields(c.yes) {
			if err := o.Check(origin); err != nil {
				t.Errorf("allow %q, deny %q: %s is refused", c.allow, c.deny, origin)
			}
		}
		for _, origin := range strings.Fields(c.no) {
			if err := o.Check(origin); !errors.Is(err, ErrOrigin) {
				t.Errorf("allow %q, deny %q: %s gives %v", c.allow, c.deny, origin, err)
			}
		}
		if err := o.Check(""); err != nil {
			t.Errorf("allow %q: a client that is no browser is refused", c.allow)
		}
	}
}

func TestOriginRequired(t *testing.T) {
	o, err := NewOrigins(nil, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Check(""); !errors.Is(err, ErrNoOrigin) {
		t.Errorf("no origin gives %v", err)
	}
	if err := o.Check("https://example.org"); err != nil {
		t.Errorf("an origin gives %v", err)
	}
}

func TestOriginPatternErrorsNameThePattern(t *testing.T) {
	for _, text := range []string{"", "https://", "://x", "a b", "https://example.org/", "example.org/path", "*", "*.", "a.*.org", "**.org", "*x.org",
		"example.org:0", "example.org:99999", "example.org:http", "https://me@example.org", "[::1", "[zz]", "::1"} {
		for _, lists := range [][2][]string{{{text}, nil}, {nil, {text}}} {
			_, err := NewOrigins(lists[0], lists[1], false)
			if err == nil || !strings.Contains(err.Error(), `"`+text+`"`) || !strings.Contains(err.Error(), "write it like") {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

func FuzzOrigins(f *testing.F) {
	for _, s := range []string{"", "null", "https://example.org", "*.example.org", "https://*.a:8443", "[::1]:80", "http://[::1]", "://", "a:b:c"} {
		f.Add(s, "https://www.example.org")
	}
	f.Fuzz(func(t *testing.T, text, origin string) {
		only, err := NewOrigins([]string{text}, nil, false)
		if err != nil {
			return
		}
		but, err := NewOrigins(nil, []string{text}, false)
		if err != nil {
			t.Fatalf("%q is a pattern to allow and not to deny", text)
		}
		if origin == "" {
			return
		}
		if only.Check(origin) == nil && but.Check(origin) == nil {
			t.Fatalf("pattern %q both matches %q and does not", text, origin)
		}
	})
}
