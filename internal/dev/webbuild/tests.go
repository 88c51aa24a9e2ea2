package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// runTests bundles the unit tests of the TypeScript modules and runs them.
func runTests(root string) error {
	files, err := filepath.Glob(filepath.Join(root, "web", "test", "*.test.ts"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("no tests in web/test")
	}
	dir, err := os.MkdirTemp("", "shoal-web-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	result := api.Build(api.BuildOptions{
		EntryPoints:   files,
		AbsWorkingDir: root,
		Outdir:        dir,
		OutExtension:  map[string]string{".js": ".mjs"},
		Bundle:        true,
		Format:        api.FormatESModule,
		Platform:      api.PlatformNode,
		Target:        api.ES2022,
		Sourcemap:     api.SourceMapInline,
		NodePaths:     []string{filepath.Join(root, "test", "node_modules")},
		// Packages that are no modules of this kind ask for Node's own by require.
		Banner:   map[string]string{"js": `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`},
		Plugins:  []api.Plugin{imports()},
		Write:    true,
		LogLevel: api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		text := api.FormatMessages(result.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage})
		return errors.New(strings.TrimSpace(strings.Join(text, "")))
	}
	args := []string{"--enable-source-maps", "--test"}
	for _, f := range files {
		args = append(args, filepath.Join(dir, strings.TrimSuffix(filepath.Base(f), ".ts")+".mjs"))
	}
	cmd := exec.Command("node", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("node --test: %w", err)
	}
	return nil
}
