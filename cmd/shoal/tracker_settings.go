package main

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/shoal-p2p/shoal/tracker"
)

// settings are the tracker's settings as texts. Its methods read them; the first error
// is kept, so that one check at the end does.
type settings struct {
	all map[string]setting
	err error
}

// A setting is the texts of one name; one that is no list has at most one.
type setting struct {
	texts []string
	from  string // "--interval", "SHOAL_TRACKER_INTERVAL", "tracker.yaml:7: interval"; the flag for a default
	given bool   // it is not the default
}

func envName(flag string) string {
	return "SHOAL_TRACKER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// loadSettings takes each setting from the command line, else the environment, else the
// file, else its default.
func loadSettings(k *kong.Context, env func(string) string) (*settings, error) {
	s := &settings{all: make(map[string]setting)}
	onLine := make(map[string]bool)
	for _, p := range k.Path {
		if p.Flag != nil {
			onLine[p.Flag.Name] = true
		}
	}
	lists := make(map[string]bool)
	for _, f := range k.Selected().Flags {
		switch v := k.FlagValue(f).(type) {
		case []string:
			lists[f.Name] = true
			s.all[f.Name] = setting{texts: v, from: "--" + f.Name, given: onLine[f.Name]}
		case bool:
			s.all[f.Name] = setting{texts: []string{strconv.FormatBool(v)}, from: "--" + f.Name, given: onLine[f.Name]}
		case string:
			one := setting{from: "--" + f.Name, given: onLine[f.Name]}
			if v != "" || one.given {
				one.texts = []string{v}
			}
			s.all[f.Name] = one
		}
	}
	for name, old := range s.all {
		text := env(envName(name))
		if old.given || text == "" {
			continue
		}
		texts := []string{text}
		if lists[name] {
			texts = strings.Split(text, ",")
		}
		s.all[name] = setting{texts, envName(name), true}
	}
	path := s.text("config")
	if path == "" {
		return s, nil
	}
	file, err := readSettings(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.all["config"].from, err)
	}
	for _, one := range file {
		old, known := s.all[one.name]
		switch {
		case !known || one.name == "config":
			return nil, fmt.Errorf("%s:%d: there is no setting %q%s", path, one.line, one.name, suggest(one.name, s.all))
		case len(one.texts) > 1 && !lists[one.name]:
			return nil, fmt.Errorf("%s:%d: %s takes one value, not a list", path, one.line, one.name)
		case !old.given:
			s.all[one.name] = setting{one.texts, fmt.Sprintf("%s:%d: %s", path, one.line, one.name), true}
		}
	}
	return s, nil
}

// suggest names the settings that a wrong name is a part of, or the other way round.
func suggest(name string, all map[string]setting) string {
	plain := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	var near []string
	for other := range all {
		if other != "config" && plain != "" && (strings.Contains(other, plain) || strings.Contains(plain, other)) {
			near = append(near, other)
		}
	}
	if len(near) == 0 {
		return "; the settings are the names of the flags, see shoal tracker --help"
	}
	slices.Sort(near)
	return "; there is " + strings.Join(near[:min(len(near), 3)], ", ")
}

// A fileSetting is one key of a settings file.
type fileSetting struct {
	name  string
	line  int
	texts []string
}

// readSettings reads a YAML file: one mapping of names to texts, numbers, truth values or
// lists of these.
func readSettings(path string) ([]fileSetting, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, cause(err))
	}
	all, err := parseSettings(text)
	if err != nil {
		return nil, fmt.Errorf("%s%w", path, err)
	}
	return all, nil
}

// parseSettings is readSettings for a file's text. Its errors begin with ":line: ".
func parseSettings(text []byte) (all []fileSetting, err error) {
	file, err := parser.ParseBytes(text, 0)
	if bad := yaml.Error(nil); errors.As(err, &bad) {
		line := 1
		if t := bad.GetToken(); t != nil && t.Position != nil {
			line = t.Position.Line
		}
		return nil, fmt.Errorf(":%d: %s", line, bad.GetMessage())
	} else if err != nil {
		return nil, fmt.Errorf(": %w", err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			return nil, fmt.Errorf(":%d: this is a second document; a settings file has one", lineOf(doc.Body))
		}
		body = doc.Body
	}
	var keys []*ast.MappingValueNode
	switch n := body.(type) {
	case nil, *ast.CommentGroupNode:
		return nil, nil
	case *ast.MappingNode:
		keys = n.Values
	case *ast.MappingValueNode:
		keys = []*ast.MappingValueNode{n}
	default:
		return nil, fmt.Errorf(":%d: write settings as name: value, one a line", lineOf(body))
	}
	for _, key := range keys { // none is there twice, the parser says
		name, ok := scalar(key.Key)
		line := lineOf(key.Key)
		if !ok {
			return nil, fmt.Errorf(":%d: a key must be the name of a setting", line)
		}
		one := fileSetting{name: name, line: line}
		values := []ast.Node{key.Value}
		if list, ok := key.Value.(*ast.SequenceNode); ok {
			values = list.Values
		}
		for _, v := range values {
			text, ok := scalar(v)
			if !ok {
				return nil, fmt.Errorf(":%d: %s needs a text, a number, true or false, or a list of texts", line, name)
			}
			one.texts = append(one.texts, text)
		}
		all = append(all, one)
	}
	return all, nil
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}

// scalar returns the text of a YAML value as it is written, so that 16KiB, 0.5 and 1_000 all
// are what they look like.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// fail keeps the first error about a setting.
func (s *settings) fail(name, format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("%s: %w", s.all[name].from, fmt.Errorf(format, args...))
	}
}

func (s *settings) given(name string) bool { return s.all[name].given }

// list returns the texts of a list; "" among them is no text.
func (s *settings) list(name string) []string {
	one, ok := s.all[name]
	if !ok {
		panic("no setting " + name)
	}
	var out []string
	for _, text := range one.texts {
		if text = strings.TrimSpace(text); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// text returns a setting that is no list, "" if it is not set.
func (s *settings) text(name string) string {
	if texts := s.list(name); len(texts) > 0 {
		return texts[0]
	}
	return ""
}

func (s *settings) oneOf(name string, choices ...string) int {
	i := slices.Index(choices, s.text(name))
	if i < 0 {
		last := len(choices) - 1
		s.fail(name, "%q is not possible: say %s or %s", s.text(name), strings.Join(choices[:last], ", "), choices[last])
		return 0
	}
	return i
}

func (s *settings) truth(name string) bool {
	switch strings.ToLower(s.text(name)) {
	case "true", "yes", "on", "1":
		return true
	case "false", "no", "off", "0", "":
		return false
	}
	s.fail(name, "%q is neither true nor false", s.text(name))
	return false
}

// duration returns a time of at least least.
func (s *settings) duration(name string, least time.Duration) time.Duration {
	d, err := time.ParseDuration(s.text(name))
	if err != nil {
		s.fail(name, "%q is not a time: write it like 90s, 15m or 1h30m", s.text(name))
	} else if d < least {
		s.fail(name, "%s is too short: %s is the least", s.text(name), least)
	}
	return d
}

// count returns a whole number from least to most.
func (s *settings) count(name string, least, most int) int {
	n, err := strconv.Atoi(strings.ReplaceAll(s.text(name), "_", ""))
	if err != nil {
		s.fail(name, "%q is not a number: write it like 5000", s.text(name))
	} else if n < least || n > most {
		s.fail(name, "%d is out of range: it goes from %d to %d", n, least, most)
	}
	return n
}

// size returns a number of bytes from least to most.
func (s *settings) size(name string, least, most int) int {
	n, err := parseSize(s.text(name))
	if err != nil {
		s.fail(name, "%q is not a size: write it like 64KiB or 256MiB", s.text(name))
	} else if n < int64(least) || n > int64(most) {
		s.fail(name, "%s is out of range: it goes from %d to %d bytes", s.text(name), least, most)
	}
	return int(n)
}

// rate returns a Rate, the zero one for "off".
func (s *settings) rate(name string) tracker.Rate {
	text := s.text(name)
	if text == "off" || text == "0" {
		return tracker.Rate{}
	}
	bad := func() tracker.Rate {
		s.fail(name, "%q is not a rate: write it like 10/s, 600/m, 10/s:50 with a burst of 50, or off", text)
		return tracker.Rate{}
	}
	number, rest, ok := strings.Cut(text, "/")
	unit, burst, hasBurst := strings.Cut(rest, ":")
	per, known := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if !ok || !known || err != nil || !(n > 0) || n > 1e9 {
		return bad()
	}
	r := tracker.Rate{PerSecond: n / per, Burst: int(max(1, math.Ceil(n/per)))}
	if hasBurst {
		if r.Burst, err = strconv.Atoi(burst); err != nil || r.Burst < 1 {
			return bad()
		}
	}
	return r
}

// networks returns a list of networks or single addresses; "none" alone is an empty one.
func (s *settings) networks(name string) (list []netip.Prefix) {
	texts := s.list(name)
	if len(texts) == 1 && texts[0] == "none" {
		return nil
	}
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if a, bad := netip.ParseAddr(text); bad == nil {
			p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
		}
		if err != nil || p.Addr().Zone() != "" {
			s.fail(name, "%q is not a network: write it like 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1", text)
			continue
		}
		list = append(list, p.Masked())
	}
	return list
}

// addr checks an address to listen on.
func (s *settings) addr(name, text string) string {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		s.fail(name, "%q is not an address: write it like :8000, 192.0.2.1:8000 or [::1]:8000", text)
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		s.fail(name, "%q has no port from 0 to 65535", text)
	}
	return text
}

// addrs checks a list of addresses to listen on, Unix sockets among them.
func (s *settings) addrs(name string) []string {
	list := s.list(name)
	for _, text := range list {
		if path, ok := strings.CutPrefix(text, unixPrefix); ok {
			s.unixPath(name, path)
		} else {
			s.addr(name, text)
		}
	}
	return list
}
