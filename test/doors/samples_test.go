package doors_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/registry"
)

// sample is one valid request of a route.
type sample struct {
	path   string
	body   string
	kind   string // Content-Type of the body; "" is JSON
	header map[string]string
	want   int            // the status for whom it is meant
	allow  map[string]int // statuses for callers that are not those of the route's verdict
	still  bool           // it changes no row although the route may
	told   bool           // reading is worth a word in the log, and changes nothing else
	quiet  bool           // what it changes is nobody's yet, so the log has no word of it
}

// maker makes a sample with fresh things, to be sent by p.
type maker func(w *world, p *apptest.Person) sample

func at(path string) maker {
	return func(*world, *apptest.Person) sample { return sample{path: path, want: http.StatusOK} }
}

func sees(path string, allow map[string]int) maker {
	return func(*world, *apptest.Person) sample { return sample{path: path, want: http.StatusOK, allow: allow} }
}

func redirects(path string, want int) maker {
	return func(*world, *apptest.Person) sample { return sample{path: path, want: want} }
}

const formKind = "application/x-www-form-urlencoded"

// posted is a sample of a form that is answered by a redirect.
func posted(path string, pairs ...string) sample {
	return sample{path: path, body: form(pairs...), kind: formKind, want: http.StatusSeeOther}
}

// file makes a sample of a request whose body is a package.
func file(path, name string, want int) sample {
	return sample{path: path, kind: "application/octet-stream", header: map[string]string{"X-File-Name": name}, want: want}
}

// multipartFile makes a form with one package in the part "file".
func multipartFile(w *world, pkg string, fields ...string) (body, kind string) {
	w.Helper()
	var b bytes.Buffer
	f := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		w.must(f.WriteField(fields[i], fields[i+1]))
	}
	part, err := f.CreateFormFile("file", pkg+"-1.0-0.conda")
	w.must(err)
	_, err = part.Write(condatest.Make(w, condatest.Spec{Name: pkg}))
	w.must(err)
	w.must(f.Close())
	return b.String(), f.FormDataContentType()
}

// link asks for a mailed link of a person and gives its path.
func (w *world) link(prefix string, ask func() error) string {
	w.Helper()
	before := len(w.Mails(w, 0))
	w.must(ask())
	mails := w.Mails(w, before+1)
	return w.Link(w, mails[len(mails)-1], prefix)
}

// unverified makes somebody who has signed up and not yet followed the link, and
// gives its path.
func (w *world) unverified() (name, link string) {
	w.Helper()
	name = w.name("fresh")
	link = w.link("/verify/", func() error {
		_, err := w.Accounts.SignUp(w.Context(), access.Anonymous("127.0.0.1"), account.SignUp{
			Name: name, Email: name + "@example.com", Password: apptest.Password, Password2: apptest.Password, Terms: true, TermsVersion: "1",
		})
		return err
	})
	return name, link
}

// resetLink is the path of a link that sets a new password for somebody new.
func (w *world) resetLink() string {
	w.Helper()
	p := w.person()
	return w.link("/reset/", func() error {
		return w.Accounts.ForgotPassword(w.Context(), access.Anonymous("127.0.0.1"), p.Email)
	})
}

// operatorsToo: operators may see it, which is more than the verdict says.
var operatorsToo = map[string]int{"operator": http.StatusOK}

// samples has a request for every route. Paths of readers name private things,
// those of writers and administrators public ones.
var samples = map[string]maker{
	"GET /conda/*": at("/conda/acme/cellar/noarch/repodata.json"),
	"GET /repo/*":  at("/repo/acme/cellar/noarch/repodata.json"),

	"GET /api":                                          at("/api"),
	"GET /api/":                                         at("/api/"),
	"GET /api/authentication-type":                      at("/api/authentication-type"),
	"GET /api/scopes":                                   at("/api/scopes"),
	"GET /api/authentications":                          at("/api/authentications"),
	"GET /api/authentication":                           at("/api/authentication"),
	"GET /api/user":                                     at("/api/user"),
	"GET /api/user/orgs":                                at("/api/user/orgs"),
	"GET /api/user/{login}":                             at("/api/user/acme"),
	"GET /api/users/{login}/orgs":                       at("/api/users/olga/orgs"),
	"GET /api/license":                                  at("/api/license"),
	"GET /api/packages":                                 at("/api/packages"),
	"GET /api/packages/{login}":                         at("/api/packages/acme"),
	"GET /api/package_listing":                          at("/api/package_listing"),
	"GET /api/search":                                   at("/api/search?name=open"),
	"GET /api/package/{owner}/{package}":                at("/api/package/acme/shut"),
	"GET /api/package/{owner}/{package}/files":          at("/api/package/acme/shut/files"),
	"GET /api/packages/{owner}/{package}/collaborators": at("/api/packages/acme/open/collaborators"),
	"GET /api/release/{owner}/{package}/{version}":      at("/api/release/acme/shut/1.0"),
	"GET /api/dist/{owner}/{package}/{version}/*":       at("/api/dist/acme/shut/1.0/noarch/" + shutFile),
	"GET /api/download/{owner}/{package}/{version}/*":   at("/api/download/acme/shut/1.0/noarch/" + shutFile),
	"GET /api/channels/{owner}":                         sees("/api/channels/acme", everybody),
	"GET /api/channels/{owner}/*":                       at("/api/channels/acme/cellar"),
	"GET /api/groups":                                   at("/api/groups"),
	"GET /api/groups/{org}":                             at("/api/groups/acme"),
	"GET /api/group/{org}/{group}":                      inGroup("GET", "", nil),
	"GET /api/group/{org}/{group}/members":              inGroup("GET", "/members", nil),
	"GET /api/group/{org}/{group}/members/{user}":       inGroup("GET", "/members/USER", nil),
	"GET /api/group/{org}/{group}/packages":             inGroup("GET", "/packages", nil),
	"GET /api/v1/users":                                 at("/api/v1/users"),
	"GET /api/v1/users/me":                              at("/api/v1/users/me"),
	"GET /api/v1/users/{name}":                          at("/api/v1/users/acme"),
	"GET /api/v1/tokens":                                at("/api/v1/tokens"),
	"GET /api/v1/tokens/{id}":                           ownToken("/api/v1/tokens/", http.StatusOK),
	"GET /api/v1/organizations":                         at("/api/v1/organizations"),
	"GET /api/v1/organizations/{name}":                  at("/api/v1/organizations/acme"),
	"GET /api/v1/organizations/{name}/members":          at("/api/v1/organizations/acme/members"),
	"GET /api/v1/packages":                              at("/api/v1/packages"),
	"GET /api/v1/packages/{owner}/{name}":               at("/api/v1/packages/acme/shut"),
	"GET /api/v1/packages/{owner}/{name}/files":         at("/api/v1/packages/acme/shut/files"),
	"GET /api/v1/files/{owner}/*":                       at("/api/v1/files/acme/main/noarch/" + shutFile),
	"GET /api/v1/trash/{owner}":                         at("/api/v1/trash/acme"),
	"GET /api/v1/channels":                              sees("/api/v1/channels?owner=acme", everybody),
	"GET /api/v1/channels/{owner}/*":                    at("/api/v1/channels/acme/cellar"),
	"GET /api/v1/generations/{owner}/*":                 at("/api/v1/generations/acme/cellar"),
	"GET /api/v1/changes/{owner}/*":                     at("/api/v1/changes/acme/cellar?generation=1"),
	"POST /api/v1/generations/{owner}/*":                rollingBack,
	"GET /api/v1/audit":                                 sees("/api/v1/audit?owner=acme", operatorsToo),
	"GET /api/v1/openapi.json":                          at("/api/v1/openapi.json"),
	"GET /api/v1/groups":                                at("/api/v1/groups?organization=acme"),
	"GET /api/v1/groups/{org}/{name}":                   inV1Group("", "", http.StatusOK),
	"GET /api/v1/groups/{org}/{name}/members":           inV1Group("/members", "", http.StatusOK),
	"GET /api/v1/groups/{org}/{name}/packages":          inV1Group("/packages", "", http.StatusOK),
	"GET /api/v1/version":                               at("/api/v1/version"),
	"GET /api/v1/config":                                at("/api/v1/config"),
	"GET /api/v1/imports":                               at("/api/v1/imports"),
	"GET /api/v1/imports/{id}":                          anImport,
	"GET /api/v1/backup": func(*world, *apptest.Person) sample {
		return sample{path: "/api/v1/backup", want: http.StatusOK, told: true}
	},

	"GET /api/{owner}/notices":               at("/api/acme/notices"),
	"GET /api/{owner}/notices/{id}":          notice("", "", http.StatusOK),
	"PATCH /api/{owner}/notices/{id}":        notice("", `{"message":"Other words"}`, http.StatusOK),
	"DELETE /api/{owner}/notices/{id}":       notice("", "", http.StatusNoContent),
	"POST /api/{owner}/notices/{id}/publish": notice("/publish", "", http.StatusOK),
	"POST /api/{owner}/notices/{id}/archive": notice("/archive", "", http.StatusOK),
	"POST /api/{owner}/notices": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/acme/notices", body: `{"message":"` + w.name("Words ") + `","level":"info"}`, want: http.StatusCreated}
	},

	"POST /api/authentications": func(w *world, p *apptest.Person) sample {
		return sample{path: "/api/authentications", body: `{"note":"` + w.name("laptop") + `","scopes":["api:read"]}`, want: http.StatusOK}
	},
	"DELETE /api/authentications": func(w *world, p *apptest.Person) sample {
		// A token gives itself up: not the one that the others need.
		token := p.NewToken(w, account.NewToken{Name: w.name("short")})
		return sample{path: "/api/authentications", header: map[string]string{"Authorization": "token " + token}, want: http.StatusCreated}
	},
	"DELETE /api/authentications/name/*": func(w *world, p *apptest.Person) sample {
		name := w.name("laptop/")
		p.NewToken(w, account.NewToken{Name: name})
		return sample{path: "/api/authentications/name/" + name, want: http.StatusCreated}
	},
	"DELETE /api/authentications/org/{org}/name/*": func(w *world, _ *apptest.Person) sample {
		name := w.name("robot")
		w.olga.NewToken(w, account.NewToken{Name: name, OrganizationName: "acme"})
		return sample{path: "/api/authentications/org/acme/name/" + name, want: http.StatusCreated, allow: map[string]int{
			"operator": http.StatusCreated, "member": http.StatusNotFound, "writer": http.StatusNotFound, // theirs alone
		}}
	},
	"POST /api/package/{owner}/{package}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/package/acme/" + w.name("new"), body: `{"public": true, "public_attrs": {"summary": "New"}}`, want: http.StatusOK}
	},
	"PATCH /api/package/{owner}/{package}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/package/acme/" + w.pkg(), body: `{"public_attrs": {"summary": "Changed"}}`, want: http.StatusOK}
	},
	"DELETE /api/package/{owner}/{package}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/package/acme/" + w.pkg(), want: http.StatusCreated}
	},
	"PUT /api/packages/{owner}/{package}/collaborators/{user}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/packages/acme/open/collaborators/" + w.person().Name, want: http.StatusCreated}
	},
	"DELETE /api/packages/{owner}/{package}/collaborators/{user}": func(w *world, _ *apptest.Person) sample {
		pkg, user := w.pkg(), w.person().Name
		w.Want(w, http.StatusCreated, "PUT", "/api/packages/acme/"+pkg+"/collaborators/"+user, apptest.Request{Token: w.olga.Token})
		return sample{path: "/api/packages/acme/" + pkg + "/collaborators/" + user, want: http.StatusCreated}
	},
	"POST /api/release/{owner}/{package}/{version}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/release/acme/open/" + w.name("2."), body: `{"description": "words"}`, want: http.StatusOK}
	},
	"PATCH /api/release/{owner}/{package}/{version}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/release/acme/" + w.pkg() + "/1.0", body: `{"public_attrs": {"summary": "Changed"}}`, want: http.StatusOK}
	},
	"DELETE /api/release/{owner}/{package}/{version}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/release/acme/" + w.pkg() + "/1.0", want: http.StatusCreated}
	},
	"DELETE /api/dist/{owner}/{package}/{version}/*": func(w *world, _ *apptest.Person) sample {
		pkg := w.pkg()
		return sample{path: "/api/dist/acme/" + pkg + "/1.0/" + base(pkg), want: http.StatusOK}
	},
	"POST /api/copy/package/{owner}/{package}/{version}/*":  copied(http.MethodPost),
	"PUT /api/copy/package/{owner}/{package}/{version}/*":   copied(http.MethodPut),
	"PATCH /api/copy/package/{owner}/{package}/{version}/*": copied(http.MethodPatch),
	"POST /api/channels/{owner}/*": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/channels/acme/" + w.name("label"), body: `{"package": "open"}`, want: http.StatusCreated}
	},
	"DELETE /api/channels/{owner}/*": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/channels/acme/main", body: `{"package": "` + w.pkg() + `"}`, want: http.StatusCreated}
	},
	"POST /api/group/{org}/{group}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/group/acme/" + w.name("team"), body: `{"perms": "read"}`, want: http.StatusNoContent, allow: operatorAdministers}
	},
	"DELETE /api/group/{org}/{group}": inGroup("DELETE", "", operatorAdministers),
	"PUT /api/group/{org}/{group}/members/{user}": func(w *world, _ *apptest.Person) sample {
		group, _, _ := w.group()
		return sample{path: "/api/group/acme/" + group + "/members/" + w.member(), want: http.StatusNoContent, allow: operatorAdministers}
	},
	"DELETE /api/group/{org}/{group}/members/{user}": inGroup("DELETE", "/members/USER", operatorAdministers),
	"PUT /api/group/{org}/{group}/packages/{package}": func(w *world, _ *apptest.Person) sample {
		group, _, _ := w.group()
		return sample{path: "/api/group/acme/" + group + "/packages/" + w.pkg(), want: http.StatusNoContent, allow: operatorAdministers}
	},
	"DELETE /api/group/{org}/{group}/packages/{package}": inGroup("DELETE", "/packages/PACKAGE", operatorAdministers),
	"POST /api/stage/{owner}/{package}/{version}/*": func(w *world, _ *apptest.Person) sample {
		pkg, _, _ := w.stage(w.olga)
		return sample{path: "/api/stage/acme/" + pkg + "/1.0/" + base(pkg), body: `{"distribution_type": "conda", "attrs": {}}`, want: http.StatusOK}
	},
	"POST /api/_storage/{secret}": func(w *world, _ *apptest.Person) sample {
		pkg, _, path := w.stage(w.olga)
		body, kind := multipartFile(w, pkg)
		// The announcement and the publishing are in the log; bytes between them
		// belong to neither package nor channel.
		return sample{path: path, body: body, kind: kind, want: http.StatusCreated, quiet: true}
	},
	"POST /api/commit/{owner}/{package}/{version}/*": func(w *world, p *apptest.Person) sample {
		if p == nil || p == w.sara || p == w.mike || p == w.root {
			p = w.olga
		}
		pkg, dist, path := w.stage(p)
		body, kind := multipartFile(w, pkg)
		w.Want(w, http.StatusCreated, "POST", path, apptest.Request{Body: []byte(body), Type: kind})
		return sample{path: "/api/commit/acme/" + pkg + "/1.0/" + base(pkg), body: `{"dist_id": "` + dist + `"}`, want: http.StatusOK, allow: map[string]int{
			"stranger": http.StatusBadRequest, "member": http.StatusBadRequest, "operator": http.StatusBadRequest, // who staged it commits it
		}}
	},
	"POST /api/v1/upload/{owner}":   uploaded("POST", "/api/v1/upload/acme"),
	"POST /api/v1/upload/{owner}/*": uploaded("POST", "/api/v1/upload/acme/main"),
	"PUT /conda/{owner}/*":          uploaded("PUT", "/conda/acme/main/noarch/"),

	"POST /api/v1/users": func(w *world, _ *apptest.Person) sample {
		name := w.name("hired")
		return sample{path: "/api/v1/users", body: `{"name":"` + name + `","email":"` + name + `@example.com"}`, want: http.StatusCreated}
	},
	"GET /api/v1/deletions": at("/api/v1/deletions"),
	"GET /api/v1/users/{name}/deletion": func(_ *world, p *apptest.Person) sample {
		return sample{path: "/api/v1/users/" + p.Name + "/deletion", want: http.StatusOK}
	},
	"DELETE /api/v1/users/{name}": func(w *world, _ *apptest.Person) sample {
		name := w.person().Name
		return sample{path: "/api/v1/users/" + name + "?confirm=" + name, want: http.StatusOK}
	},
	"POST /api/v1/users/{name}/restore": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/users/" + w.deleted(access.System(), w.person().Name) + "/restore", want: http.StatusOK, allow: absentToOthers}
	},
	"GET /api/v1/organizations/{name}/deletion": func(w *world, p *apptest.Person) sample {
		return sample{path: "/api/v1/organizations/" + w.club(p) + "/deletion", want: http.StatusOK, allow: everyOwner}
	},
	"DELETE /api/v1/organizations/{name}": func(w *world, p *apptest.Person) sample {
		name := w.club(p)
		return sample{path: "/api/v1/organizations/" + name + "?confirm=" + name, want: http.StatusOK, allow: everyOwner}
	},
	"POST /api/v1/organizations/{name}/restore": func(w *world, p *apptest.Person) sample {
		return sample{path: "/api/v1/organizations/" + w.deleted(p.Actor(w), w.club(p)) + "/restore", want: http.StatusOK, allow: everyOwner}
	},
	"PATCH /api/v1/users/{name}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/users/" + w.person().Name, body: `{"disabled":true}`, want: http.StatusOK}
	},
	"POST /api/v1/tokens": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/tokens", body: `{"name":"` + w.name("ci") + `","scopes":["api:read"]}`, want: http.StatusCreated}
	},
	"POST /api/v1/users/{name}/tokens": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/users/" + w.person().Name + "/tokens", body: `{"name":"` + w.name("ci") + `"}`, want: http.StatusCreated}
	},
	"DELETE /api/v1/tokens/{id}": ownToken("/api/v1/tokens/", http.StatusNoContent),
	"POST /api/v1/organizations": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/organizations", body: `{"name":"` + w.name("club") + `","email":"club@example.com"}`, want: http.StatusCreated}
	},
	"POST /api/v1/organizations/{name}/members": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/organizations/acme/members", body: `{"name":"` + w.person().Name + `"}`, want: http.StatusCreated, allow: map[string]int{"operator": http.StatusCreated}}
	},
	"PATCH /api/v1/organizations/{name}/members/{user}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/organizations/acme/members/" + w.member(), body: `{"role":"administrator"}`, want: http.StatusNoContent, allow: operatorAdministers}
	},
	"DELETE /api/v1/organizations/{name}/members/{user}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/organizations/acme/members/" + w.member(), want: http.StatusNoContent, allow: operatorAdministers}
	},
	"POST /api/v1/packages": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/packages", body: `{"owner":"acme","name":"` + w.name("new") + `"}`, want: http.StatusCreated}
	},
	"PATCH /api/v1/packages/{owner}/{name}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/packages/acme/" + w.pkg(), body: `{"visibility":"private"}`, want: http.StatusOK}
	},
	"DELETE /api/v1/packages/{owner}/{name}": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/packages/acme/" + w.pkg(), want: http.StatusNoContent}
	},
	"PATCH /api/v1/files/{owner}/*": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/files/acme/main/" + base(w.pkg()), body: `{"withdrawn":true,"why":"It is broken."}`, want: http.StatusOK}
	},
	"DELETE /api/v1/files/{owner}/*": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/files/acme/main/" + base(w.pkg()), want: http.StatusNoContent}
	},
	"POST /api/v1/trash/{owner}/{id}/restore": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/trash/acme/" + w.trashed(w.olga, "acme") + "/restore", want: http.StatusOK}
	},
	"POST /api/v1/channels": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/channels", body: `{"owner":"acme","name":"` + w.name("stable") + `"}`, want: http.StatusCreated}
	},
	"PATCH /api/v1/channels/{owner}/*": func(w *world, _ *apptest.Person) sample {
		name := w.name("stable")
		w.Want(w, http.StatusCreated, "POST", "/api/v1/channels", apptest.Request{Token: w.olga.Token, Body: []byte(`{"owner":"acme","name":"` + name + `"}`)})
		return sample{path: "/api/v1/channels/acme/" + name, body: `{"description":"Changed"}`, want: http.StatusOK}
	},
	"POST /api/v1/channels/{owner}/*": importing,
	"POST /api/v1/patches/{owner}/*": func(w *world, _ *apptest.Person) sample {
		return sample{
			path: "/api/v1/patches/acme/main?subdir=noarch", kind: "application/octet-stream", want: http.StatusOK,
			body: `{"patch_instructions_version":1,"packages.conda":{"` + w.pkg() + `-1.0-0.conda":{"license":"Other"}}}`,
		}
	},
	"POST /api/v1/fsck": func(*world, *apptest.Person) sample {
		return sample{path: "/api/v1/fsck", want: http.StatusOK, still: true}
	},
	"POST /api/v1/gc": gc,
	"POST /api/v1/groups": func(w *world, _ *apptest.Person) sample {
		return sample{path: "/api/v1/groups", body: `{"organization":"acme","name":"` + w.name("team") + `"}`, want: http.StatusCreated, allow: operatorMakes}
	},
	"PATCH /api/v1/groups/{org}/{name}":  inV1Group("", `{"permission":"write"}`, http.StatusOK),
	"DELETE /api/v1/groups/{org}/{name}": inV1Group("", "", http.StatusNoContent),
	"PUT /api/v1/groups/{org}/{name}/members/{user}": func(w *world, _ *apptest.Person) sample {
		group, _, _ := w.group()
		return sample{path: "/api/v1/groups/acme/" + group + "/members/" + w.member(), want: http.StatusNoContent, allow: operatorAdministers}
	},
	"DELETE /api/v1/groups/{org}/{name}/members/{user}": inV1Group("/members/USER", "", http.StatusNoContent),
	"PUT /api/v1/groups/{org}/{name}/packages/{package}": func(w *world, _ *apptest.Person) sample {
		group, _, _ := w.group()
		return sample{path: "/api/v1/groups/acme/" + group + "/packages/" + w.pkg(), want: http.StatusNoContent, allow: operatorAdministers}
	},
	"DELETE /api/v1/groups/{org}/{name}/packages/{package}": inV1Group("/packages/PACKAGE", "", http.StatusNoContent),

	"GET /":            unlessSignedIn("/"),
	"GET /search":      at("/search?q=open"),
	"GET /help":        at("/help"),
	"GET /terms":       at("/terms"),
	"GET /privacy":     at("/privacy"),
	"GET /status":      at("/status"),
	"GET /robots.txt":  at("/robots.txt"),
	"GET /favicon.ico": redirects("/favicon.ico", http.StatusFound),
	"GET /assets/*":    anAsset,
	"POST /theme":      func(*world, *apptest.Person) sample { return posted("/theme", "theme", "dark") },
	"POST /tool":       func(*world, *apptest.Person) sample { return posted("/tool", "tool", "pixi") },
	"POST /keys":       func(*world, *apptest.Person) sample { return posted("/keys", "keys", "off") },
	"GET /login":       unlessSignedIn("/login"),
	"POST /login": func(w *world, _ *apptest.Person) sample {
		return posted("/login", "username", w.person().Name, "password", apptest.Password)
	},
	"GET /login/keep": func(w *world, _ *apptest.Person) sample {
		return keeping(w, sample{path: "/login/keep", want: http.StatusOK})
	},
	"POST /login/keep": func(w *world, _ *apptest.Person) sample { return keeping(w, posted("/login/keep")) },
	"POST /logout": func(w *world, _ *apptest.Person) sample {
		s := posted("/logout")
		s.header = map[string]string{"Cookie": w.CookieName() + "=" + w.person().Cookie}
		return s
	},
	"GET /signup":          unlessSignedIn("/signup"),
	"GET /signup/username": at("/signup/username?username=free"),
	"POST /signup": func(w *world, _ *apptest.Person) sample {
		name := w.name("fresh")
		return posted("/signup", "username", name, "email", name+"@example.com", "password", apptest.Password, "password2", apptest.Password, "terms", "yes")
	},
	"GET /forgot/username": at("/forgot/username"),
	"POST /forgot/username": func(w *world, _ *apptest.Person) sample {
		s := posted("/forgot/username", "email", w.person().Email)
		s.want, s.still = http.StatusOK, true
		return s
	},
	"GET /forgot/password": at("/forgot/password"),
	"POST /forgot/password": func(w *world, _ *apptest.Person) sample {
		s := posted("/forgot/password", "who", w.person().Email)
		s.want = http.StatusOK
		return s
	},
	"GET /reset/{code}": func(w *world, _ *apptest.Person) sample { return sample{path: w.resetLink(), want: http.StatusOK} },
	"POST /reset/{code}": func(w *world, _ *apptest.Person) sample {
		return posted(w.resetLink(), "password", "another quiet evening", "password2", "another quiet evening")
	},
	"GET /verify/{code}": func(w *world, _ *apptest.Person) sample {
		_, link := w.unverified()
		return sample{path: link, want: http.StatusOK}
	},
	"POST /verify/{code}": func(w *world, _ *apptest.Person) sample {
		_, link := w.unverified()
		s := posted(link)
		s.want = http.StatusOK
		return s
	},
	"GET /setup/{code}":  setUp("GET"),
	"POST /setup/{code}": setUp("POST"),
	"POST /setup/{code}/mail": func(w *world, p *apptest.Person) sample {
		s := setUp("POST")(w, p)
		s.path += "/mail"
		return s
	},
	"GET /dashboard": at("/dashboard"),
	"GET /add":       at("/add"),
	"POST /add": func(w *world, p *apptest.Person) sample {
		pkg := w.name("thing")
		body, kind := multipartFile(w, pkg, "owner", p.Name)
		return sample{path: "/add", body: body, kind: kind, want: http.StatusOK}
	},
	"POST /view": func(*world, *apptest.Person) sample { return posted("/view", "owner", "acme") },
	"POST /verify": func(*world, *apptest.Person) sample {
		s := posted("/verify")
		s.still = true // verified already
		return s
	},
	"GET /settings/profile":        at("/settings/profile"),
	"GET /settings/account":        at("/settings/account"),
	"GET /settings/security":       at("/settings/security"),
	"GET /settings/account/delete": at("/settings/account/delete"),
	"POST /settings/account/delete": func(w *world, _ *apptest.Person) sample {
		// A wrong password: the others are needed further on. It changes a counter alone.
		s := posted("/settings/account/delete", "password", "not this one")
		s.want, s.still = http.StatusUnprocessableEntity, true
		return s
	},
	"POST /settings/organizations/undo": func(w *world, p *apptest.Person) sample {
		return posted("/settings/organizations/undo", "name", w.deleted(p.Actor(w), w.club(p)))
	},
	"GET /organization/{org}/settings/account": at("/organization/acme/settings/account"),
	"GET /organization/{org}/settings/account/delete": func(w *world, p *apptest.Person) sample {
		return sample{path: "/organization/" + w.club(p) + "/settings/account/delete", want: http.StatusOK, allow: everyOwner}
	},
	"POST /organization/{org}/settings/account/delete": func(w *world, p *apptest.Person) sample {
		name := w.club(p)
		s := posted("/organization/"+name+"/settings/account/delete", "typed", name)
		s.allow = everyOwnerSent
		return s
	},
	"POST /settings/profile": func(w *world, _ *apptest.Person) sample {
		return posted("/settings/profile", "name", w.name("Name "))
	},
	"POST /settings/security/password": func(w *world, p *apptest.Person) sample {
		// To the same again: the others sign in with it.
		return posted("/settings/security/password", "old", apptest.Password, "password", apptest.Password, "password2", apptest.Password)
	},
	"POST /settings/security/sessions": func(w *world, p *apptest.Person) sample {
		p.NewSession(w)
		return posted("/settings/security/sessions", "end", "others")
	},
	"GET /settings/tokens": at("/settings/tokens"),
	"POST /settings/tokens": func(w *world, _ *apptest.Person) sample {
		s := posted("/settings/tokens", "name", w.name("ci"), "scope", "api:read", "ends", "30")
		s.want = http.StatusOK
		return s
	},
	"GET /settings/organizations":     at("/settings/organizations"),
	"GET /settings/organizations/new": at("/settings/organizations/new"),
	"POST /settings/organizations/new": func(w *world, _ *apptest.Person) sample {
		return posted("/settings/organizations/new", "name", w.name("club"), "email", "club@example.com")
	},
	"GET /settings/storage": at("/settings/storage"),
	"POST /settings/storage": func(w *world, p *apptest.Person) sample {
		return posted("/settings/storage", "restore", w.trashed(p, p.Name))
	},
	"GET /organization/{org}/settings/storage": at("/organization/acme/settings/storage"),
	"POST /organization/{org}/settings/storage": func(w *world, _ *apptest.Person) sample {
		return posted("/organization/acme/settings/storage", "restore", w.trashed(w.olga, "acme"))
	},
	"POST /{owner}/{package}/files/{subdir}/{file}/yank": func(w *world, _ *apptest.Person) sample {
		pkg := w.pkg()
		return posted("/acme/"+pkg+"/files/"+base(pkg)+"/yank", "why", "It is broken.")
	},
	"GET /organization/{org}/settings/profile": at("/organization/acme/settings/profile"),
	"POST /organization/{org}/settings/profile": func(w *world, _ *apptest.Person) sample {
		return posted("/organization/acme/settings/profile", "name", w.name("Acme "))
	},
	"GET /organization/{org}/settings/tokens": at("/organization/acme/settings/tokens"),
	"POST /organization/{org}/settings/tokens": func(w *world, _ *apptest.Person) sample {
		s := posted("/organization/acme/settings/tokens", "name", w.name("robot"), "scope", "api:read", "ends", "30")
		s.want = http.StatusOK
		return s
	},
	"GET /{owner}":              at("/acme"),
	"GET /{owner}/-/channels":   at("/acme/-/channels"),
	"GET /{owner}/-/channels/*": at("/acme/-/channels/cellar"),
	"GET /{owner}/-/history/*":  at("/acme/-/history/cellar"),
	"GET /{owner}/-/changes/*":  at("/acme/-/changes/cellar?generation=1"),
	"GET /{owner}/-/rollback/*": at("/acme/-/rollback/main?to=1"),
	"POST /{owner}/-/rollback/*": func(w *world, _ *apptest.Person) sample {
		return posted("/acme/-/rollback/"+w.twoGenerations(), "to", "1")
	},
	"GET /{owner}/-/freeze/*": at("/acme/-/freeze/main"),
	"POST /{owner}/-/freeze/*": func(w *world, _ *apptest.Person) sample {
		return posted("/acme/-/freeze/"+w.twoGenerations(), "frozen", "true", "at", "1")
	},
	"GET /{owner}/-/snapshot/*": at("/acme/-/snapshot/main"),
	"POST /{owner}/-/snapshot/*": func(w *world, _ *apptest.Person) sample {
		return posted("/acme/-/snapshot/main", "name", w.name("snap"), "at", "1")
	},
	"GET /{owner}/-/people": sees("/acme/-/people", map[string]int{"anonymous": http.StatusNotFound}),
	"GET /{owner}/repo":     redirects("/acme/repo", http.StatusMovedPermanently),
	"GET /{owner}/labels":   redirects("/acme/labels", http.StatusMovedPermanently),

	"GET /{owner}/{package}":                                at("/acme/shut"),
	"GET /{owner}/{package}/releases":                       at("/acme/shut/releases"),
	"GET /{owner}/{package}/releases/{version}":             at("/acme/shut/releases/1.0"),
	"GET /{owner}/{package}/releases/{version}/delete":      at("/acme/open/releases/1.0/delete"),
	"GET /{owner}/{package}/files":                          at("/acme/shut/files"),
	"GET /{owner}/{package}/files/{subdir}/{file}":          at("/acme/shut/files/noarch/" + shutFile),
	"GET /{owner}/{package}/files/{subdir}/{file}/download": at("/acme/shut/files/noarch/" + shutFile + "/download"),
	"GET /{owner}/{package}/files/{subdir}/{file}/delete":   at("/acme/open/files/noarch/" + openFile + "/delete"),
	"GET /{owner}/{package}/dependencies":                   at("/acme/shut/dependencies"),
	"GET /{owner}/{package}/badges/{badge}":                 at("/acme/open/badges/version.svg"),
	"GET /{owner}/{package}/settings/general":               at("/acme/open/settings/general"),
	"GET /{owner}/{package}/settings/admin":                 at("/acme/open/settings/admin"),
	"GET /{owner}/{package}/settings/admin/delete":          at("/acme/open/settings/admin/delete"),
	"POST /{owner}/{package}/settings/general": func(w *world, _ *apptest.Person) sample {
		return posted("/acme/"+w.pkg()+"/settings/general", "summary", "What it is", "home", "https://acme.example/", "visibility", "private", "was_visibility", "public")
	},
	"POST /{owner}/{package}/settings/admin/delete": func(w *world, _ *apptest.Person) sample {
		pkg := w.pkg()
		return posted("/acme/"+pkg+"/settings/admin/delete", "typed", "acme/"+pkg)
	},
	"POST /{owner}/{package}/releases/{version}/delete": func(w *world, _ *apptest.Person) sample {
		pkg := w.pkg()
		return posted("/acme/"+pkg+"/releases/1.0/delete", "typed", pkg+" 1.0")
	},
	"POST /{owner}/{package}/files/{subdir}/{file}/delete": func(w *world, _ *apptest.Person) sample {
		pkg := w.pkg()
		return posted("/acme/" + pkg + "/files/" + base(pkg) + "/delete")
	},
}

// The things below are what several samples share.
var (
	// everybody sees a list, of what they may see.
	everybody = map[string]int{
		"anonymous": http.StatusOK, "stranger": http.StatusOK, "member": http.StatusOK, "operator": http.StatusOK,
	}
	// Operators administer people and organisations, though not what those own.
	operatorAdministers = map[string]int{"operator": http.StatusNoContent}
)

// everyOwner: the organisation of the sample belongs to whoever asks.
var (
	everyOwner     = map[string]int{"stranger": http.StatusOK, "member": http.StatusOK, "writer": http.StatusOK, "operator": http.StatusOK}
	everyOwnerSent = map[string]int{"stranger": http.StatusSeeOther, "member": http.StatusSeeOther, "writer": http.StatusSeeOther, "operator": http.StatusSeeOther}
	// absentToOthers: what was deleted is not there for those who cannot bring it back.
	absentToOthers = map[string]int{"stranger": http.StatusNotFound, "member": http.StatusNotFound, "writer": http.StatusNotFound, "administrator": http.StatusNotFound}
)

// club makes an organisation that somebody owns and gives its name.
func (w *world) club(p *apptest.Person) string {
	w.Helper()
	return w.Org(w, w.name("club"), p).Name
}

// deleted deletes an owner and gives its name.
func (w *world) deleted(actor access.Actor, name string) string {
	w.Helper()
	_, err := w.Accounts.DeleteOwner(w.Context(), actor, name, name)
	w.must(err)
	return name
}

// keeping gives a sample the session of somebody new who has shown the password of
// an account that was deleted.
func keeping(w *world, s sample) sample {
	w.Helper()
	p := w.person()
	actor, err := w.Accounts.ActorOf(w.Context(), p.ID, "session", access.Request{Remote: "127.0.0.1"})
	w.must(err)
	_, err = w.Accounts.DeleteAccount(w.Context(), actor, apptest.Password)
	w.must(err)
	cookie, err := w.Accounts.BeginKeeping(w.Context(), account.User{Owner: account.Owner{ID: p.ID, Name: p.Name}}, access.Request{Remote: "127.0.0.1"})
	w.must(err)
	s.header = map[string]string{"Cookie": w.CookieName() + "-keep=" + cookie}
	return s
}

// trashed publishes a file of an owner, deletes it and gives its id.
func (w *world) trashed(p *apptest.Person, owner string) string {
	w.Helper()
	pkg := w.name("thing")
	p.Upload(w, owner, condatest.Spec{Name: pkg}, "")
	f, err := w.Registry.DeleteFile(w.Context(), p.Actor(w), owner, pkg, "1.0", base(pkg))
	w.must(err)
	return f.ID
}

func inGroup(method, rest string, allow map[string]int) maker {
	return func(w *world, _ *apptest.Person) sample {
		group, user, pkg := w.group()
		want := http.StatusOK
		if method != http.MethodGet || strings.HasSuffix(rest, "USER") {
			want = http.StatusNoContent
		}
		rest := strings.NewReplacer("USER", user, "PACKAGE", pkg).Replace(rest)
		return sample{path: "/api/group/acme/" + group + rest, want: want, allow: allow}
	}
}

func ownToken(path string, want int) maker {
	return func(w *world, p *apptest.Person) sample {
		t, _, err := w.Accounts.CreateToken(w.Context(), p.Actor(w), account.NewToken{Name: w.name("ci"), MaxAge: time.Hour})
		w.must(err)
		return sample{path: path + t.ID, want: want}
	}
}

func copied(method string) maker {
	return func(w *world, _ *apptest.Person) sample {
		pkg := w.pkg()
		return sample{
			path: "/api/copy/package/acme/" + pkg + "/1.0/" + base(pkg), body: `{"to_owner":"acme","from_channel":"main","to_channel":"` + w.name("label") + `"}`,
			want: http.StatusOK,
		}
	}
}

func uploaded(method, path string) maker {
	return func(w *world, _ *apptest.Person) sample {
		spec := condatest.Spec{Name: w.name("thing")}
		s := file(path, spec.FileName(), http.StatusCreated)
		if method == http.MethodPut {
			s.path += spec.FileName()
		}
		s.body = string(condatest.Make(w, spec))
		return s
	}
}

func notice(rest, body string, want int) maker {
	return func(w *world, _ *apptest.Person) sample {
		n, err := w.Registry.CreateNotice(w.Context(), w.olga.Actor(w), "acme", registry.NewNotice{Message: "Words", Level: "info"})
		w.must(err)
		return sample{path: "/api/acme/notices/" + n.ID + rest, body: body, want: want}
	}
}

// unlessSignedIn is a page that sends on who is signed in already.
func unlessSignedIn(path string) maker {
	return func(_ *world, p *apptest.Person) sample {
		if p != nil {
			return sample{path: path, want: http.StatusSeeOther}
		}
		return sample{path: path, want: http.StatusOK}
	}
}

func anAsset(w *world, _ *apptest.Person) sample {
	page := string(w.Want(w, http.StatusOK, "GET", "/", apptest.Request{}).Body)
	_, after, _ := strings.Cut(page, `"/assets/`)
	name, _, _ := strings.Cut(after, `"`)
	return sample{path: "/assets/" + name, want: http.StatusOK}
}

// setUp is the one link that makes the first operator; there is one in the world
// already, so it opens nothing here. TestSetup follows one that works.
func setUp(method string) maker {
	return func(*world, *apptest.Person) sample {
		s := sample{path: "/setup/AAAAAAAAAAAAAAAAAAAAAA", want: http.StatusNotFound, still: true}
		if method == http.MethodPost {
			s.kind, s.body = formKind, form("username", "boss", "email", "boss@example.com", "password", apptest.Password, "password2", apptest.Password)
		}
		return s
	}
}

// twoGenerations makes a channel of acme with two generations and gives its name.
func (w *world) twoGenerations() string {
	w.Helper()
	name := w.name("old")
	for range 2 {
		w.olga.Upload(w, "acme/"+name, condatest.Spec{Name: w.name("part")}, "")
	}
	return name
}

// rollingBack goes back to the first generation of a channel.
func rollingBack(w *world, _ *apptest.Person) sample {
	return sample{path: "/api/v1/generations/acme/" + w.twoGenerations(), body: `{"to":"1"}`, want: http.StatusOK}
}
