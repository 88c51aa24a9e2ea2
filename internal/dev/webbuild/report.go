package main

import (
	"fmt"
	"io"
	"strings"
)

// maxCode is what the engine and every script may weigh together after brotli.
const maxCode = 880_000

// report prints the sizes; with check it fails when the code is too large.
func report(w io.Writer, sizes []size, check bool) error {
	code := 0
	fmt.Fprintf(w, "%-22s %12s %12s\n", "asset", "bytes", "brotli")
	for _, s := range sizes {
		compressed := "-"
		if s.brotli > 0 {
			compressed = fmt.Sprint(s.brotli)
		}
		fmt.Fprintf(w, "%-22s %12d %12s\n", s.name, s.raw, compressed)
		if strings.HasSuffix(s.name, ".wasm") || strings.HasSuffix(s.name, ".js") {
			code += s.brotli
		}
	}
	fmt.Fprintf(w, "wasm + js after brotli: %d bytes, limit %d\n", code, maxCode)
	if check && code > maxCode {
		return fmt.Errorf("wasm + js weigh %d bytes after brotli, %d more than the limit of %d", code, code-maxCode, maxCode)
	}
	return nil
}
