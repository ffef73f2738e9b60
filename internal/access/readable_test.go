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
			exec("INSERT INTO packages (id, owner_id, name, private, attrs, types, platforms, created_at, modified_at) VALUES ($1, $2, $3, $4, '{}', '[]', '[]', $5, $5)",
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
			ids = []string{all[1].id, all[6].id, all[7].id, all[13].id, "gone", ""}
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
		rapid.Check(t, func(t *rapid.T) {
			a := drawActor(t, all)
			family := rapid.SampledFrom([]string{"api", "conda", "pypi"}).Draw(t, "family")
			want := []string{}
			for _, p := range all {
				o := p.object()
				o.Scope = family
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
				var again []any
				twin := access.ReadablePackages(a, func(v any) string { again = append(again, v); return fmt.Sprintf("$%d", len(again)) }, db, "p")
				if twin != condition {
					t.Fatalf("the short form says %s, the long one %s", twin, condition)
				}
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
