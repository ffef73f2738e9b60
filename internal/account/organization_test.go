package account_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
)

func TestOrganizations(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ana, bob := w.user("ana"), w.user("bob")
		ana, acme := w.organization(ana, "Acme")
		if acme.Name != "acme" || acme.Role != access.RoleOwner || ana.Roles[acme.ID] != access.RoleOwner {
			t.Errorf("got %+v, roles %v", acme, ana.Roles)
		}
		if n := w.count("SELECT COUNT(*) FROM channels WHERE owner_id = $1 AND name = 'main'", acme.ID); n != 1 {
			t.Error("there is no channel acme/main")
		}
		for name, kind := range map[string]errs.Kind{"acme": errs.Exists, "ac_me": errs.Exists, "bob": errs.Exists, "conda": errs.Invalid, "a b": errs.Invalid} {
			_, err := w.CreateOrganization(ctx, bob, name, "x@example.org")
			wantKind(t, err, kind, "")
		}
		_, err := w.CreateOrganization(ctx, bob, "fine", "no address")
		wantKind(t, err, errs.Invalid, "e-mail")
		_, err = w.CreateOrganization(ctx, w.anonymous(), "fine", "x@example.org")
		wantKind(t, err, errs.Unauthenticated, "")
		limited, err := w.by(w.token(bob, account.NewToken{Scopes: []string{"api:read"}}))
		ok(t, err)
		_, err = w.CreateOrganization(ctx, limited, "fine", "x@example.org")
		wantKind(t, err, errs.Forbidden, "api:write")

		list, err := w.OrganizationsOf(ctx, ana, "ana")
		ok(t, err)
		if len(list) != 1 || list[0].Name != "acme" || list[0].Role != access.RoleOwner || list[0].Email != "Acme@example.org" {
			t.Errorf("got %+v", list)
		}
		list, err = w.OrganizationsOf(ctx, w.anonymous(), "ana")
		ok(t, err)
		if len(list) != 0 {
			t.Errorf("for nobody in particular: %+v", list)
		}
		list, err = w.OrganizationsOf(ctx, bob, "ana")
		ok(t, err)
		if len(list) != 0 {
			t.Errorf("for a stranger: %+v", list)
		}
		ok(t, w.AddMember(ctx, ana, "acme", "bob", access.RoleMember))
		_, err = w.CreateOrganization(ctx, ana, "hers", "hers@example.org")
		ok(t, err)
		list, err = w.OrganizationsOf(ctx, w.actor(bob.ID), "ana")
		ok(t, err)
		if len(list) != 1 || list[0].Name != "acme" || list[0].Email != "" {
			t.Errorf("for somebody of the same organisation: %+v", list)
		}
		_, err = w.OrganizationsOf(ctx, ana, "acme")
		wantKind(t, err, errs.NotFound, "no user acme")

		errors := atOnce(4, func(int) error {
			_, err := w.CreateOrganization(ctx, bob, "race", "x@example.org")
			return err
		})
		oneWins(t, errors, errs.Exists)
	})
}

func TestMembers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ana, _ := w.organization(w.user("ana"), "acme")
		people := map[string]access.Actor{}
		for name, role := range map[string]access.Role{"admin1": access.RoleAdministrator, "mem": access.RoleMember, "mem2": access.RoleMember} {
			people[name] = w.user(name)
			ok(t, w.AddMember(ctx, ana, "acme", name, role))
			people[name] = w.actor(people[name].ID)
		}
		stranger := w.user("stranger")
		admin, mem := people["admin1"], people["mem"]

		wantKind(t, w.AddMember(ctx, mem, "acme", "stranger", access.RoleOwner), errs.Forbidden, "Only the owners and administrators of acme")
		wantKind(t, w.AddMember(ctx, stranger, "acme", "stranger", access.RoleMember), errs.Forbidden, "")
		wantKind(t, w.AddMember(ctx, w.anonymous(), "acme", "stranger", access.RoleMember), errs.Unauthenticated, "")
		wantKind(t, w.AddMember(ctx, admin, "acme", "stranger", access.RoleOwner), errs.Forbidden, "Only an owner of acme makes")
		wantKind(t, w.SetRole(ctx, admin, "acme", "admin1", access.RoleOwner), errs.Forbidden, "Only an owner")
		wantKind(t, w.SetRole(ctx, admin, "acme", "ana", access.RoleMember), errs.Forbidden, "Only an owner")
		wantKind(t, w.RemoveMember(ctx, admin, "acme", "ana"), errs.Forbidden, "Only an owner")
		wantKind(t, w.RemoveMember(ctx, mem, "acme", "mem2"), errs.Forbidden, "")
		wantKind(t, w.AddMember(ctx, ana, "acme", "mem", access.RoleMember), errs.Exists, "already")
		wantKind(t, w.AddMember(ctx, ana, "acme", "nobody", access.RoleMember), errs.NotFound, "no user nobody")
		wantKind(t, w.AddMember(ctx, ana, "acme", "stranger", "boss"), errs.Invalid, "not \"boss\"")
		wantKind(t, w.SetRole(ctx, ana, "acme", "stranger", access.RoleMember), errs.NotFound, "no member")
		wantKind(t, w.RemoveMember(ctx, ana, "acme", "stranger"), errs.NotFound, "no member")
		wantKind(t, w.AddMember(ctx, ana, "ana", "mem", access.RoleMember), errs.NotFound, "a user, not")

		// The last owner stays, whatever the way out.
		wantKind(t, w.RemoveMember(ctx, ana, "acme", "ana"), errs.Forbidden, "last owner")
		wantKind(t, w.SetRole(ctx, ana, "acme", "ana", access.RoleAdministrator), errs.Forbidden, "last owner")
		wantKind(t, w.RemoveGroupMember(ctx, ana, "acme", "owners", "ana"), errs.Forbidden, "last owner")
		ok(t, w.SetRole(ctx, ana, "acme", "admin1", access.RoleOwner))
		owners := []access.Actor{ana, w.actor(admin.ID)}
		oneWins(t, atOnce(2, func(i int) error { return w.RemoveMember(ctx, owners[i], "acme", owners[i].Name) }), errs.Forbidden)
		if n := w.count("SELECT COUNT(*) FROM memberships WHERE role = 'owner'"); n != 1 {
			t.Errorf("there are %d owners left, want 1", n)
		}
		reader, err := w.by(w.token(mem, account.NewToken{Scopes: []string{"api:read"}}))
		ok(t, err)
		wantKind(t, w.RemoveMember(ctx, reader, "acme", "mem"), errs.Forbidden, "")
		ok(t, w.RemoveMember(ctx, mem, "acme", "mem")) // members may leave

		list, err := w.Members(ctx, people["mem2"], "acme")
		ok(t, err)
		if len(list) != 2 || list[1].Name != "mem2" || list[1].Role != access.RoleMember {
			t.Errorf("got %+v", list)
		}
		_, err = w.Members(ctx, stranger, "acme")
		wantKind(t, err, errs.Forbidden, "Only members")
		_, err = w.Members(ctx, w.anonymous(), "acme")
		wantKind(t, err, errs.Unauthenticated, "Sign in")
		_, err = w.Members(ctx, w.operator("op"), "acme")
		ok(t, err)
	})
}

func TestGroups(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ana, acme := w.organization(w.user("ana"), "acme")
		mem := w.user("mem")
		ok(t, w.AddMember(ctx, ana, "acme", "mem", access.RoleMember))
		mem = w.actor(mem.ID)
		eli := w.user("eli")

		_, err := w.CreateGroup(ctx, ana, "acme", account.NewGroup{Name: "Geo", Permission: access.Read})
		ok(t, err)
		for _, tt := range []struct {
			actor access.Actor
			org   string
			group account.NewGroup
			kind  errs.Kind
			says  string
		}{
			{ana, "acme", account.NewGroup{Name: "geo", Permission: access.Read}, errs.Exists, "already"},
			{ana, "acme", account.NewGroup{Name: "owners", Permission: access.Read}, errs.Exists, "already"},
			{ana, "acme", account.NewGroup{Name: "a/b", Permission: access.Read}, errs.Invalid, "letters"},
			{ana, "acme", account.NewGroup{Name: "x", Permission: "own"}, errs.Invalid, "read, write or admin"},
			{ana, "ana", account.NewGroup{Name: "x", Permission: access.Read}, errs.Invalid, "Only organisations have groups"},
			{ana, "nobody", account.NewGroup{Name: "x", Permission: access.Read}, errs.NotFound, ""},
			{mem, "acme", account.NewGroup{Name: "x", Permission: access.Read}, errs.Forbidden, ""},
			{w.anonymous(), "acme", account.NewGroup{Name: "x", Permission: access.Read}, errs.Unauthenticated, ""},
		} {
			_, err := w.CreateGroup(ctx, tt.actor, tt.org, tt.group)
			wantKind(t, err, tt.kind, tt.says)
		}
		writer, err := w.by(w.token(ana, account.NewToken{Scopes: []string{"api:write", "api:read"}}))
		ok(t, err)
		_, err = w.CreateGroup(ctx, writer, "acme", account.NewGroup{Name: "x", Permission: access.Read})
		wantKind(t, err, errs.Forbidden, "api:modify-group")
		wantKind(t, w.AddGroupMember(ctx, writer, "acme", "owners", "eli"), errs.Forbidden, "api:modify-group")

		shut := w.pkg(acme.Owner, "shut", true)
		w.pkg(acme.Owner, "other", true)
		may := func(v access.Verb) bool { return access.Can(w.actor(eli.ID), v, shut).Allowed }
		ok(t, w.AddGroupMember(ctx, ana, "acme", "GEO", "eli")) // becomes a member too
		ok(t, w.AddGroupMember(ctx, ana, "acme", "geo", "eli")) // again is no fault
		if w.actor(eli.ID).Roles[acme.ID] != access.RoleMember || may(access.Read) {
			t.Error("the group of no packages opens one, or its member is none of the organisation")
		}
		wantKind(t, w.AddGroupPackage(ctx, ana, "acme", "geo", "absent"), errs.NotFound, "acme/absent")
		ok(t, w.AddGroupPackage(ctx, ana, "acme", "geo", "shut"))
		ok(t, w.AddGroupPackage(ctx, ana, "acme", "geo", "shut"))
		if !may(access.Read) || may(access.Write) {
			t.Error("a group that reads does not read, or writes")
		}
		_, err = w.UpdateGroup(ctx, ana, "acme", "geo", account.NewGroup{Name: "geo2", Permission: access.Write})
		ok(t, err)
		if !may(access.Write) {
			t.Error("the new permission of the group does not reach its packages")
		}
		g, err := w.Group(ctx, mem, "acme", "geo2")
		ok(t, err)
		if g.Members != 1 || g.ChosenPackages != 1 || g.Permission != access.Write || g.AllPackages {
			t.Errorf("got %+v", g)
		}
		names := func(actor access.Actor, group string) string {
			list, err := w.GroupPackages(ctx, actor, "acme", group)
			ok(t, err)
			var names []string
			for _, p := range list {
				names = append(names, p.Name)
			}
			return strings.Join(names, " ")
		}
		if got := names(ana, "geo2"); got != "shut" {
			t.Errorf("the group has %q", got)
		}
		if got := names(ana, "owners"); got != "other shut" {
			t.Errorf("owners have %q", got)
		}
		if got := names(mem, "owners"); got != "" {
			t.Errorf("a member without grants is told of %q", got)
		}
		ok(t, w.RemoveGroupPackage(ctx, ana, "acme", "geo2", "shut"))
		wantKind(t, w.RemoveGroupPackage(ctx, ana, "acme", "geo2", "shut"), errs.NotFound, "has no package")
		if may(access.Read) {
			t.Error("a package taken from the group stays open")
		}
		_, err = w.UpdateGroup(ctx, ana, "acme", "geo2", account.NewGroup{Name: "geo2", Permission: access.Admin, AllPackages: true})
		ok(t, err)
		if !may(access.Admin) {
			t.Error("a group on all packages does not reach one")
		}
		named, verb, some := "geo3", access.Write, false
		for _, u := range []account.GroupUpdate{{Name: &named}, {Permission: &verb}, {AllPackages: &some}} {
			_, err = w.ChangeGroup(ctx, ana, "acme", "geo2", u)
			ok(t, err)
			if u.Name != nil {
				back := "geo2"
				_, err = w.ChangeGroup(ctx, ana, "acme", "geo3", account.GroupUpdate{Name: &back})
				ok(t, err)
			}
		}
		if g, err := w.Group(ctx, mem, "acme", "geo2"); err != nil || g.Permission != access.Write || g.AllPackages {
			t.Errorf("three changes, one after the other, made %+v, %v", g, err)
		}
		odd := access.Verb("own")
		_, err = w.ChangeGroup(ctx, ana, "acme", "geo2", account.GroupUpdate{Permission: &odd})
		wantKind(t, err, errs.Invalid, "read, write or admin")
		_, err = w.UpdateGroup(ctx, ana, "acme", "geo2", account.NewGroup{Name: "geo2", Permission: access.Admin, AllPackages: true})
		ok(t, err)
		groups, err := w.Groups(ctx, mem, "acme")
		ok(t, err)
		if len(groups) != 2 || groups[0].Name != account.Owners || groups[0].Members != 1 || groups[1].Name != "geo2" {
			t.Errorf("got %+v", groups)
		}
		in, err := w.GroupMembers(ctx, mem, "acme", "geo2")
		ok(t, err)
		if len(in) != 1 || in[0].Name != "eli" || in[0].Role != access.RoleMember {
			t.Errorf("got %+v", in)
		}
		ok(t, w.RemoveGroupMember(ctx, ana, "acme", "geo2", "eli"))
		wantKind(t, w.RemoveGroupMember(ctx, ana, "acme", "geo2", "eli"), errs.NotFound, "not in the group")
		if may(access.Read) {
			t.Error("who was taken from the group keeps its rights")
		}
		ok(t, w.AddGroupMember(ctx, ana, "acme", "geo2", "eli"))
		ok(t, w.DeleteGroup(ctx, ana, "acme", "geo2"))
		if may(access.Read) {
			t.Error("a deleted group opens a package")
		}
		wantKind(t, w.DeleteGroup(ctx, ana, "acme", "geo2"), errs.NotFound, "no group")
		wantKind(t, w.DeleteGroup(ctx, ana, "acme", "Owners"), errs.Forbidden, "always exists")
		_, err = w.UpdateGroup(ctx, ana, "acme", "owners", account.NewGroup{Name: "x", Permission: access.Read})
		wantKind(t, err, errs.Forbidden, "always exists")

		ok(t, w.AddGroupMember(ctx, ana, "acme", "owners", "eli"))
		if w.actor(eli.ID).Roles[acme.ID] != access.RoleOwner {
			t.Error("who is put into owners is no owner")
		}
		ok(t, w.RemoveGroupMember(ctx, ana, "acme", "owners", "eli"))
		wantKind(t, w.RemoveGroupMember(ctx, ana, "acme", "owners", "eli"), errs.NotFound, "not in the group owners")
		if w.actor(eli.ID).Roles[acme.ID] != access.RoleMember {
			t.Error("who is taken from owners is no member")
		}
		_, err = w.Groups(ctx, w.user("stranger"), "acme")
		wantKind(t, err, errs.Forbidden, "")
	})
}

func TestGrants(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ana, acme := w.organization(w.user("ana"), "acme")
		eli := w.user("eli")
		_, err := w.CreateGroup(ctx, ana, "acme", account.NewGroup{Name: "all", Permission: access.Read, AllPackages: true})
		ok(t, err)
		_, err = w.CreateGroup(ctx, ana, "acme", account.NewGroup{Name: "some", Permission: access.Read})
		ok(t, err)
		shut := w.pkg(acme.Owner, "shut", true)
		toEli, toSome := account.Subject{Kind: "user", Name: "eli"}, account.Subject{Kind: "group", Name: "some"}

		wantKind(t, w.Grant(ctx, eli, toEli, shut, access.Read), errs.NotFound, "no package acme/shut")
		lie := shut
		lie.Private, lie.OwnerID, lie.OwnerName = false, eli.ID, "eli" // what the caller says of an object counts for nothing
		wantKind(t, w.Grant(ctx, eli, toEli, lie, access.Admin), errs.NotFound, "")
		wantKind(t, w.Grant(ctx, ana, toEli, shut, "own"), errs.Invalid, "read, write or admin")
		wantKind(t, w.Grant(ctx, ana, account.Subject{Kind: "user", Name: "zoe"}, shut, access.Read), errs.NotFound, "no user zoe")
		wantKind(t, w.Grant(ctx, ana, account.Subject{Kind: "group", Name: "zoe"}, shut, access.Read), errs.NotFound, "no group zoe")
		wantKind(t, w.Grant(ctx, ana, account.Subject{Kind: "cat", Name: "zoe"}, shut, access.Read), errs.Invalid, "")
		wantKind(t, w.Grant(ctx, ana, toEli, access.Object{OwnerName: "acme", PackageID: "gone", PackageName: "x"}, access.Read), errs.NotFound, "")
		wantKind(t, w.Revoke(ctx, ana, toEli, shut), errs.NotFound, "no grant")

		ok(t, w.Grant(ctx, ana, toEli, shut, access.Read))
		if actor := w.actor(eli.ID); !access.Can(actor, access.Read, shut).Allowed || access.Can(actor, access.Write, shut).Allowed {
			t.Error("read is not read")
		}
		wantKind(t, w.Grant(ctx, w.actor(eli.ID), toEli, shut, access.Admin), errs.Forbidden, "right admin")
		ok(t, w.Grant(ctx, ana, toEli, shut, access.Admin))
		ok(t, w.Grant(ctx, w.actor(eli.ID), toSome, shut, access.Write)) // administering includes giving
		ok(t, w.Grant(ctx, ana, toSome, acme.Object(), access.Write))
		list, err := w.AccessTo(ctx, ana, shut)
		ok(t, err)
		var got []string
		for _, g := range list {
			line := g.Subject.Kind + " " + g.Subject.Name + " " + string(g.Verb)
			if g.Inherited {
				line += " inherited"
			}
			got = append(got, line)
		}
		want := []string{"group all read inherited", "group some write", "group some write inherited", "user eli admin"}
		sorted := cmp.Transformer("sorted", func(s []string) map[string]int {
			m := map[string]int{}
			for _, line := range s {
				m[line]++
			}
			return m
		})
		if diff := cmp.Diff(want, got, sorted); diff != "" {
			t.Errorf("who has access (-want +got):\n%s", diff)
		}
		if n, err := w.CountReaders(ctx, ana, shut); err != nil || n != 2 { // ana owns acme, eli has a grant
			t.Errorf("%d people may read acme/shut, %v; want 2", n, err)
		}
		_, err = w.AccessTo(ctx, w.user("bob"), shut)
		wantKind(t, err, errs.NotFound, "")
		_, err = w.CountReaders(ctx, w.user("ida"), shut)
		wantKind(t, err, errs.NotFound, "")
		ok(t, w.Revoke(ctx, ana, toEli, shut))
		if access.Can(w.actor(eli.ID), access.Read, shut).Allowed {
			t.Error("a revoked grant opens the package")
		}

		// A channel, and a user's own package.
		channel := acme.Object()
		if err := w.db.Row(ctx, "SELECT id FROM channels WHERE owner_id = $1", acme.ID).Scan(&channel.ChannelID); err != nil {
			t.Fatal(err)
		}
		channel.Channel, channel.Visibility = "main", access.Public
		ok(t, w.Grant(ctx, ana, toEli, channel, access.Write))
		if !access.Can(w.actor(eli.ID), access.Write, channel).Allowed {
			t.Error("a grant on a channel does not reach it")
		}
		own, err := w.Owner(ctx, "eli")
		ok(t, err)
		mine := w.pkg(own, "mine", true)
		wantKind(t, w.Grant(ctx, w.actor(eli.ID), account.Subject{Kind: "group", Name: "some"}, mine, access.Read), errs.Invalid, "Only organisations have groups")
		wantKind(t, w.Grant(ctx, w.actor(eli.ID), toEli, mine, access.Read), errs.Invalid, "needs no grant")
		ok(t, w.Grant(ctx, w.actor(eli.ID), account.Subject{Kind: "user", Name: "bob"}, mine, access.Read))
	})
}

func TestProfile(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ana, acme := w.organization(w.user("ana"), "acme")
		want := account.Profile{FullName: "Acme Ltd", Company: "Acme", Location: "Ghent", URL: "https://acme.example", Description: "Maps."}
		ok(t, w.UpdateProfile(ctx, ana, "acme", want))
		o, err := w.OwnerByID(ctx, acme.ID)
		ok(t, err)
		if got := (account.Profile{FullName: o.FullName, Company: o.Company, Location: o.Location, URL: o.URL, Description: o.Description}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		for _, url := range []string{"javascript:alert(1)", "acme.example", "https://", "//acme.example"} {
			wantKind(t, w.UpdateProfile(ctx, ana, "acme", account.Profile{URL: url}), errs.Invalid, "https://")
		}
		wantKind(t, w.UpdateProfile(ctx, ana, "acme", account.Profile{FullName: strings.Repeat("x", 201)}), errs.Invalid, "the limit is 200")
		wantKind(t, w.UpdateProfile(ctx, w.user("bob"), "acme", want), errs.Forbidden, "")
		wantKind(t, w.UpdateProfile(ctx, w.anonymous(), "acme", want), errs.Unauthenticated, "")
		ok(t, w.UpdateProfile(ctx, w.operator("op"), "acme", want))
		for _, name := range []string{"nobody", "no\xffbody", "no\x00body", strings.Repeat("x", 500)} {
			_, err = w.Owner(ctx, name)
			wantKind(t, err, errs.NotFound, "There is no user or organisation")
		}
		_, err = w.OwnerByID(ctx, "gone")
		wantKind(t, err, errs.NotFound, "")
	})
}
