package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

func write(t *testing.T, db *sqldb.DB, a access.Actor, e audit.Entry) {
	t.Helper()
	if err := db.Tx(t.Context(), func(tx *sqldb.DB) error { return audit.Write(t.Context(), tx, a, e) }); err != nil {
		t.Fatal(err)
	}
}

func TestRowsComeBackAsWritten(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		at := time.Date(2026, 11, 21, 10, 0, 0, 123456000, time.UTC)
		ana := access.Actor{Kind: access.KindPerson, ID: "u-1", Name: "ana", Credential: "token t-1", Remote: "192.0.2.1", RequestID: "r-\xff\x00"}
		write(t, db, ana, audit.Entry{
			At: at, Action: "package.update", OwnerID: "acme", ObjectKind: "package", ObjectID: "p-1", ObjectName: "acme/x",
			Before: map[string]any{"private": true}, After: map[string]any{"private": false, "by": "\xff"},
		})
		rows, next, err := audit.List(t.Context(), db, audit.Filter{})
		if err != nil || len(rows) != 1 || next != "" {
			t.Fatalf("got %d rows, next %q, %v", len(rows), next, err)
		}
		got := rows[0]
		if !got.At.Equal(at) || got.ActorKind != access.KindPerson || got.ActorName != "ana" || got.Credential != "token t-1" || got.Remote != "192.0.2.1" ||
			got.Action != "package.update" || got.ObjectName != "acme/x" || string(got.Before) != `{"private":true}` || string(got.After) != `{"by":"\ufffd","private":false}` && string(got.After) != "{\"by\":\"\ufffd\",\"private\":false}" {
			t.Errorf("got %+v, before %s, after %s", got, got.Before, got.After)
		}
		write(t, db, access.Actor{}, audit.Entry{Action: "user.sign-up", ObjectKind: "user"})
		rows, _, err = audit.List(t.Context(), db, audit.Filter{Action: "user.sign-up"})
		if err != nil || len(rows) != 1 || rows[0].ActorKind != access.KindAnonymous || rows[0].Before != nil || rows[0].After != nil || rows[0].At.IsZero() {
			t.Errorf("got %+v, %v", rows, err)
		}
	})
}

func TestARowIsUndoneWithItsChange(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		undone := errs.New(errs.Conflict, "undone")
		err := db.Tx(t.Context(), func(tx *sqldb.DB) error {
			if err := audit.Write(t.Context(), tx, access.System(), audit.Entry{Action: "x.y", ObjectKind: "x"}); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
		if rows, _, err := audit.List(t.Context(), db, audit.Filter{}); err != nil || len(rows) != 0 {
			t.Errorf("got %d rows, %v", len(rows), err)
		}
		unfit := func() {}
		if err := audit.Write(t.Context(), db, access.System(), audit.Entry{Action: "x.y", ObjectKind: "x", After: unfit}); err == nil {
			t.Error("what is no JSON was written")
		}
	})
}

func TestList(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		start := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
		for i := range 10 {
			owner, action := "acme", "token.create"
			if i%2 == 1 {
				owner, action = "other", "tokens.sweep"
			}
			write(t, db, access.Actor{Kind: access.KindPerson, ID: fmt.Sprintf("u-%d", i%3)}, audit.Entry{
				At: start.Add(time.Duration(i) * time.Second), Action: action, OwnerID: owner, ObjectKind: "token", ObjectID: fmt.Sprint(i),
			})
		}
		ids := func(f audit.Filter) string {
			t.Helper()
			var all []string
			for {
				rows, next, err := audit.List(t.Context(), db, f)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range rows {
					all = append(all, r.ObjectID)
				}
				if next == "" {
					return strings.Join(all, " ")
				}
				f.After = next
			}
		}
		for _, tt := range []struct {
			name   string
			filter audit.Filter
			want   string
		}{
			{"all", audit.Filter{}, "9 8 7 6 5 4 3 2 1 0"},
			{"by pages", audit.Filter{Limit: 3}, "9 8 7 6 5 4 3 2 1 0"},
			{"of an owner, by pages", audit.Filter{OwnerID: "acme", Limit: 2}, "8 6 4 2 0"},
			{"of an actor", audit.Filter{ActorID: "u-0"}, "9 6 3 0"},
			{"an action", audit.Filter{Action: "tokens.sweep"}, "9 7 5 3 1"},
			{"all actions on tokens", audit.Filter{Action: "token."}, "8 6 4 2 0"},
			{"an object", audit.Filter{ObjectKind: "token", ObjectID: "4"}, "4"},
			{"a time", audit.Filter{Since: start.Add(3 * time.Second), Until: start.Add(6 * time.Second)}, "5 4 3"},
			{"nothing", audit.Filter{Action: "token"}, ""},
		} {
			if got := ids(tt.filter); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}

func TestWhoSeesTheLog(t *testing.T) {
	db := sqldbtest.Open(t)
	write(t, db, access.System(), audit.Entry{Action: "package.create", OwnerID: "acme", ObjectKind: "package"})
	write(t, db, access.System(), audit.Entry{Action: "package.create", OwnerID: "other", ObjectKind: "package"})
	acme := access.Object{OwnerID: "acme", OwnerName: "acme", OwnerKind: access.Organization}
	person := func(role access.Role, operator bool) access.Actor {
		return access.Actor{Kind: access.KindPerson, ID: "u-1", Operator: operator, Roles: map[string]access.Role{"acme": role}}
	}
	limited := func(scope string) access.Actor {
		a := person(access.RoleAdministrator, true)
		a.Scopes = access.Scopes{scope}
		return a
	}
	for _, tt := range []struct {
		name  string
		actor access.Actor
		owner access.Object
		want  int
		kind  errs.Kind
	}{
		{"administrator", person(access.RoleAdministrator, false), acme, 1, 0},
		{"member", person(access.RoleMember, false), acme, 0, errs.Forbidden},
		{"administrator with a token that reads", limited("api:read"), acme, 1, 0},
		{"administrator with a token that does not", limited("conda"), acme, 0, errs.Forbidden},
		{"operator with a token that does not, all", limited("conda"), access.Object{}, 0, errs.Forbidden},
		{"nobody", access.Anonymous(""), acme, 0, errs.Unauthenticated},
		{"operator", person("", true), acme, 1, 0},
		{"operator, all", person("", true), access.Object{}, 2, 0},
		{"administrator, all", person(access.RoleAdministrator, false), access.Object{}, 0, errs.Forbidden},
	} {
		rows, _, err := audit.ListFor(t.Context(), db, tt.actor, tt.owner, audit.Filter{OwnerID: "other"})
		if len(rows) != tt.want || err != nil && errs.KindOf(err) != tt.kind || err == nil && tt.kind != 0 {
			t.Errorf("%s: got %d rows, %v", tt.name, len(rows), err)
		}
	}
}
