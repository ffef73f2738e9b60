package internal_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStoreysKeepAway checks what each storey may not touch of the standard library.
func TestStoreysKeepAway(t *testing.T) {
	imports := map[int][]string{
		formats: {"database/sql", "net", "net/http", "os", "os/exec", "path/filepath", "syscall", "log", "log/slog"},
		domain:  {"database/sql", "html/template", "text/template", "github.com/a-h/templ", "net/http/httptest"},
		faces:   {"database/sql", "terrarium/internal/sqldb"},
	}
	uses := map[int][]string{
		formats: {"time.Now", "time.Since", "time.Until", "time.After", "time.Sleep", "time.NewTimer", "time.NewTicker"},
		domain: {
			"http.Handler", "http.HandlerFunc", "http.ResponseWriter", "http.ServeMux", "http.NewServeMux", "http.Server",
			"http.ListenAndServe", "http.Serve", "http.Error", "http.Redirect", "http.SetCookie",
		},
	}
	for _, p := range tree(t) {
		own, isInternal := strings.CutPrefix(p.path, "internal/")
		r, known := rowOf(own)
		if !isInternal || !known {
			continue
		}
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, path := range imports[r.storey] {
				if slices.Contains(f.imports, path) {
					t.Errorf("%s imports %s; its storey does without", f.name, path)
				}
			}
			for _, name := range uses[r.storey] {
				if f.uses[name] {
					t.Errorf("%s uses %s; its storey does without", f.name, name)
				}
			}
		}
	}
}

func TestOnlyTheProgramReadsTheEnvironment(t *testing.T) {
	for _, p := range tree(t) {
		own := strings.TrimPrefix(p.path, "internal/")
		for _, f := range p.files {
			if f.test || f.crash || own == "app" || strings.HasPrefix(own, "cmd/") || isHelper(own) {
				continue
			}
			for _, name := range []string{"os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv", "os.Setenv", "syscall.Getenv"} {
				if f.uses[name] {
					t.Errorf("%s uses %s; only the program storey reads the environment, and hands on values", f.name, name)
				}
			}
		}
	}
}

func TestPackagesAreDescribed(t *testing.T) {
	for _, p := range tree(t) {
		var described, programs int
		for _, f := range p.files {
			if f.test || f.generated {
				continue
			}
			programs++
			name := f.syntax.Name.Name
			if doc := f.syntax.Doc.Text(); doc != "" {
				described++
				if want := "Package " + name + " "; name != "main" && !strings.HasPrefix(doc, want) {
					t.Errorf("%s: the comment of the package begins %.40q, want %q", f.name, doc, want)
				}
			}
		}
		if programs > 0 && described != 1 {
			t.Errorf("%s: %d of its files have a package comment, want one that says what it does and what it leaves to others", p.path, described)
		}
	}
}

func TestNamesOfPackages(t *testing.T) {
	vague := []string{"util", "utils", "common", "helper", "helpers", "misc", "types", "models", "shared", "base", "lib", "pkg"}
	for _, p := range tree(t) {
		if name := filepath.Base(p.path); slices.Contains(vague, name) && !strings.HasPrefix(p.path, "internal/ui/") {
			t.Errorf("%s: a package is named for what it provides", p.path)
		}
	}
}

// TestFilesCanBeNamed holds files to a size at which one can say what is in
// them. From 400 lines it remarks, from 600 it fails.
func TestFilesCanBeNamed(t *testing.T) {
	for _, p := range tree(t) {
		for _, f := range p.files {
			switch {
			case f.test || f.generated:
			case f.lines > 600:
				t.Errorf("%s has %d lines; split it where a part has a name of its own", f.name, f.lines)
			case f.lines > 400:
				t.Logf("%s has %d lines", f.name, f.lines)
			}
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, p := range tree(t) {
		for _, f := range p.files {
			for _, decl := range f.syntax.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s has an init function; what a package needs is handed to it", f.name)
				}
			}
		}
	}
}

// TestPackagesHoldNoState refuses variables of a package that the program
// changes, and the kinds that exist to be changed: locks, atomics, channels.
func TestPackagesHoldNoState(t *testing.T) {
	for _, p := range tree(t) {
		if isHelper(strings.TrimPrefix(p.path, "internal/")) {
			continue
		}
		files := slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return f.test })
		for _, f := range files {
			for _, decl := range f.syntax.Decls {
				gen, ok := decl.(*ast.GenDecl)
				if !ok || gen.Tok != token.VAR {
					continue
				}
				ast.Inspect(gen, func(n ast.Node) bool {
					if _, ok := n.(*ast.FuncLit); ok {
						return false
					}
					if _, ok := n.(*ast.ChanType); ok {
						t.Errorf("%s has a channel as a variable of the package", f.name)
					}
					if sel, ok := n.(*ast.SelectorExpr); ok {
						if id, ok := sel.X.(*ast.Ident); ok && stateful(id.Name, sel.Sel.Name) {
							t.Errorf("%s has a %s.%s as a variable of the package", f.name, id.Name, sel.Sel.Name)
						}
					}
					return true
				})
			}
		}
		for _, name := range assigned(files) {
			t.Errorf("%s is a variable of the package and is assigned to; make it a field of what uses it", name)
		}
	}
}

func stateful(pkg, name string) bool {
	return pkg == "atomic" || pkg == "sync" && slices.Contains([]string{"Mutex", "RWMutex", "Map", "Once", "WaitGroup", "Cond"}, name)
}

// assigned lists the places where a package assigns to its own variables. The
// types of other packages are not needed for that, so imports are not followed.
func assigned(files []*file) []string {
	if len(files) == 0 {
		return nil
	}
	var places []string
	syntax := make([]*ast.File, 0, len(files))
	for _, f := range files {
		syntax = append(syntax, f.syntax)
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Error: func(error) {}, Importer: nothing{}}
	pkg, _ := config.Check(files[0].name, files[0].set, syntax, info) // faults are expected: imports are absent
	if pkg == nil {
		return nil
	}
	for _, f := range files {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			var targets []ast.Expr
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					targets = n.Lhs
				}
			case *ast.IncDecStmt:
				targets = []ast.Expr{n.X}
			}
			for _, target := range targets {
				if id := root(target); id != nil {
					if v, ok := info.Uses[id].(*types.Var); ok && v.Parent() == pkg.Scope() {
						places = append(places, f.name+": "+id.Name)
					}
				}
			}
			return true
		})
	}
	return places
}

// root is the variable that an assignment to x, x.f, x[i] or *x changes.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// nothing is an importer without packages.
type nothing struct{}

func (nothing) Import(path string) (*types.Package, error) {
	pkg := types.NewPackage(path, filepath.Base(path))
	pkg.MarkComplete()
	return pkg, nil
}

// TestEnginesSeldomDiffer counts the places where a query is written twice.
func TestEnginesSeldomDiffer(t *testing.T) {
	const most = 10
	var places []string
	for _, p := range tree(t) {
		if own := strings.TrimPrefix(p.path, "internal/"); own == "sqldb" || isHelper(own) {
			continue
		}
		for _, f := range p.files {
			if f.test {
				continue
			}
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 0 {
					if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Postgres" {
						places = append(places, f.set.Position(sel.Pos()).String())
					}
				}
				return true
			})
		}
	}
	if len(places) > most {
		t.Errorf("%d places ask which engine it is, at most %d may:\n%s", len(places), most, strings.Join(places, "\n"))
	}
}

// TestSQLiteHasItsOwnLibc guards a trap of the pure-Go SQLite: it works only
// with the very version of modernc.org/libc that its own go.mod names, and any
// other module may raise that version unseen.
func TestSQLiteHasItsOwnLibc(t *testing.T) {
	goMod := strings.TrimSpace(goList(t, "{{.GoMod}}", "modernc.org/sqlite"))
	text, err := os.ReadFile(goMod)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require ")); len(fields) >= 2 && fields[0] == "modernc.org/libc" {
			want = fields[1]
		}
	}
	if want == "" {
		t.Fatalf("%s names no modernc.org/libc", goMod)
	}
	if got := strings.TrimSpace(goList(t, "{{.Version}}", "modernc.org/libc")); got != want {
		t.Errorf("modernc.org/libc is %s; modernc.org/sqlite asks for %s", got, want)
	}
}

func goList(t *testing.T, format, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", format, module).Output()
	if err != nil {
		t.Fatalf("go list -m %s: %v", module, err)
	}
	return string(out)
}
