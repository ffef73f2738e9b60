package api

import (
	"encoding/json/jsontext"
	"net/http"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// maxHits is how many packages a search gives: the client reads one page.
const maxHits = 1000

// pageSize is how many packages are read at a time where a client wants all.
const pageSize = 1000

func (f *Face) pkg(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	p, err := f.registry.Package(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "package"))
	if err != nil {
		return err
	}
	return f.sendPackage(w, r, actor, p)
}

func (f *Face) sendPackage(w http.ResponseWriter, r *http.Request, actor access.Actor, p registry.Package) error {
	releases, err := f.registry.Releases(r.Context(), actor, p.OwnerName, p.Name)
	if err != nil {
		return err
	}
	files, err := f.registry.Files(r.Context(), actor, p.OwnerName, p.Name, "")
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, f.packageDocument(p, releases, files))
}

// createPackage answers a package that is there already like one that it made:
// two uploads of one new package race.
func (f *Face) createPackage(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	body := struct {
		Public *bool          `json:"public"`
		Attrs  jsontext.Value `json:"public_attrs"`
	}{}
	if err := web.ReadJSON(r, maxBody, &body); err != nil {
		return err
	}
	p, _, err := f.registry.CreatePackage(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "package"),
		registry.NewPackage{Private: body.Public != nil && !*body.Public, Attrs: body.Attrs})
	if err != nil {
		return err
	}
	return f.sendPackage(w, r, actor, p)
}

// updatePackage ignores `public`, which rattler sends with every upload: who
// may see a package is not changed in passing.
func (f *Face) updatePackage(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	body := struct {
		Attrs jsontext.Value `json:"public_attrs"`
	}{}
	if err := web.ReadJSON(r, maxBody, &body); err != nil {
		return err
	}
	p, err := f.registry.UpdatePackage(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "package"), body.Attrs)
	if err != nil {
		return err
	}
	return f.sendPackage(w, r, actor, p)
}

func (f *Face) deletePackage(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	if err := f.registry.DeletePackage(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "package")); err != nil {
		return err
	}
	return created(w)
}

func (f *Face) packageFiles(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	files, err := f.registry.Files(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "package"), "")
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, each(files, f.distDocument))
}

// packages lists all packages of an owner; the client reads no second page.
func (f *Face) packages(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	q := r.URL.Query()
	filter := registry.PackageFilter{Owner: web.Param(r, "login"), Platform: q.Get("platform"), Type: q.Get("package_type")}
	if filter.Owner == "" {
		filter.Owner = actor.Name
	}
	if filter.Type == "" {
		filter.Type = q.Get("type")
	}
	if a := q.Get("access"); a == "public" || a == "private" {
		filter.Access = a
	}
	list, err := f.allPackages(r, actor, filter)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, each(list, f.packageSummary))
}

func (f *Face) allPackages(r *http.Request, actor access.Actor, filter registry.PackageFilter) ([]registry.Package, error) {
	var all []registry.Package
	for filter.Limit = pageSize; ; {
		page, err := f.registry.Packages(r.Context(), actor, filter)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Packages...)
		if page.Next == "" {
			return all, nil
		}
		filter.After = page.Next
	}
}

// packageListing gives the packages that changed after a time, newest first.
// The client sends the time as a form, which counts on GET too.
func (f *Face) packageListing(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	var since time.Time
	after, err := modifiedAfter(r)
	if err != nil {
		return err
	}
	if after != "" {
		for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05.999999-07:00", "2006-01-02T15:04:05.999999", time.DateTime, time.DateOnly} {
			if since, err = time.Parse(layout, after); err == nil {
				break
			}
		}
		if err != nil {
			return errs.New(errs.Invalid, "%q is no time; write it like 2026-11-21T08:00:00Z.", after).On("modified_after")
		}
	}
	filter := registry.PackageFilter{Sort: "modified", Limit: pageSize}
	out := []packageSummary{}
	for {
		page, err := f.registry.Packages(r.Context(), actor, filter)
		if err != nil {
			return err
		}
		for _, p := range page.Packages {
			if !p.ModifiedAt.After(since) {
				return web.JSON(w, http.StatusOK, out)
			}
			out = append(out, f.packageSummary(p))
		}
		if filter.After = page.Next; page.Next == "" {
			return web.JSON(w, http.StatusOK, out)
		}
	}
}

func (f *Face) search(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	q := r.URL.Query()
	found, err := f.registry.Search(r.Context(), actor, registry.Query{
		Text: q.Get("name"), Types: registry.One(q.Get("type")), Platforms: registry.One(q.Get("platform")), Limit: maxHits,
	})
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, each(found.Hits, f.packageSummary))
}

// objectOf names a package for grants on it.
func objectOf(p registry.Package) access.Object {
	return access.Object{
		OwnerID: p.OwnerID, OwnerName: p.OwnerName, OwnerKind: p.OwnerKind,
		PackageID: p.ID, PackageName: p.Name, Private: p.Private,
	}
}

func (f *Face) collaborators(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	o, err := f.packageObject(r, actor)
	if err != nil {
		return err
	}
	list, err := f.accounts.AccessTo(r.Context(), actor, o)
	if err != nil {
		return err
	}
	people := []login{}
	for _, a := range list {
		if a.Subject.Kind == "user" {
			people = append(people, login{a.Subject.Name, a.FullName})
		}
	}
	return web.JSON(w, http.StatusOK, people)
}

func (f *Face) packageObject(r *http.Request, actor access.Actor) (access.Object, error) {
	p, err := f.registry.Package(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "package"))
	return objectOf(p), err
}

func (f *Face) addCollaborator(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	o, err := f.packageObject(r, actor)
	if err != nil {
		return err
	}
	if err := f.accounts.Grant(r.Context(), actor, account.Subject{Kind: "user", Name: web.Param(r, "user")}, o, access.Write); err != nil {
		return err
	}
	return created(w)
}

func (f *Face) removeCollaborator(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	o, err := f.packageObject(r, actor)
	if err != nil {
		return err
	}
	if err := f.accounts.Revoke(r.Context(), actor, account.Subject{Kind: "user", Name: web.Param(r, "user")}, o); err != nil {
		return err
	}
	return created(w)
}
