package crash

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const registryFolder = "../../internal/registry"

// lasting are the calls of package registry after which something has changed
// for good: bytes are kept or gone, rows are committed, an index is swapped.
// Each must be followed, in its function, by a point at which this package ends
// the process.
var lasting = []string{"w.Commit", "db.Tx", "db.Exec", "blobs.Delete", "blobs.Temps", "r.publish"}

// pointless are functions with such a call and no point behind it.
var pointless = map[string]string{
	"FlushDownloads": "counts of downloads may lose a second",
	"fetchNow":       "a file of a source that is not noted is fetched again",
	"archive":        "the bytes of an imported archive have no rows before import.batch",
	"within":         "a batch passes import.batch, and a hold that is not renewed runs out",
	"release":        "a hold that is not let go runs out",
	"describeAgain":  "packages that are noted are told at the next start",
	"TellPackages":   "packages that are noted are told at the next start",
	"sweepBlobs":     "bytes that nothing names; the next sweep finds them",
	"CheckFiles":     "a file that is not noted as checked is read again",
	"eraseAll":       "the rest is found when the deleted owner is erased again",
	"erasePackages":  "the rest is found when the deleted owner is erased again",
	"emptyPackages":  "the rest is found when the deleted owner is erased again",
	"eraseChannel":   "the rest is found when the deleted owner is erased again",
	"GC":             "temporary files; the next sweep finds them",
}

// registrySyntax parses the files of package registry but its tests.
func registrySyntax(t *testing.T) (*token.FileSet, map[string]*ast.File) {
	t.Helper()
	set := token.NewFileSet()
	paths, err := filepath.Glob(filepath.Join(registryFolder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in %s: %v", registryFolder, err)
	}
	files := map[string]*ast.File{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = f
	}
	return set, files
}

// declared are the constants of point.go with their values.
func declared(t *testing.T, files map[string]*ast.File) map[string]string {
	t.Helper()
	found := map[string]string{}
	ast.Inspect(files["point.go"], func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, name := range spec.Names {
				value, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatalf("%s: %v", name.Name, err)
				}
				found[name.Name] = value
			}
		}
		return true
	})
	return found
}

// points are the names of the points, sorted: the constants of point.go. The
// list that package registry exports is there only in the program under test.
func points(t *testing.T) []string {
	t.Helper()
	_, files := registrySyntax(t)
	var list []string
	for _, value := range declared(t, files) {
		list = append(list, value)
	}
	slices.Sort(list)
	return list
}

// TestEveryStepHasItsPoint holds steps and points together.
func TestEveryStepHasItsPoint(t *testing.T) {
	set, files := registrySyntax(t)
	constants := declared(t, files)
	if len(constants) == 0 {
		t.Fatal("point.go declares no points")
	}
	passed := map[string]bool{} // constants in calls of point
	excused := map[string]bool{}
	for _, f := range files {
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			var last token.Pos // of the last point
			var steps []*ast.CallExpr
			ast.Inspect(fn, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				switch name := callee(call); {
				case name == "point":
					last = call.Pos()
					id, ok := call.Args[0].(*ast.Ident)
					if !ok || constants[id.Name] == "" {
						t.Errorf("%s: point takes a constant of point.go", set.Position(call.Pos()))
						return true
					}
					passed[id.Name] = true
				case slices.Contains(lasting, name):
					steps = append(steps, call)
				}
				return true
			})
			for _, step := range steps {
				if step.Pos() < last {
					continue
				}
				if pointless[fn.Name.Name] == "" {
					t.Errorf("%s: %s changes something for good and no point follows it in %s", set.Position(step.Pos()), callee(step), fn.Name.Name)
				}
				excused[fn.Name.Name] = true
			}
		}
	}
	for name := range constants {
		if !passed[name] {
			t.Errorf("nothing passes %s", name)
		}
	}
	for name := range pointless {
		if !excused[name] {
			t.Errorf("%s needs no excuse any more", name)
		}
	}
	exported := map[string]bool{}
	ast.Inspect(files["crash.go"], func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && constants[id.Name] != "" {
			exported[id.Name] = true
		}
		return true
	})
	if len(exported) != len(constants) {
		t.Errorf("CrashPoints lists %d points and point.go declares %d", len(exported), len(constants))
	}
}

// callee writes what a call names by its last two parts: "db.Tx", "point".
func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		switch x := f.X.(type) {
		case *ast.Ident:
			return x.Name + "." + f.Sel.Name
		case *ast.SelectorExpr:
			return x.Sel.Name + "." + f.Sel.Name
		}
	}
	return ""
}
