package app_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/app"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// TestErase: after seven days nothing is left of a person and an organisation but
// what the log says, a name that is reserved and, after ninety days, is free.
func TestErase(t *testing.T) {
	a := apptest.New(t)
	root, ana, eve := a.Operator(t, "root"), a.User(t, "ana"), a.User(t, "eve")
	acme := a.Org(t, "acme", eve)
	ctx := t.Context()
	must(t, a.Accounts.UpdateProfile(ctx, ana.Actor(t), "ana", account.Profile{FullName: "Ana Oliveira", Location: "Lisbon", Description: "Maps"}))
	must(t, a.Accounts.UpdateProfile(ctx, ana.Actor(t), "ana", account.Profile{FullName: "Ana Oliveira"})) // now also what a change ended
	must(t, a.Accounts.UpdateProfile(ctx, eve.Actor(t), "acme", account.Profile{Description: "Acmes at sea"}))
	for _, address := range []string{"Ana@example.com", "else@example.com"} {
		_, err := a.Accounts.Invite(ctx, root.Actor(t), address)
		must(t, err)
	}
	must(t, a.Accounts.AddMember(ctx, eve.Actor(t), "acme", "ana", access.RoleOwner))
	_, err := a.Accounts.CreateGroup(ctx, eve.Actor(t), "acme", account.NewGroup{Name: "team", Permission: access.Write})
	must(t, err)
	must(t, a.Accounts.AddGroupMember(ctx, eve.Actor(t), "acme", "team", "ana"))
	kept := condatest.Spec{Name: "kept", Summary: "Stays"}
	eve.Upload(t, "eve", kept, "")
	for _, version := range []string{"1.0", "2.0", "3.0"} {
		ana.Upload(t, "ana", condatest.Spec{Name: "soil", Version: version, Summary: "Only Ana's"}, "")
	}
	ana.Upload(t, "ana/dev", condatest.Spec{Name: "peat", Summary: "Only Ana's"}, "private=true")
	ana.Upload(t, "acme", condatest.Spec{Name: "moss", Summary: "Only Acme's"}, "")
	ana.Upload(t, "ana", kept, "") // the same bytes as eve's
	must(t, a.Accounts.AddGroupPackage(ctx, eve.Actor(t), "acme", "team", "moss"))
	pkg, err := a.Registry.Package(ctx, ana.Actor(t), "ana", "peat")
	must(t, err)
	must(t, a.Accounts.Grant(ctx, ana.Actor(t), account.Subject{Kind: "user", Name: "eve"}, access.Object{OwnerID: ana.ID, OwnerName: "ana", PackageID: pkg.ID, PackageName: "peat"}, access.Read))
	_, err = a.Registry.CreateNotice(ctx, ana.Actor(t), "ana", registry.NewNotice{Message: "Only Ana's", Level: "info"})
	must(t, err)
	_, err = a.Registry.DeleteFile(ctx, ana.Actor(t), "ana", "soil", "2.0", "noarch/soil-2.0-0.conda")
	must(t, err)
	must(t, a.Registry.DeletePackage(ctx, ana.Actor(t), "ana", "kept"))
	a.Want(t, http.StatusOK, "GET", "/conda/ana/noarch/soil-1.0-0.conda", apptest.Request{})
	must(t, a.Registry.FlushDownloads(ctx))
	eves := string(a.Want(t, http.StatusOK, "GET", "/conda/eve/noarch/repodata.json", apptest.Request{}).Body)

	for _, name := range []string{"acme", "ana"} {
		_, err := a.Accounts.DeleteOwner(ctx, root.Actor(t), name, name)
		must(t, err)
	}
	erase := func(want int) {
		t.Helper()
		if n, err := a.EraseOwners(ctx, access.System()); err != nil || n != want {
			t.Fatalf("%d owners were erased, want %d: %v", n, want, err)
		}
	}
	erase(0)
	a.Clock.Pass(week - time.Minute)
	erase(0)
	before := a.Rows(t)
	if dry, err := a.Sweep(ctx, access.System(), app.Sweeping{DryRun: true, Grace: time.Hour}); err != nil || dry.Owners != 0 {
		t.Errorf("gc would erase %d owners: %v", dry.Owners, err)
	}
	a.Clock.Pass(2 * time.Minute)
	if dry, err := a.Sweep(ctx, access.System(), app.Sweeping{DryRun: true, Grace: time.Hour}); err != nil || dry.Owners != 2 {
		t.Errorf("gc would erase %d owners: %v", dry.Owners, err)
	}
	generations := len(before.Of(t, "generations"))
	erase(2)
	erase(0)
	for _, name := range []string{"users/ana", "organizations/acme"} {
		a.Want(t, http.StatusNotFound, "POST", "/api/v1/"+name+"/restore", apptest.Request{Token: root.Token})
	}
	rows := a.Rows(t)
	for _, table := range []string{"users", "organizations", "memberships", "groups", "group_members", "grants", "tokens", "sessions", "channels", "file_rows", "records", "generations", "uploads", "notices", "file_channels", "download_days", "idempotency", "links"} {
		for _, row := range rows.Of(t, table) {
			for column, v := range row {
				if v == ana.ID || v == acme.ID {
					t.Errorf("%s.%s still names what was erased", table, column)
				}
			}
		}
	}
	for _, table := range []string{"owners", "package_rows", "release_rows", "file_rows", "file_info", "records", "notices", "users"} {
		for _, row := range rows.Of(t, table) {
			text := fmt.Sprint(row)
			for _, word := range []string{"Only Ana's", "Only Acme's", "soil", "peat", "moss", "Oliveira", "Lisbon", "Maps", "ana@example.com"} {
				if strings.Contains(text, word) {
					t.Errorf("a row of %s still says %s: %.300s", table, word, text)
				}
			}
		}
	}
	for line := range strings.Lines(a.Dump(t)) {
		for _, word := range []string{"oliveira", "lisbon", "maps", "ana@example.com", "acmes at sea", "acme@example.com"} {
			if strings.Contains(strings.ToLower(line), word) {
				t.Errorf("a row still says %s: %.300s", word, line)
			}
		}
	}
	for _, word := range []string{"else@example.com", "eve@example.com"} {
		if !strings.Contains(fmt.Sprint(rows.Of(t, "audit")), word) {
			t.Errorf("the log lost %s, of somebody else", word)
		}
	}
	if len(rows.Of(t, "generations")) >= generations || len(rows.Of(t, "file_rows")) != 1 {
		t.Errorf("%d generations of %d and %d files are left", len(rows.Of(t, "generations")), generations, len(rows.Of(t, "file_rows")))
	}
	if now := string(a.Want(t, http.StatusOK, "GET", "/conda/eve/noarch/repodata.json", apptest.Request{}).Body); now != eves {
		t.Error("the index of another owner changed")
	}
	report, err := a.Fsck(ctx, true)
	if err != nil || len(report.Faults) > 0 {
		t.Errorf("fsck: %v, %v", report.Faults, err)
	}

	// The bytes go by the rules of gc: what eve has too stays.
	if _, err := a.Sweep(ctx, access.System(), app.Sweeping{Grace: time.Nanosecond}); err != nil {
		t.Fatal(err)
	}
	if stored := a.Stored(t); len(stored) != 1 {
		t.Errorf("the folder holds %v", stored)
	}
	a.Want(t, http.StatusOK, "GET", "/conda/eve/noarch/"+kept.FileName(), apptest.Request{})

	// The log stays, with what was erased.
	actions := func() (all []string) {
		for _, row := range a.Rows(t).Of(t, "audit") {
			if row["owner_id"] == ana.ID || row["owner_id"] == acme.ID {
				all = append(all, fmt.Sprint(row["action"]))
			}
		}
		return all
	}
	for _, action := range []string{"user.create", "user.delete", "user.erase", "organization.delete", "organization.erase", "file.delete"} {
		if !slices.Contains(actions(), action) {
			t.Errorf("the log lost %s", action)
		}
	}

	// The address is free at once, the name and its look-alikes after ninety days.
	signUp := func(name string) error {
		_, err := a.Accounts.SignUp(ctx, access.Anonymous("127.0.0.1"), account.SignUp{Name: name, Email: "ana@example.com", Password: apptest.Password, Password2: apptest.Password, Terms: true})
		return err
	}
	a.Clock.Pass(90*24*time.Hour - week - 2*time.Minute)
	erase(0)
	if err := signUp("ana"); errs.Reason(err) != "name-taken" {
		t.Errorf("the name of a deleted person: %v", err)
	}
	if err := signUp("a-na"); errs.Reason(err) != "name-taken" {
		t.Errorf("a name like that of a deleted person: %v", err)
	}
	a.Clock.Pass(3 * time.Minute)
	erase(0)
	must(t, signUp("ana"))
	a.Want(t, http.StatusOK, "GET", "/ana", apptest.Request{})
	a.Want(t, http.StatusNotFound, "GET", "/ana/soil", apptest.Request{})
	a.Want(t, http.StatusUnauthorized, "GET", "/api/user", apptest.Request{Token: ana.Token})
}

// TestDeleteManyFiles: the switch is one transaction of a few statements, however
// many files there are; and erasing them is many short ones and no generation.
func TestDeleteManyFiles(t *testing.T) {
	var mu sync.Mutex
	var statements []string
	a := apptest.New(t, apptest.Statements(func(query string) {
		mu.Lock()
		defer mu.Unlock()
		statements = append(statements, query)
	}))
	ana, eve := a.User(t, "ana"), a.User(t, "eve")
	a.Org(t, "acme", ana)
	_, err := a.Registry.Import(t.Context(), ana.Actor(t), "acme", "main", registry.ImportSource{
		Files: channelOf(t, 10_000), Subdirs: []string{"noarch"}, MetadataOnly: true, BaseURL: "https://channel.example", Name: "there",
	}, nil)
	must(t, err)
	count := func(query string) (n int) {
		t.Helper()
		must(t, a.DB.Row(t.Context(), query).Scan(&n))
		return n
	}
	generation := count("SELECT max(generation) FROM channels")
	whole := a.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{})
	mu.Lock()
	statements = nil
	mu.Unlock()
	a.Want(t, http.StatusOK, "DELETE", "/api/v1/organizations/acme?confirm=acme", apptest.Request{Token: ana.Token})
	mu.Lock()
	for _, query := range statements {
		for _, table := range []string{"file_rows", "package_rows", "records", "releases", "generations"} {
			if strings.Contains(query, table) {
				t.Errorf("the switch looks at %s: %s", table, query)
			}
		}
	}
	if len(statements) > 25 {
		t.Errorf("the switch takes %d statements: %s", len(statements), strings.Join(statements, "\n"))
	}
	mu.Unlock()
	if n := count("SELECT max(generation) FROM channels"); n != generation {
		t.Errorf("the channel went from generation %d to %d", generation, n)
	}
	a.Want(t, http.StatusNotFound, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{})

	// What was held of it is let go of, and comes back with it.
	for _, want := range []int{1, 0} {
		if n, err := a.Index.Forget(t.Context()); err != nil || n != want {
			t.Errorf("%d channels were let go of, want %d: %v", n, want, err)
		}
	}
	a.Want(t, http.StatusOK, "POST", "/api/v1/organizations/acme/restore", apptest.Request{Token: ana.Token})
	if got := a.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{}); got.Header.Get("ETag") != whole.Header.Get("ETag") || !bytes.Equal(got.Body, whole.Body) {
		t.Error("brought back, the index is another")
	}
	a.Want(t, http.StatusOK, "DELETE", "/api/v1/organizations/acme?confirm=acme", apptest.Request{Token: ana.Token})

	// While they are erased, in many transactions, others publish. The clock
	// stays, or the sweep of the start may take the temporary files of the uploads.
	_, err = a.DB.Exec(t.Context(), "UPDATE owners SET deleted_at = $1 WHERE name = 'acme'", a.Clock.Now().Add(-week-time.Minute))
	must(t, err)
	erased := make(chan error, 1)
	go func() {
		_, err := a.EraseOwners(context.WithoutCancel(t.Context()), access.System())
		erased <- err
	}()
	last, uploads, between := 10_000, 0, 0
	for done := false; !done; uploads++ {
		eve.Upload(t, "eve", condatest.Spec{Name: fmt.Sprintf("moss%d", uploads)}, "")
		select {
		case err := <-erased:
			must(t, err)
			done = true
		default:
		}
		n := count("SELECT count(*) FROM file_rows WHERE owner_id = (SELECT id FROM owners WHERE name = 'acme')")
		if n > last {
			t.Errorf("%d files are left, after %d", n, last)
		}
		if n > 0 && n < last {
			between++
		}
		last = n
	}
	if last != 0 || between < 3 {
		t.Errorf("%d files are left after %d uploads, and %d times some were gone", last, uploads, between)
	}
	report, err := a.Fsck(t.Context(), false)
	if err != nil || len(report.Faults) > 0 {
		t.Errorf("fsck: %v, %v", report.Faults, err)
	}
}
