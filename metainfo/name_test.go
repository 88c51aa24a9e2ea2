package metainfo

import (
	"strings"
	"testing"
)

func TestCleanName(t *testing.T) {
	long := strings.Repeat("x", 300)
	for in, want := range map[string]string{
		"plain name.txt": "plain name.txt", "ünïcödé 😀": "ünïcödé 😀", ".hidden": ".hidden", "...": "...", "con": "con", "a.": "a.",
		`q?*:<>|"`: `q?*:<>|"`, strings.Repeat("y", 255): strings.Repeat("y", 255),
		"": "_", "/": "", `\\`: "", ".": "", "..": "", "./.": "", "\x00": "", "\u200f": "",
		"Nice OS R1/beta": "Nice OS R1beta", `..\..\x`: "....x", "/etc/passwd": "etcpasswd", "a\x00b": "ab",
		"a\nb\x7f\u0085c": "a_b__c", "caf\xe9.txt": "caf_.txt", "\xd0\xe1": "__", "\xed\xa0\x80": "___", "\ufffd": "\ufffd",
		"photo\u202egpj.exe": "photogpj.exe", "\u2067x\u2069\u061c": "x", "می\u200cخواهم": "می\u200cخواهم",
		long: long[:240], long + ".txt": long[:240] + ".txt", long + ".0123456789": long[:240], long + ".": long[:240] + ".",
		strings.Repeat("é", 150) + ".mkv": strings.Repeat("é", 120) + ".mkv", strings.Repeat("€", 100): strings.Repeat("€", 80),
		strings.Repeat("\x01", 256): strings.Repeat("_", 240), strings.Repeat("/", 300) + "a": "a",
	} {
		got := cleanName([]byte(in))
		if got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
		if got != "" && cleanName([]byte(got)) != got {
			t.Errorf("%q becomes %q and then %q", in, got, cleanName([]byte(got)))
		}
	}
}

func TestPortableName(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "": "", "a:b": "a_b", `x?<>|"*`: "x______", "dot.": "dot_", "dots..": "dots._", "space ": "space_", "ctl\x01": "ctl_",
		"con": "_con", "NUL.txt": "_NUL.txt", "com1.": "com1_", "com10": "com10", "lpt0 .x": "_lpt0 .x", "COM²": "_COM²", "CONOUT$": "_CONOUT$",
		"comlpt1": "comlpt1", "\u0131_": "\u0131_", "\u017fcon": "\u017fcon", "Clock$": "_Clock$", "com": "com", "coN": "_coN", "b\\c/d": "b_c_d", "nul:": "nul_",
		"aux." + strings.Repeat("x", 251): "_ux." + strings.Repeat("x", 251),
	} {
		got := PortableName(in)
		if got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
		if in != "" && (portable(got) != "" || len(got) > MaxNameLength) {
			t.Errorf("%q becomes %q: %s", in, got, portable(got))
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a", "a/b", `a\b`, "con", "\xff/", "é", "a.", "nul.x", "\u0131\xd7", strings.Repeat("€", 99) + ".mkv", "./\x00.", "\u202e."} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeText(b), quotePath([]string{string(b)})
		s := cleanName(b)
		if s == "" {
			return
		}
		if msg := checkName(s); msg != "" {
			t.Fatalf("%q becomes %q: %s", b, s, msg)
		}
		if again := cleanName([]byte(s)); again != s {
			t.Fatalf("%q becomes %q and then %q", b, s, again)
		}
		if p := PortableName(s); portable(p) != "" || len(p) > MaxNameLength || PortableName(p) != p {
			t.Fatalf("%q is %q on Windows: %s", s, p, portable(p))
		}
	})
}
