// Package doors_test walks every route of the program with every kind of caller:
// who is let in, what is written down of it, what of private things comes out,
// and whether a secret goes anywhere.
package doors_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/web"
)

// world is an instance with the organisation acme. It owns the public package
// open, the private package shut, both in main, and the package buried, which
// only the private channel cellar lists.
type world struct {
	*apptest.App
	testing.TB
	olga  *apptest.Person // owns acme
	adam  *apptest.Person // administers it
	wanda *apptest.Person // a member who may write all its packages
	mike  *apptest.Person // a member without a grant
	sara  *apptest.Person // a stranger
	root  *apptest.Person // the operator
	acme  account.Organization
	made  int
}

// The files of the world, as their channels name them.
const (
	openFile   = "open-1.0-0.conda"
	shutFile   = "shut-1.0-0.conda"
	buriedFile = "buried-1.0-0.conda"
)

func newWorld(t testing.TB, opts ...apptest.Option) *world {
	t.Helper()
	w := &world{App: apptest.New(t, opts...), TB: t}
	w.root = w.Operator(t, "root")
	for name, p := range map[string]**apptest.Person{"olga": &w.olga, "adam": &w.adam, "wanda": &w.wanda, "mike": &w.mike, "sara": &w.sara} {
		*p = w.User(t, name)
	}
	w.acme = w.Org(t, "acme", w.olga)
	olga := w.olga.Actor(t)
	for name, role := range map[string]access.Role{"adam": access.RoleAdministrator, "wanda": access.RoleMember, "mike": access.RoleMember} {
		w.must(w.Accounts.AddMember(t.Context(), olga, "acme", name, role))
	}
	w.must(w.Accounts.Grant(t.Context(), olga, account.Subject{Kind: "user", Name: "wanda"}, w.acme.Object(), access.Write))
	w.Want(t, http.StatusCreated, "POST", "/api/v1/channels", apptest.Request{
		Token: w.olga.Token, Body: []byte(`{"owner":"acme","name":"cellar","visibility":"private"}`),
	})
	w.olga.Upload(t, "acme", condatest.Spec{Name: "open", License: "MIT"}, "")
	w.olga.Upload(t, "acme", condatest.Spec{Name: "shut", License: "MIT"}, "private=true")
	w.olga.Upload(t, "acme/cellar", condatest.Spec{Name: "buried"}, "")
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// name gives a name that nothing has.
func (w *world) name(prefix string) string {
	w.made++
	return fmt.Sprintf("%s%d", prefix, w.made)
}

// pkg publishes a new public package of acme and gives its name; its one file is
// noarch/NAME-1.0-0.conda.
func (w *world) pkg() string {
	w.Helper()
	name := w.name("thing")
	w.olga.Upload(w, "acme", condatest.Spec{Name: name}, "")
	return name
}

// base is the path of the one file of a package behind OWNER/PACKAGE/VERSION.
func base(pkg string) string { return "noarch/" + pkg + "-1.0-0.conda" }

// person makes somebody new.
func (w *world) person() *apptest.Person {
	w.Helper()
	return w.User(w, w.name("guest"))
}

// group makes a group of acme with a member and a package and gives the names.
func (w *world) group() (group, user, pkg string) {
	w.Helper()
	group, user, pkg = w.name("group"), w.person().Name, "open"
	olga, ctx := w.olga.Actor(w), w.Context()
	_, err := w.Accounts.CreateGroup(ctx, olga, "acme", account.NewGroup{Name: group, Permission: access.Read})
	w.must(err)
	w.must(w.Accounts.AddMember(ctx, olga, "acme", user, access.RoleMember))
	w.must(w.Accounts.AddGroupMember(ctx, olga, "acme", group, user))
	w.must(w.Accounts.AddGroupPackage(ctx, olga, "acme", group, pkg))
	return group, user, pkg
}

// member makes somebody new who belongs to acme.
func (w *world) member() string {
	w.Helper()
	p := w.person()
	w.must(w.Accounts.AddMember(w.Context(), w.olga.Actor(w), "acme", p.Name, access.RoleMember))
	return p.Name
}

// stage announces a file of acme for somebody and gives what the client got.
func (w *world) stage(p *apptest.Person) (pkg, dist, postPath string) {
	w.Helper()
	pkg = w.name("thing")
	as := apptest.Request{Token: p.Token}
	as.Body = []byte(`{"public": true, "public_attrs": {"package_types": ["conda"]}}`)
	w.Want(w, http.StatusOK, "POST", "/api/package/acme/"+pkg, as)
	as.Body = []byte(`{"requirements": []}`)
	w.Want(w, http.StatusOK, "POST", "/api/release/acme/"+pkg+"/1.0", as)
	as.Body = []byte(`{"distribution_type": "conda", "attrs": {}, "channels": ["main"]}`)
	var staged struct {
		PostURL string `json:"post_url"`
		DistID  string `json:"dist_id"`
	}
	w.Want(w, http.StatusOK, "POST", "/api/stage/acme/"+pkg+"/1.0/"+base(pkg), as).JSON(w, &staged)
	return pkg, staged.DistID, strings.TrimPrefix(staged.PostURL, w.Config.URL)
}

// form makes the body of a form.
func form(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

// caller is somebody who makes a request.
type caller struct {
	name   string
	person *apptest.Person // nil: nobody in particular
	token  string
	bad    bool // the credential is none
}

// callers are all kinds. The last two show a credential that is not known and one
// that has ended.
func (w *world) callers() []caller {
	w.Helper()
	over := w.sara.NewToken(w, account.NewToken{Name: w.name("over"), MaxAge: time.Second})
	w.Clock.Pass(2 * time.Second)
	list := []caller{{name: "anonymous"}}
	for _, p := range []struct {
		name   string
		person *apptest.Person
	}{{"stranger", w.sara}, {"member", w.mike}, {"writer", w.wanda}, {"administrator", w.adam}, {"operator", w.root}} {
		list = append(list, caller{name: p.name, person: p.person, token: p.person.Token})
	}
	unknown := strings.TrimSuffix(w.sara.Token, w.sara.Token[len(w.sara.Token)-3:]) + "zzz"
	return append(list, caller{name: "bad token", token: unknown, bad: true}, caller{name: "expired token", token: over, bad: true})
}

// face names the face that answers a pattern.
func face(rt web.Route) string {
	switch {
	case rt.Method == http.MethodPut && strings.HasPrefix(rt.Pattern, "/conda/"):
		return "api"
	case strings.HasPrefix(rt.Pattern, "/conda/"), strings.HasPrefix(rt.Pattern, "/repo/"):
		return "conda"
	case strings.HasPrefix(rt.Pattern, "/api"):
		return "api"
	default:
		return "page"
	}
}

func key(rt web.Route) string { return rt.Method + " " + rt.Pattern }
