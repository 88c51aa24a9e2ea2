package metainfo

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Links as in packages of macOS and of Node; those that lead outside or nowhere
// are left out, and the torrent is not.
func TestSymlinks(t *testing.T) {
	for _, tt := range []struct {
		name, files string
		links       []string // path>target
		want        string
	}{
		{"to a file", "a/f g", []string{"l>a/f"}, "l>a/f"},
		{"to a folder", "a/b/f", []string{"l>a/b", "a/k>a"}, "l>a/b a/k>a"},
		{"a framework", "Versions/A/Headers/x.h Versions/A/SDL2", []string{"Headers>Versions/Current/Headers", "SDL2>Versions/Current/SDL2", "Versions/Current>A"},
			"Headers>Versions/Current/Headers SDL2>Versions/Current/SDL2 Versions/Current>Versions/A"},
		{"from the link's folder", "pkg/cli.js", []string{".bin/cli>../pkg/cli.js", ".bin/me>."}, ".bin/cli>pkg/cli.js"},
		{"filtered as files are", "a/\x01", []string{"l>a/\\/\x01"}, "l>a/_"},
		{"outside", "etc", []string{"l>..", "m>../x", "n>../etc", "a/o>../../etc", "p>/etc/passwd", "q>etc/../../etc"}, ""},
		{"nowhere", "f", []string{"l>x", "m>f/x", "n>", "o>n"}, ""},
		{"in a circle", "f", []string{"a>b", "b>a", "c>c", "d>f"}, "d>f"},
		{"over a link that is left out", "f", []string{"l>m", "m>../x"}, ""},
		{"where a file is", "f l", []string{"l>f"}, ""},
		{"where a folder is", "f L/x", []string{"l>f"}, ""},
		{"twice", "f g", []string{"l>f", "L>g"}, "l>f"},
		{"below a link", "d/f", []string{"l>d", "l/m>d"}, "l/m>d"},
		{"below a file", "f f.1", []string{"f/l>f.1"}, "f/l>f.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := folder(strings.Split(tt.files, " ")...)
			for _, l := range tt.links {
				from, to, _ := strings.Cut(l, ">")
				f := dict{"attr": "l", "length": 7, "path": path(strings.Split(from, "/")...)}
				if to != "" {
					f["symlink path"] = path(strings.Split(to, "/")...)
				}
				d["files"] = append(d["files"].([]any), f)
			}
			i, err := parseDict(d)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range i.Symlinks {
				got = append(got, strings.Join(s.Path, "/")+">"+strings.Join(s.Target, "/"))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("links %q\nwant  %q", s, tt.want)
			}
			checkUnique(t, i)
		})
	}
	i, err := parseDict(v2Single.with("file tree", dict{
		"f": v2File(5, rootA), "l": dict{"": dict{"attr": "l", "symlink path": path("f")}}, "s": dict{"": dict{"attr": "l", "symlink path": path("..", "etc")}},
	}))
	if err != nil || len(i.Symlinks) != 1 || !slices.Equal(i.Symlinks[0].Path, []string{"l"}) || i.Single {
		t.Errorf("%+v, %v", i, err)
	}
}

// Links that lead over links cost a bounded number of steps.
func TestSymlinksAreBounded(t *testing.T) {
	d := folder("f")
	files := d["files"].([]any)
	deep := slices.Repeat([]string{"x"}, MaxPathDepth-1)
	for range 2000 {
		files = append(files, dict{"attr": "l", "path": path(append(slices.Clone(deep), strconv.Itoa(len(files)))...), "symlink path": path(deep...)})
	}
	d["files"] = files
	i, err := parseDict(d)
	if err != nil || len(i.Symlinks) != 2000 {
		t.Fatalf("%d links, %v", len(i.Symlinks), err)
	}
	r := resolver{names: makeUnique(i.Files, nil, nil), at: map[pathHash]int{}, steps: maxLinkSteps}
	if r.leads([]string{"f"}) {
		t.Error("a step more than the bound was made")
	}
}
