package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The page that is read is made of the types that hold.
func TestThePageIsUpToDate(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	// The go tool has to know what the result hangs on, or it would answer from its cache.
	err = filepath.WalkDir(filepath.Join(root, "web", "src"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			_, err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/api.md is not what `go run ./internal/dev/apidoc` writes")
	}
}

var sample = strings.ReplaceAll(`import { Emitter } from "./emitter";
import { type Late, Other as Renamed } from "./deep/other";
export { Renamed, type Late } from "./deep/other";
/** Options of a thing. */
export interface Options {
    /**
     * How many. Default 1,
     * at most 2.
     */
    count?: number;
    nested?: {
        a: string;
    };
}
/** A thing, ~<b>~ or <b>. */
export declare class Thing extends Emitter<Events> {
    #private;
    readonly id: string;
    private constructor();
    /** Goes. */
    go(far: number, callback?: (error: Error) => void): Promise<void>;
}
export type Kind = "a" | "b";
declare function hidden(): void;
export { Thing as Matter };
export default Thing;
export {};
`, "~", "`")

func TestDeclarationsAreRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"main.d.ts":       strings.Replace(sample, "export { Renamed,", "export { Other as Renamed,", 1),
		"deep/other.d.ts": "/** Another. */\nexport declare const Other: {\n    a: string;\n};\nexport type Late = string;\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := reader{dir: dir, files: map[string]*file{}}
	list, err := r.exports("main")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range list {
		names = append(names, d.kind+" "+d.name)
	}
	if want := []string{"const Other", "type Late", "interface Options", "class Thing", "type Kind"}; !slices.Equal(names, want) {
		t.Fatalf("it exports %q, want %q", names, want)
	}
	options, thing := list[2], list[3]
	if m := options.members; len(m) != 2 || m[0].text != "count?: number" || m[0].doc != "How many. Default 1,\nat most 2." {
		t.Errorf("members of Options: %q", m)
	}
	if m := thing.members; len(m) != 2 || m[0].text != "readonly id: string" || m[1].doc != "Goes." {
		t.Errorf("members of Thing: %q", m)
	}
	if !slices.Equal(thing.also, []string{"Matter", "default"}) || !slices.Equal(list[0].also, []string{"Renamed"}) {
		t.Errorf("further names: %q, %q", thing.also, list[0].also)
	}
	page := string(render([]section{{"main", "It.", list}}))
	for _, want := range []string{"### Thing\n\nA thing, `<b>` or &lt;b>.\n\nExported as `Matter` as well.\n\nThe default export", "- `nested?: { a: string; }`", "- `count?: number`<br>\n  How many. Default 1,\n  at most 2.\n", "- type: [Late](#late), [Kind](#kind)"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}
