//go:build unix

package rig

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// BrowserConfig is how to start a browser; the zero value, a Chromium, is right for most tests.
type BrowserConfig struct {
	// MDNS keeps .local names in ICE candidates, as browsers do for people.
	MDNS bool
	// Firefox is the system's firefox-esr instead. It has no Download, Dark, Throttle and Quota.
	Firefox bool
	// Background leaves tabs in the background as they are for people, hidden and slowed
	// down, at the price of what Firefox lacks too.
	Background bool
	// Args are further flags.
	Args []string
	// enter, if set, is how to start it elsewhere.
	enter func(path string, args ...string) Command
}

// Browser is a headless browser of the system with an empty profile.
type Browser struct {
	t    T
	proc *Proc
	next *atomic.Int64
}

// Page is one tab.
type Page struct {
	b  *Browser
	id int
}

// StartBrowser starts the system's browser.
func StartBrowser(t T, cfg BrowserConfig) *Browser {
	t.Helper()
	name, driver, module := "chromium", "driver.mjs", "playwright-core"
	if cfg.Firefox {
		name = "firefox-esr"
	}
	if cfg.Firefox || cfg.Background {
		driver, module = "puppeteer.mjs", "puppeteer-core"
	}
	exe, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("no %s here, `make setup` brings it: %v", name, err)
	}
	if _, err := os.Stat(Path("test", "node_modules", module)); err != nil {
		t.Fatalf("the Node packages are missing, `make setup` brings them: %v", err)
	}
	if cfg.enter == nil {
		cfg.enter = func(path string, args ...string) Command { return Command{Path: path, Args: args} }
	}
	b := &Browser{t: t, next: new(atomic.Int64), proc: Start(t, cfg.enter("node", Path("test", "browser", driver)))}
	// Registered after the process's own clean-up, so it runs first: the
	// driver gets the chance to remove the profile.
	t.Cleanup(b.Close)
	b.must(60*time.Second, "launch", map[string]any{"executable": exe, "firefox": cfg.Firefox, "mdns": cfg.MDNS, "args": cfg.Args}, nil)
	return b
}

// With is the same browser in the hands of a subtest, which fails instead of its parent.
func (b *Browser) With(t T) *Browser { return &Browser{t: t, proc: b.proc, next: b.next} }

// Close ends the browser.
func (b *Browser) Close() { b.proc.Close() }

func (b *Browser) call(limit time.Duration, method string, params, result any) error {
	b.t.Helper()
	id := float64(b.next.Add(1))
	if err := b.proc.Send(map[string]any{"id": id, "method": method, "params": params}); err != nil {
		return fmt.Errorf("%s: %v", method, err)
	}
	e, err := b.proc.wait("the browser's answer to "+method, limit, func(e Event) bool { return e.Num("id") == id })
	if err != nil {
		return err
	}
	if msg := e.Str("error"); msg != "" {
		return errors.New(msg)
	}
	if result == nil {
		return nil
	}
	raw, err := json.Marshal(e["result"])
	if err == nil {
		err = json.Unmarshal(raw, result)
	}
	return err
}

func (b *Browser) must(limit time.Duration, method string, params, result any) {
	b.t.Helper()
	if err := b.call(limit, method, params, result); err != nil {
		b.t.Fatalf("browser: %s: %v", method, err)
	}
}

// Open opens a tab.
func (b *Browser) Open(url string) *Page {
	b.t.Helper()
	return b.OpenWith(url, "")
}

// OpenWith is Open of a tab in each of whose documents a script runs before all others.
func (b *Browser) OpenWith(url, script string) *Page {
	b.t.Helper()
	var r struct{ Page int }
	b.must(40*time.Second, "open", map[string]any{"url": url, "init": script}, &r)
	return &Page{b, r.Page}
}

// Log is what pages wrote to their consoles, and what broke in them.
func (b *Browser) Log() []string {
	var lines []string
	for _, e := range b.proc.All() {
		if l, ok := e["log"].(map[string]any); ok {
			lines = append(lines, fmt.Sprintf("page %v %v: %v", l["page"], l["type"], l["text"]))
		}
	}
	return lines
}

// Broken are the lines of Log that no sound page has: uncaught errors, crashes, panics of the engine.
func (b *Browser) Broken() []string {
	var bad []string
	for _, line := range b.Log() {
		if strings.Contains(line, " pageerror: ") || strings.Contains(line, " crash: ") || strings.Contains(line, ": panic: ") || strings.Contains(line, ": fatal error: ") {
			bad = append(bad, line)
		}
	}
	return bad
}

func (p *Page) params(kv ...any) map[string]any {
	m := map[string]any{"page": p.id}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i].(string)] = kv[i+1]
	}
	return m
}

// TryEval evaluates a JavaScript expression, awaits a promise, and decodes the value into v.
func (p *Page) TryEval(limit time.Duration, expr string, v any) error {
	p.b.t.Helper()
	var r struct{ Value json.RawMessage }
	if err := p.b.call(limit, "eval", p.params("expr", expr), &r); err != nil {
		return err
	}
	if v == nil || len(r.Value) == 0 {
		return nil
	}
	return json.Unmarshal(r.Value, v)
}

// Eval is TryEval that fails the test.
func (p *Page) Eval(limit time.Duration, expr string, v any) {
	p.b.t.Helper()
	if err := p.TryEval(limit, expr, v); err != nil {
		p.b.t.Fatalf("page: %s: %v", short(expr), err)
	}
}

// WaitFor waits until a JavaScript expression is true.
func (p *Page) WaitFor(limit time.Duration, expr string) {
	p.b.t.Helper()
	err := p.b.call(limit+10*time.Second, "wait", p.params("expr", expr, "timeout", limit.Milliseconds()), nil)
	if err != nil {
		p.b.t.Fatalf("page: waited %v for %s: %v%s", limit, short(expr), err, p.look())
	}
}

// look says what a person would see, for the log of a failed test.
func (p *Page) look() string {
	var text string
	// Of a page that only has the API, what its torrent says of itself.
	p.TryEval(5*time.Second, "[document.body?.innerText?.slice(0, 2000), JSON.stringify(window.torrent?.stats)].join(' ')", &text)
	out := Path("test", "out")
	path := filepath.Join(out, fmt.Sprintf("failed-%d.png", time.Now().UnixMilli()))
	if os.MkdirAll(out, 0o755) == nil && p.Screenshot(path) == nil {
		text += "\npicture: " + path
	}
	return "\nthe page says:\n" + text + "\nand its log:\n" + strings.Join(p.b.Log(), "\n")
}

func short(expr string) string {
	if len(expr) > 160 {
		return expr[:160] + "..."
	}
	return expr
}

// Goto loads another address in the tab.
func (p *Page) Goto(url string) {
	p.b.t.Helper()
	p.b.must(40*time.Second, "goto", p.params("url", url), nil)
}

// Files gives files to an <input type=file>.
func (p *Page) Files(selector string, paths ...string) {
	p.b.t.Helper()
	p.b.must(30*time.Second, "files", p.params("selector", selector, "files", paths), nil)
}

// Click clicks on an element.
func (p *Page) Click(selector string) {
	p.b.t.Helper()
	p.b.must(30*time.Second, "click", p.params("selector", selector), nil)
}

// Fill types into a field.
func (p *Page) Fill(selector, value string) {
	p.b.t.Helper()
	p.b.must(30*time.Second, "fill", p.params("selector", selector, "value", value), nil)
}

// Press presses a key.
func (p *Page) Press(key string) {
	p.b.t.Helper()
	p.b.must(30*time.Second, "press", p.params("key", key), nil)
}

// Download clicks on an element and saves the download it starts as path.
func (p *Page) Download(selector, path string, limit time.Duration) {
	p.b.t.Helper()
	p.b.must(limit+10*time.Second, "download", p.params("selector", selector, "path", path, "timeout", limit.Milliseconds()), nil)
}

// Viewport sets the size of the page: a phone is 390 by 844.
func (p *Page) Viewport(width, height int) {
	p.b.t.Helper()
	p.b.must(30*time.Second, "viewport", p.params("width", width, "height", height), nil)
}

// Dark makes the page prefer dark colours.
func (p *Page) Dark() {
	p.b.t.Helper()
	p.b.must(30*time.Second, "emulate", p.params("media", map[string]any{"colorScheme": "dark"}), nil)
}

// Throttle slows the page's peer connections down to rate bytes a second.
func (p *Page) Throttle(rate int) {
	p.b.t.Helper()
	p.b.must(30*time.Second, "throttle", p.params("rate", rate), nil)
}

// Quota bounds what the page's origin may store, in bytes.
func (p *Page) Quota(bytes int64) {
	p.b.t.Helper()
	p.b.must(30*time.Second, "quota", p.params("bytes", bytes), nil)
}

// Front brings the tab before all others of its browser.
func (p *Page) Front() {
	p.b.t.Helper()
	p.b.must(30*time.Second, "front", p.params(), nil)
}

// Screenshot saves a picture of the visible part.
func (p *Page) Screenshot(path string) error {
	return p.b.call(30*time.Second, "screenshot", p.params("path", path), nil)
}

// Close closes the tab.
func (p *Page) Close() {
	p.b.t.Helper()
	p.b.must(30*time.Second, "close", p.params(), nil)
}
