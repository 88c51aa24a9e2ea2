//go:build unix

package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/shoal-p2p/shoal/test/rig"
)

const (
	// siteScript is a site's own script: it imports the package as its author would.
	siteScript = `import Shoal from "shoal";
window.Shoal = Shoal;
`
	sitePage   = `<!doctype html><meta charset="utf-8"><title>A site</title><body>a site</body>`
	modulePage = sitePage + `<script type="module" src="./main.js"></script>`
)

// works has a page that has window.Shoal download a torrent, and read it by its address where the site
// has a service worker. options are those of the client, in JavaScript.
func works(t *testing.T, b *rig.Browser, url, options string, streams bool) {
	t.Helper()
	page := rig.Path("testdata", "sample.mp4")
	n := rig.Share(t, page)
	p := b.With(t).Open(url)
	defer p.Close()
	p.WaitFor(30*time.Second, "typeof window.Shoal === 'function'")
	p.Eval(60*time.Second, `(async () => {
	  window.problems = [];
	  const shoal = window.shoal = await Shoal.create({ loopback: true, ...(`+options+`) });
	  shoal.on('fatal', (e) => problems.push(e.message));
	  window.torrent = await shoal.add(`+js(n.Magnet)+`);
	})()`, nil)
	p.WaitFor(60*time.Second, "torrent.done || problems.length > 0")
	var got struct {
		Problems  []string
		Streaming bool
		Sum, URL  string
	}
	p.Eval(30*time.Second, `(async () => {
	  const hex = async (buffer) => [...new Uint8Array(await crypto.subtle.digest('SHA-256', buffer))].map((b) => b.toString(16).padStart(2, '0')).join('');
	  const streaming = await shoal.streaming, [file] = torrent.files;
	  const url = streaming ? file.streamURL : null;
	  return { problems, streaming, url: url ?? '', sum: await hex(await (url ? await fetch(url) : await file.blob()).arrayBuffer()) };
	})()`, &got)
	if len(got.Problems) > 0 {
		t.Errorf("it failed: %s", strings.Join(got.Problems, "; "))
	}
	rig.SameSums(t, page, map[string]string{filepath.Base(page): got.Sum})
	if got.Streaming != streams {
		t.Errorf("stream URLs work: %v, want %v", got.Streaming, streams)
	}
	p.Eval(10*time.Second, "shoal.destroy()", nil)
	sound(t, b)
}

// copies copies files of the package into the project, under the names they are to have.
func copies(t *testing.T, p rig.Project, files ...string) {
	t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		b, err := os.ReadFile(filepath.Join(p.Lib(), files[i]))
		if err != nil {
			t.Fatal(err)
		}
		p.Write(files[i+1], string(b))
	}
}

// The package works as it comes with each bundler, none of which is told anything about it.
func TestPackageWithBundlers(t *testing.T) {
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	site := map[string]string{"main.js": siteScript, "index.html": modulePage}

	t.Run("Vite, below a path", func(t *testing.T) {
		p := rig.NewProject(t, site)
		copies(t, p, "shoal.sw.js", "public/shoal.sw.js")
		p.Bundle("vite", "/films/new/")
		works(t, b, rig.Folder(t, filepath.Join(p.Dir, "dist"), "/films/new/", false), "{}", true)
	})
	t.Run("Vite while the site is written", func(t *testing.T) {
		works(t, b, rig.NewProject(t, site).Develop(), "{}", false)
	})
	t.Run("webpack, below a path", func(t *testing.T) {
		p := rig.NewProject(t, site)
		p.Bundle("webpack", "")
		p.Write("dist/index.html", sitePage+`<script defer src="main.js"></script>`)
		works(t, b, rig.Folder(t, filepath.Join(p.Dir, "dist"), "/films/", false), "{}", true)
	})
	for name, options := range map[string]api.BuildOptions{
		"esbuild, one file":   {Outfile: "dist/main.js"},
		"esbuild, in modules": {Outdir: "dist", Format: api.FormatESModule, Splitting: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := rig.NewProject(t, site)
			options.EntryPoints, options.AbsWorkingDir, options.Bundle, options.Write = []string{"main.js"}, p.Dir, true, true
			if result := api.Build(options); len(result.Errors)+len(result.Warnings) > 0 {
				t.Fatalf("%v %v", result.Errors, result.Warnings)
			}
			p.Write("dist/index.html", modulePage)
			works(t, b, rig.Folder(t, filepath.Join(p.Dir, "dist"), "/", false), "{}", false)
		})
	}
}

// The package works from a script tag, from another site, and below any path.
func TestPackageWithoutBundler(t *testing.T) {
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := rig.NewProject(t, nil)

	t.Run("a script tag beside the page", func(t *testing.T) {
		for _, name := range []string{"shoal.global.js", "shoal.worker.js", "shoal.sw.js", "shoal.wasm"} {
			copies(t, p, name, "a/"+name)
		}
		p.Write("a/index.html", sitePage+`<script src="shoal.global.js"></script>`)
		works(t, b, rig.Folder(t, filepath.Join(p.Dir, "a"), "/some/where/", false), "{}", true)
	})
	cdn := rig.Folder(t, p.Lib(), "/shoal@0.1.0/lib/", true)
	t.Run("a script tag of another site", func(t *testing.T) {
		p.Write("b/index.html", sitePage+`<script src="`+cdn+`shoal.global.js"></script>`)
		works(t, b, rig.Folder(t, filepath.Join(p.Dir, "b"), "/", false), "{}", false)
	})
	module := sitePage + `<script type="module">import Shoal from "` + cdn + `shoal.js"; window.Shoal = Shoal</script>`
	t.Run("a module of another site, and a service worker of one line", func(t *testing.T) {
		p.Write("c/index.html", module)
		p.Write("c/workers/films.js", `importScripts("`+cdn+`shoal.sw.js");`)
		p.Write("c/workers/films/index.html", module)
		works(t, b, rig.Folder(t, filepath.Join(p.Dir, "c"), "/c/", false)+"workers/films/", "{ serviceWorker: { url: '../films.js' } }", true)
	})
	t.Run("a registration of the site's own", func(t *testing.T) {
		p.Write("d/index.html", module)
		p.Write("d/own.js", `importScripts("`+cdn+`shoal.sw.js"); self.addEventListener("fetch", () => {});`)
		works(t, b, rig.Folder(t, filepath.Join(p.Dir, "d"), "/d/", false), "{ serviceWorker: { registration: navigator.serviceWorker.register('own.js') } }", true)
	})
	t.Run("files in a folder that the page names", func(t *testing.T) {
		p.Write("e/index.html", module)
		copies(t, p, "shoal.worker.js", "e/p2p/shoal.worker.js", "shoal.wasm", "e/p2p/shoal.wasm")
		works(t, b, rig.Folder(t, filepath.Join(p.Dir, "e"), "/", false), "{ base: 'p2p/' }", false)
	})
	t.Run("from a node that shares something", func(t *testing.T) {
		n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
		p.Write("f/index.html", sitePage+`<script type="module">import Shoal from "http://`+n.HTTP+`/shoal.js"; window.Shoal = Shoal</script>`)
		works(t, b, rig.Folder(t, filepath.Join(p.Dir, "f"), "/", false), "{}", false)
	})
}

// The types of the package say what is right and what is wrong, however modules are resolved, and a
// server that renders pages may import it.
func TestPackageTypes(t *testing.T) {
	p := rig.NewProject(t, map[string]string{
		"right.ts": `import Shoal, { ShoalError, type Torrent } from "shoal";
import { Shoal as Same } from "shoal/shoal.js";

export async function play(link: string, video: HTMLVideoElement): Promise<string> {
  const shoal: Same = new Shoal({ serviceWorker: { url: "/sw.js", scope: "/" }, base: new URL("/lib/", location.href) });
  const torrent: Torrent = await shoal.add(link);
  await torrent.ready;
  const [film] = torrent.files;
  if (!film) throw new ShoalError("it is empty");
  torrent.on("done", () => console.log(torrent.stats.downloaded.toFixed()));
  video.src = film.streamURL ?? "";
  return torrent.id;
}
`,
		"wrong.ts": `import Shoal from "shoal";

const shoal = new Shoal({ serviceWorker: { address: "/sw.js" } });
const torrent = await shoal.add(42);
torrent.on("finished", () => {});
`,
	})
	tsc := rig.Path("web", "node_modules", "typescript", "bin", "tsc")
	for _, resolution := range [][]string{{"--module", "esnext", "--moduleResolution", "bundler"}, {"--module", "nodenext"}} {
		args := append([]string{tsc, "--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable,dom.asynciterable", "--types", ""}, resolution...)
		if out, err := p.TryRun("node", append(args, "right.ts")...); err != nil {
			t.Errorf("%v: a right program does not compile: %v\n%s", resolution, err, out)
		}
		out, err := p.TryRun("node", append(args, "wrong.ts")...)
		if err == nil {
			t.Errorf("%v: a wrong program compiles", resolution)
		}
		for _, want := range []string{"wrong.ts(3,", "wrong.ts(4,", "wrong.ts(5,"} {
			if !strings.Contains(out, want) {
				t.Errorf("%v: no complaint about %s...:\n%s", resolution, want, out)
			}
		}
	}
	p.Run("node", "--input-type=module", "-e", `import Shoal, { ShoalError } from "shoal"; if (typeof Shoal.create !== "function" || !ShoalError) throw new Error("no client");`)
}
