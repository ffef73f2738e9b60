package access_test

import (
	"slices"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
)

func TestScopes(t *testing.T) {
	tests := []struct {
		have access.Scopes
		want string
		ok   bool
	}{
		{nil, "api:write", true},
		{access.Scopes{}, "all", true},
		{access.Scopes{"all"}, "conda:download", true},
		{access.Scopes{"api"}, "api:read", true},
		{access.Scopes{"api"}, "api:modify-group", true},
		{access.Scopes{"api"}, "conda:download", false},
		{access.Scopes{"api:read"}, "api:write", false},
		{access.Scopes{"api:read"}, "api", false},
		{access.Scopes{"api:read"}, "all", false},
		{access.Scopes{"repos"}, "conda:download", true},
		{access.Scopes{"repos"}, "pypi:download", true},
		{access.Scopes{"repos"}, "pypi:upload", false},
		{access.Scopes{"conda"}, "conda:download", true},
		{access.Scopes{"con"}, "conda:download", false},
		{access.Scopes{"pypi:upload", "api:read"}, "api:read", true},
	}
	for _, tt := range tests {
		if got := tt.have.Allow(tt.want); got != tt.ok {
			t.Errorf("%v covers %s: got %v", tt.have, tt.want, got)
		}
	}
	within := []struct {
		narrow, wide access.Scopes
		ok           bool
	}{
		{nil, nil, true},
		{nil, access.Scopes{"all"}, true},
		{nil, access.Scopes{"api"}, false},
		{access.Scopes{"all"}, access.Scopes{"api"}, false},
		{access.Scopes{"api:read"}, access.Scopes{"api"}, true},
		{access.Scopes{"api:read", "conda"}, access.Scopes{"api"}, false},
	}
	for _, tt := range within {
		if got := tt.narrow.Within(tt.wide); got != tt.ok {
			t.Errorf("%v within %v: got %v", tt.narrow, tt.wide, got)
		}
	}
	if err := access.CheckScopes([]string{"api:read", "conda"}); err != nil {
		t.Error(err)
	}
	if err := access.CheckScopes([]string{"api:red"}); errs.KindOf(err) != errs.Invalid {
		t.Errorf("got %v, want invalid", err)
	}
}

func TestOwnerNames(t *testing.T) {
	for _, good := range []string{"ana", "a", "0", "a-b_c", "x23456789012345678901234567890123456789", "condaforge", "rr"} {
		if err := access.CheckOwnerName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "-a", "_a", ".a", "Ana", "a b", "a/b", "a.b", "é", "a\x00", "\xff", "x234567890123456789012345678901234567890",
		"admin", "label", "-", "main", "r", "msys2", "linux-64", "noarch", "favicon.ico", // reserved
		"ad-min", "linux_64", "linux64", "r-", "no_arch", // to be taken for them
	} {
		if err := access.CheckOwnerName(bad); errs.KindOf(err) != errs.Invalid || errs.Field(err) != "name" {
			t.Errorf("%q: got %v, want invalid", bad, err)
		}
	}
	for _, name := range []string{"Admin", "_x", ".well-known", "win-64"} {
		if !access.ReservedName(name) {
			t.Errorf("%q is not reserved", name)
		}
	}
	if access.ReservedName("ana") || !access.MirrorName("main") || access.MirrorName("ana") {
		t.Error("reserved and mirror names are mixed up")
	}
	if access.NameKey("A-b_C") != access.NameKey("abc") || access.NameKey("abc") == access.NameKey("abd") {
		t.Error("look-alikes do not share a key")
	}
}

func TestIDsRiseWithTime(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	var ids []string
	for i := range 1000 {
		id := access.NewID(at.Add(time.Duration(i) * time.Millisecond))
		if len(id) != 20 {
			t.Fatalf("%q has %d characters", id, len(id))
		}
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) {
		t.Error("later ids do not sort behind earlier ones")
	}
	if one, other := access.NewID(at), access.NewID(at); one == other {
		t.Error("two ids of one moment are the same")
	}
}
