package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// A declaration is something that a module exports.
type declaration struct {
	kind    string // class, interface, type, function or const
	name    string
	doc     string // Markdown
	text    string // without body and comments
	members []member
	also    []string // further names of it
}

// A member is a property or method.
type member struct{ doc, text string }

// file is what one .d.ts declares, and what it passes on of others.
type file struct {
	order    []string // names that it exports
	declared map[string]*declaration
	from     map[string]origin
}

// origin is a name in another module.
type origin struct{ module, name string }

// reader reads declarations below dir, by module without the extension.
type reader struct {
	dir   string
	files map[string]*file
}

// exports are the declarations that a module exports, in their order.
func (r *reader) exports(module string) ([]*declaration, error) {
	f, err := r.open(module)
	if err != nil {
		return nil, err
	}
	var list []*declaration
	there := map[*declaration]bool{}
	for _, name := range f.order {
		d, err := r.find(module, name)
		if err != nil {
			return nil, err
		}
		if d.name != name {
			d.also = append(d.also, name)
		}
		if !there[d] {
			there[d] = true
			list = append(list, d)
		}
	}
	return list, nil
}

func (r *reader) find(module, name string) (*declaration, error) {
	f, err := r.open(module)
	if err != nil {
		return nil, err
	}
	if d := f.declared[name]; d != nil {
		return d, nil
	}
	if o, ok := f.from[name]; ok {
		return r.find(o.module, o.name)
	}
	return nil, fmt.Errorf("%s.d.ts declares no %s", module, name)
}

func (r *reader) open(module string) (*file, error) {
	if f := r.files[module]; f != nil {
		return f, nil
	}
	text, err := os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(module)+".d.ts"))
	if err != nil {
		return nil, err
	}
	f := parse(string(text), module)
	r.files[module] = f
	return f, nil
}

var (
	listed   = regexp.MustCompile(`^(?:export|import)(?: type)? \{ ?(.*?),? ?\}(?: from "(\.[^"]+)")?;$`)
	declares = regexp.MustCompile(`^(export )?(?:default )?(?:declare )?(?:abstract )?(class|interface|type|function|const) (\w+)`)
	standard = regexp.MustCompile(`^export default (\w+);$`)
)

// parse reads declarations as TypeScript writes them: a statement starts in the first
// column, a member behind four blanks, and each ends with its line.
func parse(text, module string) *file {
	f := &file{declared: map[string]*declaration{}, from: map[string]origin{}}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		doc, next := comment(lines, i)
		i = next
		if i == len(lines) {
			break
		}
		statement, end := statement(lines, i)
		head := lines[i]
		switch m := declares.FindStringSubmatch(head); {
		case m != nil:
			d := &declaration{kind: m[2], name: m[3], doc: doc}
			if m[2] == "class" || m[2] == "interface" {
				d.text = strings.TrimSuffix(strings.TrimSpace(head), " {")
				if end > i+1 {
					d.members = members(lines[i+1 : end-1])
				}
			} else {
				d.text = statement
			}
			d.text = strings.NewReplacer("export ", "", "declare ", "", "default ", "").Replace(d.text)
			f.declared[d.name] = d
			if m[1] != "" {
				f.order = append(f.order, d.name)
			}
		case standard.MatchString(head):
			name := standard.FindStringSubmatch(head)[1]
			f.order = append(f.order, "default")
			f.from["default"] = origin{module, name}
		default:
			f.pass(statement, module)
		}
		i = end
	}
	return f
}

// pass reads what is imported and passed on.
func (f *file) pass(statement, module string) {
	m := listed.FindStringSubmatch(strings.Join(strings.Fields(statement), " "))
	if m == nil {
		return
	}
	for item := range strings.SplitSeq(m[1], ",") {
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(item), "type "))
		if len(words) == 0 {
			continue
		}
		name, as := words[0], words[len(words)-1]
		if m[2] != "" {
			f.from[as] = origin{path.Join(path.Dir(module), strings.TrimSuffix(m[2], ".js")), name}
		} else if as != name {
			f.from[as] = origin{module, name}
		}
		if strings.HasPrefix(statement, "export") {
			f.order = append(f.order, as)
		}
	}
}

// comment reads the /** */ before line i, if there is one, and returns where it ends.
func comment(lines []string, i int) (doc string, next int) {
	for ; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line == "" {
			continue
		}
		if !strings.HasPrefix(line, "/**") {
			return doc, i
		}
		var text []string
		for ; i < len(lines); i++ {
			line := strings.TrimSpace(lines[i])
			ends := strings.HasSuffix(line, "*/")
			line = strings.TrimSuffix(strings.TrimPrefix(line, "/**"), "*/")
			text = append(text, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "*")))
			if ends {
				break
			}
		}
		doc = strings.TrimSpace(strings.Join(text, "\n"))
	}
	return doc, i
}

// statement reads from line i to the line that closes what it opens, and returns the line
// behind it.
func statement(lines []string, i int) (text string, end int) {
	depth := 0
	for end = i; end < len(lines); end++ {
		line := lines[end]
		depth += strings.Count(line, "{") + strings.Count(line, "(") - strings.Count(line, "}") - strings.Count(line, ")")
		if line = strings.TrimSpace(line); depth <= 0 && (strings.HasSuffix(line, ";") || strings.HasSuffix(line, "}")) {
			end++
			break
		}
	}
	return strings.Join(lines[i:end], "\n"), end
}

// members reads the body of a class or interface.
func members(body []string) (list []member) {
	for i := 0; i < len(body); {
		doc, next := comment(body, i)
		if i = next; i == len(body) {
			break
		}
		text, end := statement(body, i)
		i = end
		text = strings.TrimSuffix(strings.TrimSpace(text), ";")
		if text == "" || strings.HasPrefix(text, "#") || strings.HasPrefix(text, "private ") || strings.HasPrefix(text, "protected ") {
			continue
		}
		list = append(list, member{doc, text})
	}
	return list
}
