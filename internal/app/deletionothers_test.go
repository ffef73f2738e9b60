package app_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/registry"
)

// TestDeletedSnapshot: a snapshot of a deleted owner's channel is like none for who
// made it, whatever is asked of it, and gone with the channel when that is erased.
func TestDeletedSnapshot(t *testing.T) {
	a := apptest.New(t)
	root, sara := a.Operator(t, "root"), a.User(t, "sara")
	a.User(t, "src").Upload(t, "src", condatest.Spec{Name: "soil"}, "")
	ctx := t.Context()
	snapshot := func() registry.Channel {
		t.Helper()
		ch, err := a.Registry.CreateSnapshot(ctx, sara.Actor(t), "sara", registry.NewSnapshot{Name: "copy", Owner: "src"})
		must(t, err)
		return ch
	}
	copied := snapshot()
	must(t, a.Accounts.Grant(ctx, sara.Actor(t), account.Subject{Kind: "user", Name: "root"},
		access.Object{OwnerID: sara.ID, OwnerName: "sara", ChannelID: copied.ID, Channel: "copy"}, access.Admin))
	patch := func(channel, body string) *apptest.Answer {
		t.Helper()
		return a.Do(t, "PATCH", "/api/v1/channels/sara/"+channel, apptest.Request{Token: sara.Token, Body: []byte(body)})
	}
	if got := patch("copy", `{"description":"There"}`); got.Status != http.StatusOK {
		t.Fatalf("before: %s", got)
	}
	delSrc := func() {
		t.Helper()
		_, err := a.Accounts.DeleteOwner(ctx, root.Actor(t), "src", "src")
		must(t, err)
	}
	delSrc()
	before := a.Dump(t)
	for _, body := range []string{`{"frozen":false}`, `{"frozen":true}`, `{"description":"x"}`, `{"locked":true}`, `{"visibility":"private"}`} {
		got, never := patch("copy", body), patch("nope", body)
		if got.Status != http.StatusNotFound || strings.ReplaceAll(string(got.Body), "copy", "nope") != string(never.Body) {
			t.Errorf("PATCH %s answers %s; of a channel that never was, %s", body, got, never)
		}
	}
	if after := a.Dump(t); after != before {
		t.Error("a change that was refused left rows")
	}

	_, err := a.Accounts.RestoreOwner(ctx, root.Actor(t), "src")
	must(t, err)
	if got := patch("copy", `{"description":"Back"}`); got.Status != http.StatusOK {
		t.Errorf("restored: %s", got)
	}

	delSrc()
	a.Clock.Pass(week + time.Minute)
	if n, err := a.EraseOwners(ctx, access.System()); err != nil || n != 1 {
		t.Fatalf("%d owners were erased: %v", n, err)
	}
	rows := a.Rows(t)
	for _, table := range []string{"channels", "grants"} {
		for _, row := range rows.Of(t, table) {
			for column, v := range row {
				if v == copied.ID {
					t.Errorf("%s.%s still names the snapshot", table, column)
				}
			}
		}
	}
	if actions := logged(t, a, root, "sara"); !slices.Contains(actions, "channel.erase") {
		t.Errorf("the log of sara has %v", actions)
	}
	// The name is free again.
	if _, err := a.Registry.CreateChannel(ctx, sara.Actor(t), "sara", registry.NewChannel{Name: "copy"}); err != nil {
		t.Error(err)
	}
	a.Want(t, http.StatusOK, "GET", "/conda/sara/copy/noarch/repodata.json", apptest.Request{})
	report, err := a.Fsck(ctx, true)
	if err != nil || len(report.Faults) > 0 {
		t.Errorf("fsck: %v, %v", report.Faults, err)
	}
}

// TestRestoreWithoutOwner: an organisation whose owners were deleted while it was comes
// back only with somebody who can administer it, and is theirs when the others are erased.
func TestRestoreWithoutOwner(t *testing.T) {
	a := apptest.New(t)
	ctx := t.Context()
	root, ana, adam := a.Operator(t, "root"), a.User(t, "ana"), a.User(t, "adam")
	a.Org(t, "acme", ana)
	must(t, a.Accounts.AddMember(ctx, ana.Actor(t), "acme", "adam", access.RoleMember))
	ana.Upload(t, "acme", condatest.Spec{Name: "soil"}, "")
	a.Want(t, http.StatusOK, "DELETE", "/api/v1/organizations/acme?confirm=acme", apptest.Request{Token: ana.Token})
	actor, err := a.Accounts.ActorOf(ctx, ana.ID, "session", access.Request{Remote: "127.0.0.1"})
	must(t, err)
	_, err = a.Accounts.DeleteAccount(ctx, actor, apptest.Password) // nothing blocks it: acme is deleted
	must(t, err)

	const restore = "/api/v1/organizations/acme/restore"
	as := apptest.Request{Token: root.Token}
	before := a.Dump(t)
	if got := a.Want(t, http.StatusConflict, "POST", restore, as); !strings.Contains(string(got.Body), `"no-owner"`) {
		t.Errorf("%s", got)
	}
	a.Want(t, http.StatusUnprocessableEntity, "POST", restore+"?owner=nemo", as)
	a.Want(t, http.StatusUnprocessableEntity, "POST", restore+"?owner=ana", as) // is deleted as well
	a.Want(t, http.StatusNotFound, "POST", restore+"?owner=adam", apptest.Request{Token: adam.Token})
	if after := a.Dump(t); after != before {
		t.Error("what was refused left rows")
	}
	a.Want(t, http.StatusOK, "POST", restore+"?owner=adam", as)
	if role, err := roleIn(a, "acme", adam.ID); err != nil || role != "owner" {
		t.Errorf("adam is %q: %v", role, err)
	}
	if actions := logged(t, a, root, "acme"); !slices.Contains(actions, "organization.restore root") || !slices.Contains(actions, "member.set-role root") {
		t.Errorf("the log of acme has %v", actions)
	}
	a.Clock.Pass(week + time.Minute)
	if n, err := a.EraseOwners(ctx, access.System()); err != nil || n != 1 {
		t.Fatalf("%d owners were erased: %v", n, err)
	}
	a.Want(t, http.StatusOK, "DELETE", "/api/v1/organizations/acme?confirm=acme", apptest.Request{Token: adam.Token})
	a.Want(t, http.StatusOK, "POST", restore, apptest.Request{Token: adam.Token})
}

// TestTakeFromDeleted: what a deleted person holds with others is taken away as ever,
// and stays so when the deletion is undone. Who may not take it learns nothing.
func TestTakeFromDeleted(t *testing.T) {
	a := apptest.New(t)
	root, olga, ana, eve := a.Operator(t, "root"), a.User(t, "olga"), a.User(t, "ana"), a.User(t, "eve")
	a.Org(t, "acme", olga)
	ctx := t.Context()
	must(t, a.Accounts.AddMember(ctx, olga.Actor(t), "acme", "ana", access.RoleOwner))
	must(t, a.Accounts.AddMember(ctx, olga.Actor(t), "acme", "eve", access.RoleMember))
	_, err := a.Accounts.CreateGroup(ctx, olga.Actor(t), "acme", account.NewGroup{Name: "team", Permission: access.Write})
	must(t, err)
	must(t, a.Accounts.AddGroupMember(ctx, olga.Actor(t), "acme", "team", "ana"))
	for _, p := range []string{"one", "two"} {
		olga.Upload(t, "olga", condatest.Spec{Name: p}, "private=true")
	}
	a.Want(t, http.StatusCreated, "PUT", "/api/packages/olga/one/collaborators/ana", apptest.Request{Token: olga.Token})
	_, secret, err := a.Accounts.CreateToken(ctx, ana.Actor(t), account.NewToken{Name: "robot", OrganizationName: "acme"})
	must(t, err)

	_, err = a.Accounts.DeleteOwner(ctx, root.Actor(t), "ana", "ana")
	must(t, err)
	before := a.Dump(t)
	const org = "/api/v1/organizations/acme"
	for _, tt := range []struct {
		p            *apptest.Person
		method, path string
		body         string
	}{
		{eve, "DELETE", org + "/members/ana", ""},
		{eve, "DELETE", "/api/v1/groups/acme/team/members/ana", ""},
		{eve, "DELETE", "/api/v1/groups/acme/owners/members/ana", ""},
		{eve, "DELETE", "/api/packages/olga/one/collaborators/ana", ""},
		{eve, "PATCH", "/api/v1/users/ana", `{"disabled":true}`},
		// What a deleted person does not hold cannot be taken, and nothing is given to it.
		{olga, "DELETE", "/api/packages/olga/two/collaborators/ana", ""},
		{olga, "PUT", "/api/packages/olga/two/collaborators/ana", ""},
		{olga, "PUT", "/api/v1/groups/acme/team/members/ana", ""},
		{olga, "PATCH", org + "/members/ana", `{"role":"member"}`},
	} {
		r := apptest.Request{Token: tt.p.Token, Body: []byte(tt.body)}
		got, never := a.Do(t, tt.method, tt.path, r), a.Do(t, tt.method, strings.ReplaceAll(tt.path, "/ana", "/nemo"), r)
		if got.Status < 400 || got.Status != never.Status || strings.ReplaceAll(string(got.Body), "ana", "nemo") != string(never.Body) {
			t.Errorf("%s, of a deleted person: %s; of nobody: %s", tt.p.Name, got, never)
		}
	}
	if after := a.Dump(t); after != before {
		t.Error("a change that was refused left rows")
	}

	as := apptest.Request{Token: olga.Token}
	a.Want(t, http.StatusNoContent, "DELETE", "/api/v1/groups/acme/team/members/ana", as)
	a.Want(t, http.StatusNoContent, "DELETE", "/api/v1/groups/acme/owners/members/ana", as)
	if role, err := roleIn(a, "acme", ana.ID); err != nil || role != "member" {
		t.Errorf("out of the group owners, the role is %q: %v", role, err)
	}
	a.Want(t, http.StatusNoContent, "DELETE", org+"/members/ana", as)
	a.Want(t, http.StatusNotFound, "DELETE", org+"/members/ana", as) // once is enough
	a.Want(t, http.StatusCreated, "DELETE", "/api/packages/olga/one/collaborators/ana", as)
	disable := apptest.Request{Token: root.Token, Body: []byte(`{"disabled":true}`)}
	a.Want(t, http.StatusOK, "PATCH", "/api/v1/users/ana", disable)
	for _, action := range []string{"group.remove-member olga", "member.remove olga", "token.revoke olga"} {
		if actions := logged(t, a, root, "acme"); !slices.Contains(actions, action) {
			t.Errorf("the log of acme has %v, not %s", actions, action)
		}
	}

	_, err = a.Accounts.RestoreOwner(ctx, root.Actor(t), "ana")
	must(t, err)
	a.Want(t, http.StatusUnauthorized, "GET", "/api/user", apptest.Request{Token: ana.Token}) // disabled
	must(t, a.Accounts.EnableUser(ctx, root.Actor(t), "ana"))
	a.Want(t, http.StatusOK, "GET", "/api/user", apptest.Request{Token: ana.Token})
	a.Want(t, http.StatusNotFound, "GET", "/api/package/olga/one", apptest.Request{Token: ana.Token})
	a.Want(t, http.StatusForbidden, "GET", org+"/members", apptest.Request{Token: ana.Token})
	a.Want(t, http.StatusUnauthorized, "GET", "/api/user", apptest.Request{Token: secret})
	for _, table := range []string{"memberships", "group_members"} {
		for _, row := range a.Rows(t).Of(t, table) {
			if row["user_id"] == ana.ID {
				t.Errorf("%s still has ana: %v", table, row)
			}
		}
	}
}

func roleIn(a *apptest.App, org, userID string) (role string, err error) {
	err = a.DB.Row(context.Background(), "SELECT m.role FROM memberships AS m JOIN owners AS o ON o.id = m.organization_id WHERE o.name = $1 AND m.user_id = $2", org, userID).Scan(&role)
	return role, err
}
