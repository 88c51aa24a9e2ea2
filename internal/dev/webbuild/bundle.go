package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// The scripts of the client, by the name they are served under.
var scripts = []struct {
	out, source string
	format      api.Format
}{
	{"shoal.js", "src/shoal.ts", api.FormatESModule},
	{"shoal.worker.js", "src/worker.ts", api.FormatIIFE},
	{"shoal.sw.js", "src/sw.ts", api.FormatIIFE},
	{"shoal-player.js", "src/player/index.ts", api.FormatESModule},
	{"app.js", "apps/share/app.ts", api.FormatESModule},
	{"theme.js", "apps/share/theme.ts", api.FormatIIFE},
}

// Files of apps/share that are served as they are.
var static = []string{"index.html", "icon.svg", "icon-192.png", "icon-512.png", "manifest.webmanifest"}

// bundle makes every asset but the engine.
func bundle(root string) (map[string][]byte, error) {
	web := filepath.Join(root, "web")
	assets := make(map[string][]byte)
	for _, s := range scripts {
		b, err := esbuild(root, filepath.Join(web, s.source), s.format, s.out == "app.js" || s.out == "shoal-player.js")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.source, err)
		}
		assets[s.out] = b
	}
	css, err := esbuild(root, filepath.Join(web, "apps/share/app.css"), api.FormatDefault, false)
	if err != nil {
		return nil, fmt.Errorf("app.css: %w", err)
	}
	assets["app.css"] = css
	for _, name := range static {
		b, err := os.ReadFile(filepath.Join(web, "apps/share", name))
		if err != nil {
			return nil, err
		}
		assets[name] = b
	}
	return assets, nil
}

// esbuild bundles one entry point; with apiOutside, an import of the page API stays one of
// ./shoal.js, so that page and API do not carry it twice.
func esbuild(root, entry string, format api.Format, apiOutside bool) ([]byte, error) {
	plugin := imports()
	if apiOutside {
		plugin = with(plugin, outside(filepath.Join(root, "web/src/shoal"), "./shoal.js"))
	}
	return esbuildWith(root, api.BuildOptions{EntryPoints: []string{entry}, Format: format, Plugins: []api.Plugin{plugin}})
}

// esbuildWith is esbuild with more to choose.
func esbuildWith(root string, options api.BuildOptions) ([]byte, error) {
	options.AbsWorkingDir = root
	options.Bundle = true
	options.Target = api.ES2022
	options.Charset = api.CharsetUTF8
	options.MinifyWhitespace, options.MinifyIdentifiers, options.MinifySyntax = true, true, true
	options.LegalComments = api.LegalCommentsNone
	options.LogLevel = api.LogLevelSilent
	result := api.Build(options)
	if len(result.Errors) > 0 {
		text := api.FormatMessages(result.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage})
		return nil, errors.New(strings.TrimSpace(strings.Join(text, "")))
	}
	return result.OutputFiles[0].Contents, nil
}

// imports resolves go:wasm_exec to the support script of the Go tool chain,
// which has to be of the same version as the engine, and wasm:sha256x4 to the bytes of that module.
func imports() api.Plugin {
	return api.Plugin{Name: "shoal", Setup: func(b api.PluginBuild) {
		sheets(b)
		b.OnResolve(api.OnResolveOptions{Filter: "^go:wasm_exec$"}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			goroot, err := exec.Command("go", "env", "GOROOT").Output()
			if err != nil {
				return api.OnResolveResult{}, fmt.Errorf("go env GOROOT: %w", err)
			}
			return api.OnResolveResult{Path: filepath.Join(strings.TrimSpace(string(goroot)), "lib/wasm/wasm_exec.js")}, nil
		})
		made(b, "wasm:sha256x4", api.LoaderBinary, sha256x4)
	}}
}

// made has an import of name give what content makes.
func made(b api.PluginBuild, name string, loader api.Loader, content func() []byte) {
	filter := "^" + regexp.QuoteMeta(name) + "$"
	b.OnResolve(api.OnResolveOptions{Filter: filter}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		return api.OnResolveResult{Path: a.Path, Namespace: "made"}, nil
	})
	b.OnLoad(api.OnLoadOptions{Filter: filter, Namespace: "made"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
		code := string(content())
		return api.OnLoadResult{Contents: &code, Loader: loader}, nil
	})
}

// outside leaves imports of one file, named without its extension, to the browser, which
// finds it at another place.
func outside(file, at string) func(api.PluginBuild) {
	return func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: "/" + regexp.QuoteMeta(filepath.Base(file)) + "$"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if filepath.Join(a.ResolveDir, a.Path) != file {
				return api.OnResolveResult{}, nil
			}
			return api.OnResolveResult{Path: at, External: true}, nil
		})
	}
}

// with is a plugin that does more besides.
func with(p api.Plugin, more func(api.PluginBuild)) api.Plugin {
	setup := p.Setup
	p.Setup = func(b api.PluginBuild) {
		setup(b)
		more(b)
	}
	return p
}
