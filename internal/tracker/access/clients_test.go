package access

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func clients(t *testing.T, text string) *ClientList {
	t.Helper()
	l, err := LoadClients(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func peerID(text string) (id [20]byte) {
	copy(id[:], text)
	return id
}

func TestClientList(t *testing.T) {
	for _, c := range []struct {
		name, text string
		yes, no    []string
	}{
		{"beginnings", "-qB\n-UT35 # uTorrent 3.5\nM7-\t; old\n", []string{"-qB4500-x", "-UT3560-", "M7-9-2--"}, []string{"-UT3460-", "-QB4500-", "M7", "x-qB"}},
		{"one within another", "-TR3000-\n-TR\n-TR2\n", []string{"-TR", "-TR4", "-TR3000-x", "-TR29"}, []string{"-TQ", "-TS"}},
		{"one between", "-A\n-AB\n-B\n", []string{"-A\xff", "-AA", "-AC", "-B"}, []string{"-@", "-C"}},
		{"bytes by number", "%23x\n%20y\n-%25z\n%00%ff", []string{"#x", " y", "-%z", "\x00\xff"}, []string{"%23x", "y", "\x00\xfe"}},
		{"a whole peer id", "-WW0001-abcdefghijkl", []string{"-WW0001-abcdefghijkl"}, []string{"-WW0001-abcdefghijkm"}},
		{"packed", packed(t, "-qB\n"), []string{"-qB"}, []string{"-qC"}},
		{"empty", "# none\n", nil, []string{"", "-qB"}},
	} {
		l := clients(t, c.text)
		if err := l.Skipped().Err(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, id := range c.yes {
			if !l.Has(peerID(id)) {
				t.Errorf("%s: %q is missing", c.name, id)
			}
		}
		for _, id := range c.no {
			if l.Has(peerID(id)) {
				t.Errorf("%s: %q is in it", c.name, id)
			}
		}
	}
}

func TestClientFileErrors(t *testing.T) {
	l := clients(t, "-qB\n%2\n%zz\n-WW0001-abcdefghijklm\n-TR\n")
	if l.Len() != 2 || l.Skipped().Lines != 3 {
		t.Errorf("%d read, %d skipped", l.Len(), l.Skipped().Lines)
	}
	for _, want := range []string{`:2: "%2": two hex`, `:3: "%zz": two hex`, `:4: "-WW0001-abcdefghijklm" is longer than`} {
		if !strings.Contains(l.Skipped().Err().Error(), want) {
			t.Errorf("%v does not say %s", l.Skipped().Err(), want)
		}
	}
	if _, err := LoadClients(write(t, "%")); err == nil {
		t.Error("a file without a good line was taken")
	}
}

func TestClientListReload(t *testing.T) {
	path := write(t, "-qB")
	l, err := LoadClients(path)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(path, []byte("-TR"), 0o600)
	if err := l.Reload(); err != nil || l.Has(peerID("-qB")) || !l.Has(peerID("-TR")) {
		t.Errorf("after a reload: %v", err)
	}
	os.Remove(path)
	if err := l.Reload(); err == nil || !l.Has(peerID("-TR")) {
		t.Errorf("after a bad reload: %v", err)
	}
}

func TestClients(t *testing.T) {
	wide, narrow := clients(t, "-TR"), clients(t, "-TR2")
	for _, c := range []struct {
		name   string
		c      Clients
		served [3]bool // -TR3, -TR2, -qB
	}{
		{"no list", Clients{}, [3]bool{true, true, true}},
		{"allow", Clients{Allow: wide}, [3]bool{true, true, false}},
		{"deny", Clients{Deny: narrow}, [3]bool{true, false, true}},
		{"both", Clients{Allow: wide, Deny: narrow}, [3]bool{true, false, false}},
	} {
		for i, id := range []string{"-TR3", "-TR2", "-qB"} {
			if err := c.c.Check(peerID(id)); (err == nil) != c.served[i] || err != nil && err != ErrClient {
				t.Errorf("%s: %s gives %v", c.name, id, err)
			}
		}
	}
	id := peerID("-TR2940-")
	if n := testing.AllocsPerRun(100, func() { wide.Has(id) }); n != 0 {
		t.Errorf("a look takes %v allocations", n)
	}
}

// The search says what a plain look at each beginning says.
func FuzzClients(f *testing.F) {
	f.Add("-qB\n-TR\n", "-qB4500-")
	f.Add("-A\n-AB\n-B\n", "-AC")
	f.Add("%00\n%ff%ff", "\x00")
	f.Fuzz(func(t *testing.T, text, id string) {
		var s clientSet
		for line := range strings.SplitSeq(text, "\n") {
			p, err := parsePrefix([]byte(line))
			if err == nil && p != "" {
				s.sorted = append(s.sorted, p)
			}
		}
		all := slices.Clone(s.sorted)
		s.settle()
		full := peerID(id)
		want := slices.ContainsFunc(all, func(p string) bool { return strings.HasPrefix(string(full[:]), p) })
		if s.has(full[:]) != want {
			t.Fatalf("%q of %q: %v", full, all, !want)
		}
	})
}
