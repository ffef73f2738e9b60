package api

import (
	"net/http"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// labelAddress is what stands behind /channels/OWNER/: a label, which may hold
// slashes, its lock, or a copy of it under another name.
type labelAddress struct {
	label string
	lock  bool
	to    string // of a copy
}

// parseLabel reads LABEL, LABEL/lock and FROM/copy/TO. No label has a later
// part "lock" or "copy", so the address says one thing.
func parseLabel(rest string) labelAddress {
	if label, ok := strings.CutSuffix(rest, "/lock"); ok && label != "" {
		return labelAddress{label: label, lock: true}
	}
	if from, to, ok := strings.Cut(rest, "/copy/"); ok && from != "" && to != "" {
		return labelAddress{label: from, to: to}
	}
	return labelAddress{label: rest}
}

// labels lists the labels of an owner by name.
func (f *Face) labels(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	list, err := f.registry.Channels(r.Context(), actor, web.Param(r, "owner"))
	if err != nil {
		return err
	}
	type label struct {
		Locked bool `json:"is_locked"`
		Count  int  `json:"count"`
	}
	out := make(map[string]label, len(list))
	for _, c := range list {
		out[c.Name] = label{c.Locked, c.Files}
	}
	return web.JSON(w, http.StatusOK, out)
}

func (f *Face) label(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	owner, name := web.Param(r, "owner"), web.Param(r, "*")
	c, err := f.registry.Channel(r.Context(), actor, owner, name)
	if err != nil {
		return err
	}
	files, err := f.registry.ChannelFiles(r.Context(), actor, owner, name)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, struct {
		Name   string         `json:"name"`
		Locked bool           `json:"is_locked"`
		Count  int            `json:"count"`
		Files  []distDocument `json:"files"`
	}{c.Name, c.Locked, len(files), each(files, f.distDocument)})
}

// selector names files; what is null widens.
type selector struct {
	Package  *string `json:"package"`
	Version  *string `json:"version"`
	Basename *string `json:"basename"`
}

func (f *Face) changeLabel(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	owner, a := web.Param(r, "owner"), parseLabel(web.Param(r, "*"))
	var s selector
	if err := web.ReadJSON(r, maxBody, &s); err != nil {
		return err
	}
	var err error
	switch {
	case a.lock:
		err = f.registry.LockChannel(r.Context(), actor, owner, a.label)
	case a.to != "":
		_, err = f.registry.CopyLabel(r.Context(), actor, owner, a.label, a.to)
	default:
		_, err = f.registry.AddLabel(r.Context(), actor, owner, a.label, registry.Selector(s))
	}
	if err != nil {
		return err
	}
	return created(w)
}

func (f *Face) unchangeLabel(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	owner, a := web.Param(r, "owner"), parseLabel(web.Param(r, "*"))
	var s selector
	if err := web.ReadJSON(r, maxBody, &s); err != nil {
		return err
	}
	var err error
	switch {
	case a.lock:
		err = f.registry.UnlockChannel(r.Context(), actor, owner, a.label)
	case a.to != "":
		err = errs.New(errs.Invalid, "A copy of a label is made with POST.")
	default:
		_, err = f.registry.RemoveLabel(r.Context(), actor, owner, a.label, registry.Selector(s))
	}
	if err != nil {
		return err
	}
	return created(w)
}

// copy copies the files of a version that carry a label: POST only what is new,
// PUT over what is there, PATCH what is missing.
func (f *Face) copy(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	body := struct {
		ToOwner string `json:"to_owner"` // null = the caller
		From    string `json:"from_channel"`
		To      string `json:"to_channel"`
	}{}
	if err := web.ReadJSON(r, maxBody, &body); err != nil {
		return err
	}
	q := registry.CopyRequest{
		Owner: web.Param(r, "owner"), Package: web.Param(r, "package"), Version: web.Param(r, "version"), Basename: web.Param(r, "*"),
		ToOwner: body.ToOwner, FromLabel: body.From, ToLabel: body.To, Mode: registry.CopyNew,
	}
	if q.ToOwner == "" {
		q.ToOwner = actor.Name
	}
	switch r.Method {
	case http.MethodPut:
		q.Mode = registry.CopyReplace
	case http.MethodPatch:
		q.Mode = registry.CopyUpdate
	}
	files, err := f.registry.Copy(r.Context(), actor, q)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, each(files, f.distDocument))
}
