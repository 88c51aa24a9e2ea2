//go:build js

// Command shoal-wasm is the engine that runs in a tab's worker.
package main

import "github.com/shoal-p2p/shoal/internal/driver/browser"

func main() { browser.Serve() }
