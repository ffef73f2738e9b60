package access_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"terrarium/internal/access"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

type pkg struct {
	id, ownerID, owner, name string
	private                  bool
}

func (p pkg) object() access.Object {
	return access.Object{OwnerID: p.ownerID, OwnerName: p.owner, PackageID: p.id, PackageName: p.name, Private: p.private}
}

// fill makes four owners with four packages each, half of them private.
func fill(ctx context.Context, t *testing.T, db *sqldb.DB) []pkg {
	t.Helper()
	var all []pkg
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(ctx, query, args...); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		owner := fmt.Sprintf("owner%d", i)
		exec("INSERT INTO owners (id, name, name_key, kind, created_at) VALUES ($1, $2, $2, 'organization', $3)", "o"+owner, owner, at)
		for j := range 4 {
			p := pkg{fmt.Sprintf("p%d%d", i, j), "o" + owner, owner, fmt.Sprintf("name%d", j), j%2 == 1}
			exec("INSERT INTO package_rows (id, owner_id, name, private, attrs, types, platforms, created_at, modified_at) VALUES ($1, $2, $3, $4, '{}', '[]', '[]', $5, $5)",
				p.id, p.ownerID, p.name, p.private, at)
			all = append(all, p)
		}
	}
	return all
}

// drawActor makes an actor of any kind with any rights and limits over the ids
// and names of fill.
func drawActor(t *rapid.T, all []pkg) access.Actor {
	owners := []string{"oowner0", "oowner1", "oowner2", "oowner3", "elsewhere"}
	a := access.Actor{
		Kind:     rapid.SampledFrom([]access.Kind{access.KindAnonymous, access.KindPerson, access.KindPerson, access.KindPerson, access.KindWorker, access.KindSystem, ""}).Draw(t, "kind"),
		ID:       rapid.SampledFrom([]string{"", "u1", "oowner0"}).Draw(t, "id"),
		Verified: rapid.Bool().Draw(t, "verified"),
		Operator: rapid.Bool().Draw(t, "operator"),
		OrgToken: rapid.SampledFrom([]string{"", "", "oowner1", "elsewhere"}).Draw(t, "organisation of the token"),
		Scopes: rapid.SampledFrom([]access.Scopes{nil, nil, {"all"}, {"api:read"}, {"api:write"}, {"conda"}, {"repos"}, {"pypi:upload"}}).
			Draw(t, "scopes"),
		Resources: rapid.SampledFrom([][]string{nil, nil, {"owner1"}, {"owner2/name1", "owner1/name1"}, {"owner1/"}, {"nobody"}}).Draw(t, "resources"),
		Roles:     map[string]access.Role{},
	}
	for range rapid.IntRange(0, 3).Draw(t, "roles") {
		role := rapid.SampledFrom([]access.Role{access.RoleOwner, access.RoleAdministrator, access.RoleMember}).Draw(t, "role")
		a.Roles[rapid.SampledFrom(owners).Draw(t, "in")] = role
	}
	for range rapid.IntRange(0, 4).Draw(t, "grants") {
		g := access.Grant{
			ObjectKind: rapid.SampledFrom([]string{access.OnOwner, access.OnChannel, access.OnPackage}).Draw(t, "on"),
			Verb:       rapid.SampledFrom([]access.Verb{access.Read, access.Write, access.Admin, "none"}).Draw(t, "verb"),
		}
		ids := owners
		if g.ObjectKind != access.OnOwner {
			ids = []string{all[1].id, all[6].id, all[7].id, all[13].id, all[3].id, "gone", ""}
		}
		if g.ObjectKind == access.OnChannel {
			ids = []string{"c-owner0-private", "c-owner1-main", "c-owner1-internal", "c-owner3-private", "gone", ""}
		}
		g.ObjectID = rapid.SampledFrom(ids).Draw(t, "object")
		a.Grants = append(a.Grants, g)
	}
	return a
}

func TestReadablePackagesAgreesWithCan(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		all := fill(ctx, t, db)
		where := place(ctx, t, db, all)
		rapid.Check(t, func(t *rapid.T) {
			a := drawActor(t, all)
			family := rapid.SampledFrom([]string{"api", "conda", "pypi"}).Draw(t, "family")
			want := []string{}
			for _, p := range all {
				o := p.object()
				o.Scope = family
				if family == "api" {
					o.Closed = where.closed(a, p)
				}
				if access.Can(a, access.Read, o).Allowed {
					want = append(want, p.id)
				}
			}
			var args []any
			arg := func(v any) string {
				args = append(args, v)
				return fmt.Sprintf("$%d", len(args))
			}
			condition := access.ReadablePackagesVia(a, family, arg, db, "p")
			if family == "api" {
				args = nil
				condition = access.ReadablePackages(a, arg, db, "p")
			}
			got, err := sqldb.All(ctx, db, sqldb.Scalar[string], "SELECT p.id FROM packages AS p WHERE "+condition+" ORDER BY p.id", args...)
			if err != nil {
				t.Fatalf("%s: %v", condition, err)
			}
			slices.Sort(want)
			if diff := cmp.Diff(strings.Join(want, " "), strings.Join(got, " ")); diff != "" {
				t.Fatalf("Can and SQL differ (-can +sql):\n%s\n%s", diff, condition)
			}
		})
	})
}

// placement is which channels hold the live files of each package, a list of them
// for each file.
type placement struct {
	main  map[string]access.Object // by id of the owner
	files map[string][][]access.Object
}

// place gives every owner but the last channels of all visibilities, and the
// packages files in some of them: none, one, two, deleted ones, ones without a
// label.
func place(ctx context.Context, t *testing.T, db *sqldb.DB, all []pkg) placement {
	t.Helper()
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(ctx, query, args...); err != nil {
			t.Fatal(err)
		}
	}
	where := placement{main: map[string]access.Object{}, files: map[string][][]access.Object{}}
	channels := map[string][]access.Object{}
	mains := map[string]string{"owner0": access.Public, "owner1": access.Private, "owner2": access.Internal, "owner3": access.Authenticated}
	for owner, main := range mains {
		for _, v := range []string{"main", access.Public, access.Authenticated, access.Internal, access.Private} {
			o := access.Object{OwnerID: "o" + owner, OwnerName: owner, ChannelID: "c-" + owner + "-" + v, Channel: v, Visibility: v}
			if v == "main" {
				o.Visibility = main
				where.main[o.OwnerID] = o
			}
			exec("INSERT INTO channels (id, owner_id, name, kind, visibility, locked, generation, created_at) VALUES ($1, $2, $3, 'local', $4, $5, 0, $6)",
				o.ChannelID, o.OwnerID, v, o.Visibility, false, at)
			channels[owner] = append(channels[owner], o)
		}
	}
	// The places of the files of the packages of an owner: indexes into its channels.
	shapes := [][][]int{{}, {{0}}, {{}}, {{4}}, {{3}, {4}}, {{2}}, {{1}, {4}}, {{3, 4}}, {{}, {4}}, {{0, 3}}, {{4}, {2}}, {{3}}, {}, {{1}}, {{4}}, {{}}}
	for i, p := range all {
		exec("INSERT INTO release_rows (id, package_id, version, attrs, created_at) VALUES ($1, $2, '1.0', '{}', $3)", "r"+p.id, p.id, at)
		file := func(n int, deleted *time.Time, in []access.Object) {
			id := fmt.Sprintf("f%s-%d", p.id, n)
			exec(`INSERT INTO file_rows (id, owner_id, package_id, release_id, type, name, name_key, basename, version, size, md5, sha256, stored, attrs, uploaded_at, indexed_ms, deleted_at)
				VALUES ($1, $2, $3, $4, 'file', $1, $1, $1, '1.0', 1, '', '', $5, '{}', $6, 0, $7)`, id, p.ownerID, p.id, "r"+p.id, true, at, deleted)
			for _, ch := range in {
				exec("INSERT INTO file_channels (file_id, channel_id, added_at) VALUES ($1, $2, $3)", id, ch.ChannelID, at)
			}
		}
		for n, shape := range shapes[i] {
			var in []access.Object
			for _, c := range shape {
				in = append(in, channels[p.owner][c])
			}
			file(n, nil, in)
			where.files[p.id] = append(where.files[p.id], in)
		}
		file(99, &at, channels[p.owner][1:2])
	}
	return where
}

// closed says in Go what ClosedPackages does in SQL.
func (w placement) closed(a access.Actor, p pkg) bool {
	opens := func(o access.Object) bool { return access.Can(a, access.Read, o).Allowed }
	bare := len(w.files[p.id]) == 0
	for _, in := range w.files[p.id] {
		if slices.ContainsFunc(in, opens) {
			return false
		}
		bare = bare || len(in) == 0
	}
	return !bare || !opens(w.main[p.ownerID])
}

// TestVerbsRise checks on random rights that who may change may read, and that a
// narrower credential never may more.
func TestVerbsRise(t *testing.T) {
	var all []pkg
	for i := range 16 {
		owner := fmt.Sprintf("owner%d", i/4)
		all = append(all, pkg{fmt.Sprintf("p%d%d", i/4, i%4), "o" + owner, owner, fmt.Sprintf("name%d", i%4), i%2 == 1})
	}
	rapid.Check(t, func(t *rapid.T) {
		a := drawActor(t, all)
		o := rapid.SampledFrom(all).Draw(t, "package").object()
		if rapid.Bool().Draw(t, "in a channel") {
			o.ChannelID = "c1"
			o.Visibility = rapid.SampledFrom([]string{access.Public, access.Authenticated, access.Internal, access.Private, "odd"}).Draw(t, "visibility")
		}
		full := a
		full.Scopes, full.Resources, full.OrgToken, full.Verified = nil, nil, "", true
		verbs := []access.Verb{access.Read, access.Write, access.Admin}
		for i, v := range verbs {
			if access.Can(a, v, o).Allowed && !access.Can(full, v, o).Allowed {
				t.Fatalf("a limited credential may %s, the person not", v)
			}
			if i > 0 && access.Can(full, v, o).Allowed && !access.Can(full, verbs[i-1], o).Allowed {
				t.Fatalf("may %s and not %s", v, verbs[i-1])
			}
		}
	})
}
