package api

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"net/http"

	"terrarium/internal/access"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// release answers a version, or under "latest" the newest one, unless a release
// is really called so.
func (f *Face) release(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	owner, pkg, version := web.Param(r, "owner"), web.Param(r, "package"), web.Param(r, "version")
	if version == "latest" {
		rel, err := f.registry.LatestRelease(r.Context(), actor, owner, pkg)
		if err != nil {
			return err
		}
		return f.sendRelease(w, r, actor, rel)
	}
	rel, err := f.registry.Release(r.Context(), actor, owner, pkg, version)
	if err != nil {
		return err
	}
	return f.sendRelease(w, r, actor, rel)
}

func (f *Face) sendRelease(w http.ResponseWriter, r *http.Request, actor access.Actor, rel registry.Release) error {
	files, err := f.registry.Files(r.Context(), actor, rel.OwnerName, rel.PackageName, rel.Version)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, f.releaseDocument(rel, files))
}

// createRelease takes the attributes flat, among three keys of its own.
func (f *Face) createRelease(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	body := bag{}
	if err := web.ReadJSON(r, maxBody, &body); err != nil {
		return err
	}
	description := body.text("description")
	delete(body, "requirements")
	delete(body, "announce")
	attrs, err := json.Marshal(body, json.Deterministic(true))
	if err != nil {
		return err
	}
	rel, _, err := f.registry.CreateRelease(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "package"), web.Param(r, "version"),
		registry.NewRelease{Attrs: attrs, Description: description})
	if err != nil {
		return err
	}
	return f.sendRelease(w, r, actor, rel)
}

// updateRelease takes the attributes below a key, other than createRelease.
func (f *Face) updateRelease(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	body := struct {
		Attrs       jsontext.Value `json:"public_attrs"`
		Description *string        `json:"description"`
	}{}
	if err := web.ReadJSON(r, maxBody, &body); err != nil {
		return err
	}
	if attrs := openBag(body.Attrs); body.Description == nil && attrs["description"] != nil {
		d := attrs.text("description")
		body.Description = &d
	}
	rel, err := f.registry.UpdateRelease(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "package"), web.Param(r, "version"),
		registry.ReleaseUpdate{Attrs: body.Attrs, Description: body.Description})
	if err != nil {
		return err
	}
	return f.sendRelease(w, r, actor, rel)
}

func (f *Face) deleteRelease(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	if err := f.registry.DeleteRelease(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "package"), web.Param(r, "version")); err != nil {
		return err
	}
	return created(w)
}
