package main

import (
	"bytes"
	"fmt"
	"strings"
)

// A section is one module.
type section struct {
	name, about string
	names       []*declaration
}

// kinds are in the order in which a reader wants them.
var kinds = []string{"class", "function", "const", "interface", "type"}

const head = `# API of the browser client

<!-- Written by "go run ./internal/dev/apidoc" from the types and comments in web/src. -->

Promises everywhere; where a callback is accepted too it is called as Node does, with the error first. Lengths are bytes,
speeds bytes a second. The [guide](guide/README.md) has complete pages.
`

// render sets the page.
func render(sections []section) []byte {
	var b bytes.Buffer
	b.WriteString(head)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", s.name, s.about)
		for _, kind := range kinds {
			var links []string
			for _, d := range s.names {
				if d.kind == kind {
					links = append(links, fmt.Sprintf("[%s](#%s)", d.name, strings.ToLower(d.name)))
				}
			}
			if len(links) > 0 {
				fmt.Fprintf(&b, "- %s: %s\n", kind, strings.Join(links, ", "))
			}
		}
		for _, kind := range kinds {
			for _, d := range s.names {
				if d.kind == kind {
					d.render(&b)
				}
			}
		}
	}
	return b.Bytes()
}

func (d *declaration) render(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n### %s\n\n", d.name)
	if d.doc != "" {
		fmt.Fprintf(b, "%s\n\n", words(d.doc))
	}
	for _, name := range d.also {
		if name == "default" {
			b.WriteString("The default export of its module.\n\n")
		} else {
			fmt.Fprintf(b, "Exported as `%s` as well.\n\n", name)
		}
	}
	fmt.Fprintf(b, "```ts\n%s\n```\n", d.text)
	if len(d.members) > 0 {
		b.WriteString("\n")
	}
	for _, m := range d.members {
		// One line a member, however TypeScript breaks it.
		fmt.Fprintf(b, "- `%s`", strings.Join(strings.Fields(m.text), " "))
		if m.doc != "" {
			fmt.Fprintf(b, "<br>\n  %s", strings.ReplaceAll(words(m.doc), "\n", "\n  "))
		}
		b.WriteString("\n")
	}
}

// words are a comment's as Markdown takes them: an element that it names is none of the page.
func words(doc string) string {
	parts := strings.Split(doc, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = strings.ReplaceAll(parts[i], "<", "&lt;")
	}
	return strings.Join(parts, "`")
}
