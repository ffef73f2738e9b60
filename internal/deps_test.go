// Package internal_test holds the shape of the tree: who may import whom, what
// each storey keeps away from, and the few habits that a reader relies on. The
// drawing of it is in ARCHITECTURE.md.
package internal_test

import (
	"slices"
	"strings"
	"testing"
)

// The storeys, from the bottom. A package of one may import those that its
// row in table names, and nothing above itself.
const (
	formats = iota
	mechanisms
	domain
	faces
	program
	helper // of tests: any test may import it, no program
)

// row is what one package may import of ours.
type row struct {
	storey int
	may    []string // paths below internal/; "x/..." is x and what is below it
}

// Short forms of sets that many rows share.
var (
	pure   = []string{"errs", "conda", "archive", "repodata"}
	tools  = []string{"errs", "sqldb", "blob", "job", "mail", "dial"}
	people = []string{"access", "audit", "account"}
	// A face may call every domain, and reads bytes; it has no SQL, and queues and sends nothing.
	face = concat(pure, people, []string{
		"blob", "policy", "oauth", "registry", "index", "mirror", "installer", "build", "web",
	})
)

// table is the whole of it. A package that is not in it fails the test.
var table = map[string]row{
	"errs":     {formats, nil},
	"bzip2":    {formats, nil},
	"conda":    {formats, []string{"errs"}},
	"archive":  {formats, []string{"errs", "bzip2", "conda"}},
	"repodata": {formats, []string{"errs", "bzip2", "conda"}},

	"dial":        {mechanisms, []string{"errs"}},
	"http1":       {mechanisms, nil},
	"trace":       {mechanisms, []string{"errs", "dial"}},
	"sqldb":       {mechanisms, []string{"errs", "trace"}},
	"blob":        {mechanisms, []string{"errs", "dial", "trace", "blob/s3blob"}},
	"blob/s3blob": {mechanisms, []string{"errs", "dial"}},
	"job":         {mechanisms, []string{"errs", "sqldb", "trace"}},
	"mail":        {mechanisms, []string{"errs", "dial"}},

	"access":    {domain, []string{"errs", "conda", "sqldb"}}, // conda: subdirs are reserved names
	"audit":     {domain, []string{"errs", "sqldb", "access"}},
	"account":   {domain, concat(tools, []string{"access", "audit"})},
	"oauth":     {domain, concat(tools, people)},
	"policy":    {domain, concat(tools, []string{"conda", "access", "audit"})},
	"registry":  {domain, concat(tools, people, []string{"conda", "archive", "repodata", "policy", "trace"})}, // repodata: a record is encoded once, when it is accepted
	"index":     {domain, concat(tools, []string{"conda", "repodata", "access", "registry", "policy", "trace"})},
	"mirror":    {domain, concat(tools, []string{"conda", "archive", "repodata", "access", "audit", "registry", "policy", "index"})},
	"installer": {domain, concat(tools, []string{"conda", "archive", "repodata", "access", "audit", "registry", "policy", "index"})},
	"build":     {domain, concat(tools, people, []string{"conda", "archive", "registry"})},

	"web":       {faces, []string{"errs", "access", "trace"}},
	"condahttp": {faces, face},
	"api":       {faces, face},
	"oidc":      {faces, face},
	"pypi":      {faces, face},
	"ui":        {faces, concat(face, []string{"ui/..."})},
	"ui/...":    {faces, concat(face, []string{"ui/..."})},

	"sample": {program, pure},
	"app":    {program, []string{"..."}},

	"sqldbtest":       {helper, []string{"errs", "sqldb"}},
	"ui/uitest":       {helper, concat(face, []string{"ui/..."})},
	"condatest":       {helper, pure},
	"blob/blobtest":   {helper, []string{"errs", "blob"}},
	"trace/tracetest": {helper, nil},
	"apptest":         {helper, []string{"..."}},
	"clienttest":      {helper, []string{"..."}},
}

// commands may import the program and, to speak its words, what lies below the faces.
var commands = concat(pure, tools, people, []string{"app", "policy", "registry", "index", "mirror", "sample"})

// owned are the modules of others that belong to one package, which hides them.
var owned = map[string][]string{
	"modernc.org/sqlite":              {"sqldb"},
	"github.com/jackc/pgx":            {"sqldb", "job"}, // River wants pgx's own transaction
	"github.com/pressly/goose":        {"sqldb"},
	"github.com/riverqueue/river":     {"job", "sqldb"}, // sqldb makes its tables
	"github.com/aws/aws-sdk-go-v2":    {"blob/s3blob"},
	"gocloud.dev":                     {"blob", "blob/s3blob"},
	"github.com/wneessen/go-mail":     {"mail"},
	"github.com/alexedwards/argon2id": {"account"},
	"github.com/danielgtaylor/huma":   {"api"},
	"github.com/a-h/templ":            {"ui/..."},
	"github.com/alecthomas/kong":      {"app", "cmd/..."},
	"github.com/knadh/koanf":          {"app"},
	"go.opentelemetry.io":             {"trace"},
}

// dialUsers are the packages that open connections to other machines, all of
// them through dial, which refuses private addresses.
var dialUsers = []string{"app", "blob", "blob/s3blob", "mail", "mirror", "registry", "trace"}

func concat(lists ...[]string) []string { return slices.Concat(lists...) }

// matches says whether a pattern of the table means the package.
func matches(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pattern == pkg
}

func anyMatches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

// rowOf finds the row of a package below internal/, the exact one first.
func rowOf(pkg string) (row, bool) {
	if r, ok := table[pkg]; ok {
		return r, true
	}
	for pattern, r := range table {
		if matches(pattern, pkg) {
			return r, true
		}
	}
	return row{}, false
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range tree(t) {
		own, isInternal := strings.CutPrefix(p.path, "internal/")
		r, known := rowOf(own)
		if isInternal && !known {
			t.Errorf("%s is not in the table of internal/deps_test.go; give it a row in its storey", p.path)
			continue
		}
		switch {
		case strings.HasPrefix(p.path, "test/"):
			r = row{helper, []string{"..."}}
		case !isInternal:
			r = row{program, commands}
		}
		for _, f := range p.files {
			for _, path := range f.imports {
				below, ok := strings.CutPrefix(path, "terrarium/internal/")
				if !ok || below == own {
					continue
				}
				target, _ := rowOf(below)
				switch {
				case f.test && (target.storey == helper || !isInternal): // tests go through the helpers
				case target.storey == helper && r.storey != helper && !f.test:
					t.Errorf("%s imports %s, which is for tests", f.name, below)
				case f.test: // an outside test may look at anything; the compiler refuses cycles
				case !anyMatches(r.may, below):
					t.Errorf("%s imports %s; the table lets %s import %v", f.name, below, own, r.may)
				}
			}
		}
	}
}

// TestTableHasNoCycle keeps the table itself honest: a row names only
// packages of its own storey or of one below.
func TestTableHasNoCycle(t *testing.T) {
	for pkg, r := range table {
		for _, may := range r.may {
			target, ok := table[may]
			if !ok || r.storey == helper {
				continue
			}
			if target.storey > r.storey {
				t.Errorf("the table lets %s import %s of a higher storey", pkg, may)
			}
			if may != pkg && anyMatches(target.may, pkg) && !strings.HasSuffix(may, "...") && pkg != "ui" {
				t.Errorf("the table lets %s and %s import each other", pkg, may)
			}
		}
	}
}

func TestForeignModulesHaveOneOwner(t *testing.T) {
	for _, p := range tree(t) {
		own := strings.TrimPrefix(p.path, "internal/")
		for _, f := range p.files {
			if f.test || isHelper(own) {
				continue
			}
			for _, path := range f.imports {
				for module, owners := range owned {
					if (path == module || strings.HasPrefix(path, module+"/")) && !anyMatches(owners, own) {
						t.Errorf("%s imports %s, which belongs to %v", f.name, path, owners)
					}
				}
			}
		}
	}
}

func TestUsersOfDial(t *testing.T) {
	for _, p := range tree(t) {
		own := strings.TrimPrefix(p.path, "internal/")
		for _, f := range p.files {
			if f.test || isHelper(own) || own == "dial" {
				continue
			}
			if slices.Contains(f.imports, "terrarium/internal/dial") && !slices.Contains(dialUsers, own) {
				t.Errorf("%s uses dial; outgoing connections are made by %v only", f.name, dialUsers)
			}
			if own == "app" {
				continue // asks the running server over its local socket
			}
			forbidden := []string{
				"http.DefaultClient", "http.DefaultTransport", "http.Get", "http.Post", "http.PostForm", "http.Head",
				"net.Dial", "net.DialTimeout", "net.Dialer", "tls.Dial", "smtp.Dial", "smtp.SendMail",
			}
			if !slices.Contains(dialUsers, own) { // those put dial's own function into theirs
				forbidden = append(forbidden, "http.Client", "http.Transport")
			}
			for _, name := range forbidden {
				if f.uses[name] {
					t.Errorf("%s uses %s; outgoing connections go through dial", f.name, name)
				}
			}
		}
	}
}

// isHelper says whether a package is there for tests only.
func isHelper(pkg string) bool {
	r, ok := rowOf(pkg)
	return ok && r.storey == helper || strings.HasPrefix(pkg, "test/")
}
