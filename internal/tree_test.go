package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// folder is one folder of Go files: a package, with its tests.
type folder struct {
	path  string // "internal/conda", "cmd/terrarium"
	files []*file
}

// file is one Go file as the tests of this package look at it.
type file struct {
	name      string // from the root of the checkout
	test      bool
	generated bool
	crash     bool // only in programs that the crash tests end
	lines     int
	imports   []string
	uses      map[string]bool // "os.Getenv": package and name, by the package's own name
	syntax    *ast.File
	set       *token.FileSet
}

var parsed = sync.OnceValues(parseTree)

// tree is every package of the checkout, parsed once.
func tree(t *testing.T) []*folder {
	t.Helper()
	folders, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) < 2 {
		t.Fatalf("found %d packages; is this run from internal/?", len(folders))
	}
	return folders
}

func parseTree() ([]*folder, error) {
	var folders []*folder
	set := token.NewFileSet()
	byPath := make(map[string]*folder)
	for _, root := range []string{"cmd", "internal", "test"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(name string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(name, ".go") {
				return nil
			}
			path := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(name), ".."+string(filepath.Separator)))
			if path == "internal" {
				return nil // these tests
			}
			f, err := parseFile(set, name)
			if err != nil {
				return err
			}
			if byPath[path] == nil {
				byPath[path] = &folder{path: path}
				folders = append(folders, byPath[path])
			}
			byPath[path].files = append(byPath[path].files, f)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return folders, nil
}

func parseFile(set *token.FileSet, name string) (*file, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	syntax, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &file{
		name:      filepath.ToSlash(strings.TrimPrefix(name, ".."+string(filepath.Separator))),
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(syntax),
		crash:     strings.HasPrefix(string(text), "//go:build crash\n"),
		lines:     strings.Count(string(text), "\n"),
		uses:      make(map[string]bool),
		syntax:    syntax,
		set:       set,
	}
	packages := make(map[string]string) // name in this file → the package's own name
	for _, spec := range syntax.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		f.imports = append(f.imports, path)
		base := filepath.Base(path)
		if spec.Name != nil {
			packages[spec.Name.Name] = base
		} else {
			packages[base] = base
		}
	}
	slices.Sort(f.imports)
	ast.Inspect(syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && packages[id.Name] != "" {
				f.uses[packages[id.Name]+"."+sel.Sel.Name] = true
			}
		}
		return true
	})
	return f, nil
}
