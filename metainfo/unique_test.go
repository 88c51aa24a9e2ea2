package metainfo

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// list returns the paths of a folder torrent's files in one string.
func list(i *Info) string {
	var out []string
	for _, f := range i.Files {
		if !f.Pad {
			out = append(out, strings.Join(f.Path, "/"))
		}
	}
	return strings.Join(out, " ")
}

// folder is a v1 torrent of files of one byte each.
func folder(paths ...string) dict {
	var files []any
	for _, p := range paths {
		files = append(files, v1File(1, strings.Split(p, "/")...))
	}
	return v1Folder.with("files", files, "pieces", strings.Repeat("x", 20*((len(paths)+16383)/16384)))
}

// Files whose path is taken get a number, as in libtorrent.
func TestFilesOfOnePath(t *testing.T) {
	for in, want := range map[string]string{
		"a b":                  "a b",
		"a a":                  "a a.1",
		"b a b":                "b a b.1",
		"a a a":                "a a.1 a.2",
		"a a.1 a":              "a a.1 a.2",
		"a a a.1":              "a a.2 a.1",
		"x.tar.gz X.TAR.GZ":    "x.tar.gz X.TAR.1.GZ",
		"x. x.":                "x. x.1.",
		".x .x":                ".x .1.x",
		"a.b/c a.b/c":          "a.b/c a.b/c.1",
		"A a/b":                "A.1 a/b",
		"a/b A":                "a/b A.1",
		"a/b/c z a/B":          "a/b/c z a/B.1",
		"d/x D/X d/x":          "d/x D/X.1 d/x.2",
		"Ä ä":                  "Ä ä.1",
		"K \u212a k":           "K \u212a.1 k.2",
		"ς σ Σ":                "ς σ.1 Σ.2",
		"ı i İ":                "ı i İ",
		"a: a_ a?":             "a: a_.1 a?.2",
		"con _con":             "con _con.1",
		"a. a_":                "a. a_.1",
		"a:/x a_/X":            "a:/x a_/X.1",
		"../a a /a/ b/../../a": "a a.1 _/a/_ b/a",
		"\x01 \x02":            "_ _.1",
		"a a/ A/":              "a.1 a/_ A/_.1",
		"x.verylongextension" + strings.Repeat("n", 30) + " x.verylongextension" + strings.Repeat("n", 30): "x.verylongextension" + strings.Repeat("n", 30) + " x.verylongextension" + strings.Repeat("n", 30) + ".1",
		strings.Repeat("y", 255) + " " + strings.Repeat("y", 255):                                          strings.Repeat("y", 255) + " " + strings.Repeat("y", 247) + ".1",
	} {
		i, err := parseDict(folder(strings.Split(in, " ")...))
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if got := list(i); got != want {
			t.Errorf("%q becomes\n     %q\nwant %q", in, got, want)
		}
		for k, p := range strings.Split(in, " ") {
			if raw := strings.Join(i.RawPath(k), "/"); raw != p {
				t.Errorf("%q: the path as sent is %q, want %q", in, raw, p)
			}
		}
		checkUnique(t, i)
	}
}

// checkUnique wants safe names, and no two files or links of one path on any
// system, found without the hashes that Parse uses.
func checkUnique(t *testing.T, i *Info) {
	t.Helper()
	if msg := checkName(i.Name); msg != "" {
		t.Fatalf("%q: %s", i.Name, msg)
	}
	fold := func(path []string) string {
		var b strings.Builder
		for _, s := range path {
			for _, r := range PortableName(s) {
				b.WriteRune(foldRune(r))
			}
			b.WriteByte('/')
		}
		return b.String()
	}
	var all [][]string
	for _, f := range i.Files {
		if !f.Pad {
			all = append(all, f.Path)
		}
	}
	for _, l := range i.Symlinks {
		all = append(all, l.Path)
		if err := checkPath(l.Target); err != nil {
			t.Fatal(err)
		}
	}
	files, folders := map[string]bool{}, map[string]bool{}
	for _, path := range all {
		if err := checkPath(path); err != nil {
			t.Fatal(err)
		}
		key := fold(path)
		if files[key] {
			t.Fatalf("two files are %q", path)
		}
		files[key] = true
		for n := 1; n < len(path); n++ {
			folders[fold(path[:n])] = true
		}
	}
	for key := range files {
		if folders[key] {
			t.Fatalf("a file and a folder are %q", key)
		}
	}
}

// Any list of names comes out unique, and those that were alone stay.
func TestRandomPathsBecomeUnique(t *testing.T) {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, 0))
	parts := strings.Split("a A b a.1 a.1.1 A.1 .. con _con a: a_ a. ä Ä \xff \x01 a.x a.X a.1.x", " ")
	renamed := 0
	for range 5000 {
		var paths []string
		for range 2 + rnd.IntN(8) {
			p := parts[rnd.IntN(len(parts))]
			for range rnd.IntN(3) {
				p += "/" + parts[rnd.IntN(len(parts))]
			}
			paths = append(paths, p)
		}
		i, err := parseDict(folder(paths...))
		if err != nil {
			t.Fatalf("seed %d: %q: %v", seed, paths, err)
		}
		checkUnique(t, i)
		renamed += len(i.raw)
	}
	if renamed < 1000 {
		t.Errorf("only %d files were renamed", renamed)
	}
}

// A list made to be expensive costs no more per file than any other: numbers
// are counted on, also for names that are cut before they are numbered.
func TestManyFilesOfOnePath(t *testing.T) {
	const n = 20000
	var same, cut []string
	for k := range n {
		same = append(same, "a")
		cut = append(cut, strings.Repeat("x", 250)+strconv.Itoa(10000+k/2))
	}
	for _, paths := range [][]string{same, cut} {
		i, err := parseDict(folder(paths...))
		if err != nil {
			t.Fatal(err)
		}
		checkUnique(t, i)
		u := makeUnique(rawFiles(i), nil, nil)
		tries := 0
		for _, k := range u.next {
			tries += k
		}
		if tries > 2*n {
			t.Errorf("%d names were tried for %d files", tries, n)
		}
	}
}

func rawFiles(i *Info) []File {
	out := make([]File, len(i.Files))
	for k := range out {
		out[k].Path = i.RawPath(k)
	}
	return out
}
