package access_test

import (
	"strings"
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/errs"
)

// The cast of the table: the organisation acme with one channel and one package
// under ids that the grants name.
func actors() map[string]access.Actor {
	person := func(change func(*access.Actor)) access.Actor {
		a := access.Actor{Kind: access.KindPerson, ID: "u-1", Name: "ana", Verified: true}
		change(&a)
		return a
	}
	role := func(r access.Role) access.Actor {
		return person(func(a *access.Actor) { a.Roles = map[string]access.Role{"acme": r} })
	}
	grant := func(kind, id string, v access.Verb) access.Actor {
		return person(func(a *access.Actor) { a.Grants = []access.Grant{{ObjectKind: kind, ObjectID: id, Verb: v}} })
	}
	return map[string]access.Actor{
		"anonymous":     access.Anonymous("192.0.2.1"),
		"zero":          {},
		"stranger":      person(func(a *access.Actor) { a.Roles = map[string]access.Role{"other": access.RoleOwner} }),
		"operator":      person(func(a *access.Actor) { a.Operator = true }),
		"system":        access.System(),
		"itself":        person(func(a *access.Actor) { a.ID = "acme" }),
		"owner":         role(access.RoleOwner),
		"administrator": role(access.RoleAdministrator),
		"member":        role(access.RoleMember),
		"owner:read":    grant(access.OnOwner, "acme", access.Read),
		"owner:write":   grant(access.OnOwner, "acme", access.Write),
		"owner:admin":   grant(access.OnOwner, "acme", access.Admin),
		"channel:read":  grant(access.OnChannel, "c-1", access.Read),
		"channel:write": grant(access.OnChannel, "c-1", access.Write),
		"channel:admin": grant(access.OnChannel, "c-1", access.Admin),
		"package:read":  grant(access.OnPackage, "p-1", access.Read),
		"package:write": grant(access.OnPackage, "p-1", access.Write),
		"package:admin": grant(access.OnPackage, "p-1", access.Admin),
		"elsewhere":     grant(access.OnPackage, "p-2", access.Admin),
		"empty grant":   grant(access.OnPackage, "", access.Admin),
	}
}

var objectNames = []string{"acme", "public/", "authenticated/", "internal/", "private/", "open", "shut", "public/open", "public/shut", "internal/open", "private/open", "private/shut"}

func object(name string) access.Object {
	o := access.Object{OwnerID: "acme", OwnerName: "acme", OwnerKind: access.Organization}
	channel, pkg, inChannel := strings.Cut(name, "/")
	if !inChannel {
		pkg, channel = channel, ""
	}
	if channel != "" {
		o.ChannelID, o.Channel, o.Visibility = "c-1", "dev", channel
	}
	switch pkg {
	case "open", "shut":
		o.PackageID, o.PackageName, o.Private = "p-1", "rasterio", pkg == "shut"
	}
	return o
}

// TestCan is the whole rule as a table: the highest verb that each actor has on
// each object, or "-".
func TestCan(t *testing.T) {
	const table = `
		                 acme pub/ auth/ int/ prv/ open shut pub/open pub/shut int/open prv/open prv/shut
		anonymous        r    r    -     -    -    r    -    r        -        -        -        -
		zero             r    r    -     -    -    r    -    r        -        -        -        -
		stranger         r    r    r     -    -    r    -    r        -        -        -        -
		operator         r    r    r     -    -    r    -    r        -        -        -        -
		elsewhere        r    r    r     -    -    r    -    r        -        -        -        -
		empty_grant      r    r    r     -    -    r    -    r        -        -        -        -
		member           r    r    r     r    -    r    -    r        -        r        -        -
		administrator    a    a    a     a    a    a    a    a        a        a        a        a
		owner            a    a    a     a    a    a    a    a        a        a        a        a
		itself           a    a    a     a    a    a    a    a        a        a        a        a
		system           a    a    a     a    a    a    a    a        a        a        a        a
		owner:read       r    r    r     r    r    r    r    r        r        r        r        r
		owner:write      w    w    w     w    w    w    w    w        w        w        w        w
		owner:admin      w    a    a     a    a    a    a    a        a        a        a        a
		channel:read     r    r    r     r    r    r    -    r        -        r        r        -
		channel:write    r    w    w     w    w    r    -    w        -        w        w        -
		channel:admin    r    a    a     a    a    r    -    w        -        w        w        -
		package:read     r    r    r     -    -    r    r    r        r        -        -        -
		package:write    r    r    r     -    -    w    w    w        w        -        -        -
		package:admin    r    r    r     -    -    a    a    a        a        -        -        -`
	cast := actors()
	seen := 0
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[1:] {
		cells := strings.Fields(line)
		name := strings.ReplaceAll(cells[0], "_", " ")
		actor, ok := cast[name]
		if !ok || len(cells) != len(objectNames)+1 {
			t.Fatalf("the line %q has no actor or not %d cells", line, len(objectNames)+1)
		}
		seen++
		for i, on := range objectNames {
			got := "-"
			for _, v := range []access.Verb{access.Read, access.Write, access.Admin} {
				verdict := access.Can(actor, v, object(on))
				if verdict.Allowed {
					got = string(v[0])
				} else if verdict.Why == "" {
					t.Errorf("%s may not %s %s, and no sentence says why", name, v, on)
				}
				if verdict.Allowed != (verdict.Err(object(on)) == nil) {
					t.Errorf("%s, %s, %s: allowed %v, error %v", name, v, on, verdict.Allowed, verdict.Err(object(on)))
				}
				if want := cells[i+1] != "-"; verdict.Readable != want {
					t.Errorf("%s, %s, %s: readable %v, want %v", name, v, on, verdict.Readable, want)
				}
			}
			if got != cells[i+1] {
				t.Errorf("%s on %s: got %s, want %s", name, on, got, cells[i+1])
			}
		}
	}
	if seen != len(cast) {
		t.Errorf("the table has %d of %d actors", seen, len(cast))
	}
}

// TestCredentialNarrows takes an administrator and limits the credential.
func TestCredentialNarrows(t *testing.T) {
	tests := []struct {
		name   string
		limit  func(*access.Actor)
		verb   access.Verb
		on     string
		scope  string
		want   string // part of the sentence, "" if allowed
		public bool   // what all may read needs no scope
	}{
		{"all scopes", func(a *access.Actor) { a.Scopes = access.Scopes{"all"} }, access.Admin, "shut", "", "", false},
		{"read", func(a *access.Actor) { a.Scopes = access.Scopes{"api:read"} }, access.Read, "shut", "", "", false},
		{"write with read", func(a *access.Actor) { a.Scopes = access.Scopes{"api:read"} }, access.Write, "shut", "", "api:write", false},
		{"read with write", func(a *access.Actor) { a.Scopes = access.Scopes{"api:write"} }, access.Read, "shut", "", "api:read", false},
		{"conda door", func(a *access.Actor) { a.Scopes = access.Scopes{"conda:download"} }, access.Read, "private/shut", "conda", "", false},
		{"conda door with api", func(a *access.Actor) { a.Scopes = access.Scopes{"api"} }, access.Read, "private/shut", "conda", "conda:download", false},
		{"conda upload", func(a *access.Actor) { a.Scopes = access.Scopes{"conda"} }, access.Write, "private/shut", "conda", "api:write", false},
		{"repos", func(a *access.Actor) { a.Scopes = access.Scopes{"repos"} }, access.Read, "shut", "pypi", "", false},
		{"pypi upload", func(a *access.Actor) { a.Scopes = access.Scopes{"pypi:download"} }, access.Write, "shut", "pypi", "pypi:upload", false},
		{"groups", func(a *access.Actor) { a.Scopes = access.Scopes{"api:write"} }, access.Admin, "acme", "api:modify-group", "api:modify-group", false},
		{"public needs none", func(a *access.Actor) { a.Scopes = access.Scopes{"pypi:upload"} }, access.Read, "open", "", "", true},
		{"authenticated needs none", func(a *access.Actor) { a.Scopes = access.Scopes{"pypi:upload"} }, access.Read, "authenticated/", "conda", "", true},
		{"its owner", func(a *access.Actor) { a.Resources = []string{"acme"} }, access.Write, "shut", "", "", false},
		{"its package", func(a *access.Actor) { a.Resources = []string{"x", "acme/rasterio"} }, access.Write, "private/shut", "", "", false},
		{"another package", func(a *access.Actor) { a.Resources = []string{"acme/gdal"} }, access.Read, "shut", "", "limited to acme/gdal", false},
		{"a package is no owner", func(a *access.Actor) { a.Resources = []string{"acme/rasterio"} }, access.Admin, "acme", "", "limited to", false},
		{"limited, but public", func(a *access.Actor) { a.Resources = []string{"x"} }, access.Read, "public/open", "conda", "", true},
		{"its organisation", func(a *access.Actor) { a.OrgToken = "acme" }, access.Admin, "shut", "", "", false},
		{"another organisation", func(a *access.Actor) { a.OrgToken = "other" }, access.Read, "shut", "", "another organisation", false},
		{"unverified, public", func(a *access.Actor) { a.Verified = false }, access.Write, "public/open", "", "Verify your e-mail", false},
		{"unverified, private package", func(a *access.Actor) { a.Verified = false }, access.Write, "public/shut", "", "", false},
		{"unverified, private channel", func(a *access.Actor) { a.Verified = false }, access.Write, "private/open", "", "", false},
		{"unverified may delete", func(a *access.Actor) { a.Verified = false }, access.Admin, "public/open", "", "", false},
		{"no such verb", func(a *access.Actor) {}, "own", "open", "", "no right called own", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := actors()["administrator"]
			tt.limit(&a)
			o := object(tt.on)
			o.Scope = tt.scope
			verdict := access.Can(a, tt.verb, o)
			if verdict.Allowed != (tt.want == "") || !strings.Contains(verdict.Why, tt.want) {
				t.Errorf("allowed %v, why %q, want %q", verdict.Allowed, verdict.Why, tt.want)
			}
			if err := verdict.Err(o); tt.want != "" && errs.KindOf(err) != errs.Forbidden {
				t.Errorf("got %v, want forbidden", err)
			}
			if tt.public {
				if nobody := access.Can(access.Actor{Kind: access.KindPerson, ID: "u-9"}, tt.verb, o); !nobody.Allowed {
					t.Error("the case wants something that all may read")
				}
			}
		})
	}
}

// TestRefusals holds the statuses that each door promises.
func TestRefusals(t *testing.T) {
	tests := []struct {
		actor string
		verb  access.Verb
		on    string
		scope string
		want  errs.Kind
	}{
		{"anonymous", access.Read, "shut", "", errs.NotFound},
		{"anonymous", access.Read, "private/", "conda", errs.Unauthenticated},
		{"anonymous", access.Read, "shut", "pypi", errs.Unauthenticated},
		{"anonymous", access.Write, "open", "", errs.Unauthenticated},
		{"anonymous", access.Write, "shut", "", errs.NotFound}, // or 401 would tell that it exists
		{"stranger", access.Read, "shut", "", errs.NotFound},
		{"stranger", access.Read, "private/", "conda", errs.NotFound},
		{"stranger", access.Write, "shut", "", errs.NotFound},
		{"stranger", access.Write, "open", "", errs.Forbidden},
		{"member", access.Read, "shut", "", errs.NotFound},
		{"member", access.Read, "private/", "conda", errs.Forbidden},
		{"member", access.Read, "shut", "pypi", errs.Forbidden},
		{"member", access.Admin, "acme", "", errs.Forbidden},
		{"operator", access.Read, "shut", "", errs.NotFound},
	}
	for _, tt := range tests {
		o := object(tt.on)
		o.Scope = tt.scope
		err := access.Can(actors()[tt.actor], tt.verb, o).Err(o)
		if errs.KindOf(err) != tt.want {
			t.Errorf("%s, %s, %s behind %q: got %v (%v), want %v", tt.actor, tt.verb, tt.on, tt.scope, errs.KindOf(err), err, tt.want)
		}
	}

	// What is closed and what is absent must not differ by a letter.
	o := object("shut")
	closed := access.Can(actors()["stranger"], access.Read, o).Err(o)
	absent := access.Absent(access.Object{OwnerName: "acme", PackageName: "rasterio"})
	if closed.Error() != absent.Error() {
		t.Errorf("closed: %q, absent: %q", closed, absent)
	}
	o = object("private/")
	o.Scope = "conda"
	closed = access.Can(access.Actor{}, access.Read, o).Err(o)
	absent = access.Hidden(access.Object{OwnerName: "acme", Channel: "nothing", Scope: "conda"})
	if closed.Error() != absent.Error() || errs.Reason(closed) != "private-or-absent" || errs.Reason(absent) != "private-or-absent" {
		t.Errorf("closed: %q, absent: %q", closed, absent)
	}
}

func TestMemberInVerdict(t *testing.T) {
	for name, want := range map[string]bool{
		"anonymous": false, "stranger": false, "operator": false, "owner:admin": false,
		"member": true, "administrator": true, "owner": true, "itself": true, "system": true,
	} {
		if got := access.Can(actors()[name], access.Read, object("shut")).Member; got != want {
			t.Errorf("%s: member %v, want %v", name, got, want)
		}
	}
	// An object without an owner belongs to nobody, not to actors without an id.
	if access.Can(access.Actor{Kind: access.KindWorker}, access.Write, access.Object{}).Allowed {
		t.Error("an actor without an id owns an object without one")
	}
}
