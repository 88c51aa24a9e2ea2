package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func TestBundleMakesAPageThatStandsAlone(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	assets, err := bundle(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scripts {
		if len(assets[s.out]) == 0 {
			t.Errorf("no %s", s.out)
		}
	}
	if app := string(assets["app.js"]); !strings.Contains(app, `"./shoal.js"`) {
		t.Error("app.js carries the page API a second time instead of importing it")
	}
	assets["shoal.wasm"] = nil
	page := string(assets["index.html"])
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(page, -1) {
		if _, ok := assets[m[1]]; !ok && m[1] != "shoal.wasm" { // made apart
			t.Errorf("index.html refers to %s, which is not built", m[1])
		}
	}
	// The policy that the page is served with forbids both.
	if regexp.MustCompile(`<script[^>]*>[^<]|<style|\sstyle=|\son[a-z]+=`).MatchString(page) {
		t.Error("index.html has inline script or style")
	}
}

func TestWriteAllCompressesAndCleans(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old.js"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("the same again ", 100))
	sizes, err := writeAll(dir, map[string][]byte{"a.js": text, "i.png": text})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != ".keep a.js a.js.br a.js.gz i.png" {
		t.Errorf("the folder holds %s", got)
	}
	if len(sizes) != 2 || sizes[0].brotli == 0 || sizes[0].brotli >= sizes[0].raw || sizes[1].brotli != 0 {
		t.Errorf("sizes %+v", sizes)
	}
	br, err := os.ReadFile(filepath.Join(dir, "a.js.br"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(brotli.NewReader(bytes.NewReader(br))); err != nil || !bytes.Equal(plain, text) {
		t.Error("a.js.br is not a.js")
	}
	gz, err := os.Open(filepath.Join(dir, "a.js.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer gz.Close()
	r, err := gzip.NewReader(gz)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(r); err != nil || !bytes.Equal(plain, text) {
		t.Error("a.js.gz is not a.js")
	}

	// An unchanged asset is not compressed again; a changed one is.
	if err := os.WriteFile(filepath.Join(dir, "a.js.br"), []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	if sizes, err = writeAll(dir, map[string][]byte{"a.js": text}); err != nil || sizes[0].brotli != 4 {
		t.Errorf("unchanged: %+v, %v", sizes, err)
	}
	if sizes, err = writeAll(dir, map[string][]byte{"a.js": text[1:]}); err != nil || sizes[0].brotli == 4 {
		t.Errorf("changed: %+v, %v", sizes, err)
	}
}

func TestReportFailsOverTheLimit(t *testing.T) {
	var out bytes.Buffer
	sizes := []size{{"app.js", 10, 380_000}, {"shoal.wasm", 10, 500_001}, {"app.css", 10, 70_000}}
	if err := report(&out, sizes, true); err == nil || !strings.Contains(err.Error(), "1 more than") {
		t.Errorf("880,001 bytes of code gave %v", err)
	}
	sizes[1].brotli--
	if err := report(&out, sizes, true); err != nil {
		t.Errorf("880,000 bytes of code gave %v", err)
	}
	if !strings.Contains(out.String(), "wasm + js after brotli: 880000 bytes") {
		t.Error("the report does not name the sum")
	}
}

// The page shows how much of the engine has come: it must know how large it is.
func TestThePageKnowsTheSizeOfTheEngine(t *testing.T) {
	page, err := os.ReadFile("../../../web/apps/share/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(tellSize(page, 6203634)); !strings.Contains(got, `data-engine="6203634"`) {
		t.Error("the page was not told")
	}
}

// All parts of a page come from one build, and a build that differs in anything is another one.
func TestThePartsOfABuildKeepTogether(t *testing.T) {
	made := func(wasm string) map[string][]byte {
		assets := map[string][]byte{
			"index.html": []byte(`<html data-version=""><link href="app.css"><script src="app.js"></script><a href="#">`), "app.css": []byte("css"),
			"app.js": []byte(`import{Shoal}from"./shoal.js"`), "shoal.wasm": []byte(wasm), "shoal.sw.js": []byte("sw"),
		}
		tellVersion(assets)
		return assets
	}
	one, same, other := made("engine"), made("engine"), made("another")
	if !bytes.Equal(one["index.html"], same["index.html"]) {
		t.Error("two builds of the same sources differ")
	}
	version := func(assets map[string][]byte) string {
		return regexp.MustCompile(`data-version="([0-9a-f]+)"`).FindStringSubmatch(string(assets["index.html"]))[1]
	}
	if version(one) == version(other) {
		t.Error("builds with different engines have one version")
	}
	want := `<link href="app.css?v=` + version(one) + `"><script src="app.js?v=` + version(one) + `"></script><a href="#">`
	if !strings.Contains(string(one["index.html"]), want) || !strings.Contains(string(one["app.js"]), `"./shoal.js?v=`+version(one)+`"`) {
		t.Errorf("%s\n%s", one["index.html"], one["app.js"])
	}
	sw := string(one["shoal.sw.js"])
	if !strings.Contains(sw, `"shoal.wasm"`) || !strings.Contains(sw, `"app.css"`) || strings.Contains(sw, `"shoal.sw.js"`) || !strings.HasSuffix(sw, "\nsw") {
		t.Errorf("the service worker begins with %s", sw)
	}
}
