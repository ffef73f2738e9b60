package app_test

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// update writes the fixture of the newest schema from what this program makes.
// Use it once, in the commit that adds a migration, and never for an older one.
var update = flag.Bool("update", false, "write ../sqldb/testdata/schema-NNNN.jsonl for the newest schema")

const (
	migrations = "../sqldb/migrations"
	fixtures   = "../sqldb/testdata"
	// oldToken is a token of ana in every fixture; no server knows it.
	oldToken = "tm-user-AnExampleForTests00000-1bjJFj"
)

// upTo is the schema up to a version.
func upTo(t *testing.T, version int64) fs.FS {
	t.Helper()
	entries, err := os.ReadDir(migrations)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, e := range entries {
		var number int64
		if _, err := fmt.Sscanf(e.Name(), "%04d_", &number); err != nil || number > version {
			continue
		}
		text, err := os.ReadFile(filepath.Join(migrations, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = &fstest.MapFile{Data: text}
	}
	return files
}

// TestEarlierData opens, on every engine, the rows that programs with an earlier
// schema wrote, and works on with them. Each schema has its fixture, written by
// the program that had it; a migration that is changed after it was published
// fails here, for the rows do not come out as they went in.
func TestEarlierData(t *testing.T) {
	_, newest, err := sqldbtest.Open(t).SchemaVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		writeFixture(t, newest)
	}
	for version := int64(1); version <= newest; version++ {
		name := fmt.Sprintf("schema-%04d.jsonl", version)
		dump, err := os.ReadFile(filepath.Join(fixtures, name))
		if err != nil {
			t.Errorf("the schema %d has no fixture; write it with go test ./internal/app -run TestEarlierData -update: %v", version, err)
			continue
		}
		urls := map[string]string{"sqlite": sqldbtest.SQLite(t)}
		if os.Getenv("TEST_POSTGRES") != "" {
			urls["postgres"] = sqldbtest.Postgres(t)
		}
		for engine, url := range urls {
			t.Run(name+"/"+engine, func(t *testing.T) {
				loadFixture(t, url, version, string(dump))
				readFixture(t, apptest.New(t, apptest.Setting("database", url)))
			})
		}
	}
}

// writeFixture makes a little of everything.
func writeFixture(t *testing.T, version int64) {
	t.Helper()
	a := apptest.New(t)
	ana, ben, eve := a.User(t, "ana"), a.User(t, "ben"), a.User(t, "eve")
	org, actor := a.Org(t, "acme", ana), ana.Actor(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.Accounts.AddMember(ctx, actor, "acme", "ben", access.RoleMember))
	soil := condatest.Spec{Name: "soil", License: "MIT", Summary: "What everything grows on", README: "# soil"}
	ana.Upload(t, "acme", soil, "")
	soil.Version, soil.Depends = "2.0", []string{"moss >=1"}
	ana.Upload(t, "acme", soil, "")
	soil.Version = "3.0rc1"
	ana.Upload(t, "acme", soil, "")
	ana.Upload(t, "acme", condatest.Spec{Name: "moss", Subdir: "linux-64", Build: "py312_0"}, "")
	ana.Upload(t, "acme/dev", condatest.Spec{Name: "secret"}, "private=true")
	eve.Upload(t, "eve", condatest.Spec{Name: "fern"}, "")
	soil.Version, soil.Summary = "1.0", "Replaced"
	ana.Upload(t, "acme", soil, "force=true")
	_, err := a.Registry.DeleteFile(ctx, actor, "acme", "soil", "3.0rc1", "noarch/soil-3.0rc1-0.conda")
	must(err)
	_, err = a.Registry.Withdraw(ctx, actor, "acme", "soil", "1.0", "noarch/soil-1.0-0.conda", "It washes away.")
	must(err)
	secret, err := a.Registry.Package(ctx, actor, "acme", "secret")
	must(err)
	must(a.Accounts.Grant(ctx, actor, account.Subject{Kind: "user", Name: ben.Name}, access.Object{OwnerID: org.ID, OwnerName: "acme", OwnerKind: access.Organization, PackageID: secret.ID, PackageName: "secret", Private: true}, access.Read))
	ana.NewToken(t, account.NewToken{Name: "old", Secret: oldToken})
	a.Rows(t) // what is written in batches is written
	_, err = a.DB.Exec(ctx, "UPDATE tokens SET expires_at = NULL")
	must(err)
	must(os.MkdirAll(fixtures, 0o755))
	must(os.WriteFile(filepath.Join(fixtures, fmt.Sprintf("schema-%04d.jsonl", version)), []byte(a.Dump(t)), 0o644))
}

// loadFixture fills a database of that schema.
func loadFixture(t *testing.T, url string, version int64, dump string) {
	t.Helper()
	ctx := t.Context()
	db, err := sqldb.Open(ctx, url, sqldb.Options{Migrations: upTo(t, version)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := db.Load(ctx, strings.NewReader(dump)); err != nil {
		t.Fatal(err)
	}
	var again strings.Builder
	if err := db.Dump(ctx, &again); err != nil {
		t.Fatal(err)
	}
	sorted := func(text string) []string { return slices.Sorted(strings.Lines(text)) }
	if d := cmp.Diff(sorted(dump), sorted(again.String())); d != "" {
		t.Fatalf("the schema %d is not what it was when the rows were written (-then +now):\n%.2000s", version, d)
	}
}

// readFixture checks that everything of writeFixture is there and goes on.
func readFixture(t *testing.T, a *apptest.App) {
	t.Helper()
	ctx := t.Context()
	listed := func(token, path string, want ...string) {
		t.Helper()
		var doc struct {
			Packages map[string]any `json:"packages.conda"`
		}
		a.Want(t, http.StatusOK, "GET", path, apptest.Request{Token: token}).JSON(t, &doc)
		if d := cmp.Diff(want, slices.Sorted(maps.Keys(doc.Packages))); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
	}
	const one, two, rc = "soil-1.0-0.conda", "soil-2.0-0.conda", "soil-3.0rc1-0.conda"
	listed("", "/conda/acme/noarch/repodata.json", two)
	listed("", "/conda/acme/linux-64/repodata.json", "moss-1.0-py312_0.conda")
	listed("", "/conda/eve/noarch/repodata.json", "fern-1.0-0.conda")
	listed("", "/conda/acme/dev/noarch/repodata.json")
	listed(oldToken, "/conda/acme/dev/noarch/repodata.json", "secret-1.0-0.conda")
	listed("", "/conda/acme/main/at/2/noarch/repodata.json", one, two)
	a.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/repodata_shards.msgpack.zst", apptest.Request{})
	a.Want(t, http.StatusGone, "GET", "/conda/acme/noarch/"+rc, apptest.Request{})

	for _, name := range []string{"ana", "ben", "eve"} {
		if _, err := a.Accounts.SignIn(ctx, access.Anonymous("192.0.2.1"), name, apptest.Password); err != nil {
			t.Errorf("%s cannot sign in: %v", name, err)
		}
	}
	as := func(name string) access.Actor {
		t.Helper()
		o, err := a.Accounts.Owner(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		actor, err := a.Accounts.ActorOf(ctx, o.ID, "password", access.Request{})
		if err != nil {
			t.Fatal(err)
		}
		return actor
	}
	ana := as("ana")
	for name, sees := range map[string]bool{"ana": true, "ben": true, "eve": false} {
		if _, err := a.Registry.Package(ctx, as(name), "acme", "secret"); (err == nil) != sees {
			t.Errorf("whether %s sees the private package: got %v, want %t", name, err, sees)
		}
	}
	p, err := a.Registry.Package(ctx, ana, "acme", "soil")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"2.0", "MIT"}, []string{p.Latest, p.License}); d != "" {
		t.Errorf("the package (-want +got):\n%s", d)
	}
	file, err := a.Registry.File(ctx, ana, "acme", "soil", "1.0", "noarch/"+one)
	if err != nil || file.WithdrawnWhy != "It washes away." || file.UploadedBy != "ana" {
		t.Errorf("the withdrawn file: %v, %q by %q", err, file.WithdrawnWhy, file.UploadedBy)
	}

	// What was done can be undone, and new things come to the old ones.
	trash, err := a.Registry.Trash(ctx, ana, "acme")
	i := slices.IndexFunc(trash, func(f registry.File) bool { return f.Name == rc })
	if err != nil || i < 0 {
		t.Fatalf("the trash: %v, %v", trash, err)
	}
	if _, err := a.Registry.RestoreFile(ctx, ana, trash[i].ID); err != nil {
		t.Fatal(err)
	}
	// The fixture has rows alone, and no index is to name what has no bytes.
	if _, err := a.Registry.Unwithdraw(ctx, ana, "acme", "soil", "1.0", "noarch/"+one); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("putting back a file without bytes: %v", err)
	}
	added := condatest.Spec{Name: "soil", Version: "4.0"}
	a.Want(t, http.StatusCreated, "POST", "/api/v1/upload/acme", apptest.Request{
		Token: oldToken, Body: condatest.Make(t, added), Type: "application/octet-stream", Header: map[string]string{"X-File-Name": added.FileName()},
	})
	listed("", "/conda/acme/noarch/repodata.json", two, rc, "soil-4.0-0.conda")
	if _, err := a.Accounts.CreateUser(ctx, access.System(), account.NewUser{Name: "ana", Email: "other@example.com", Password: apptest.Password}); !errs.Is(err, errs.Exists) {
		t.Errorf("a name that is taken: got %v", err)
	}
}
