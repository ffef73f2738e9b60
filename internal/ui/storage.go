package ui

import (
	"cmp"
	"net/http"
	"strings"

	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/settings/storage"
	"terrarium/internal/ui/shared"
)

// largestShown is how many packages the page on storage names.
const largestShown = 10

// storagePage shows what the files of an owner take, and its trash.
func (f *Face) storagePage(w http.ResponseWriter, r *http.Request) error {
	v, o, shown, err := f.settingsOf(w, r, "Storage")
	if err != nil {
		return err
	}
	return f.showStorage(w, r, http.StatusOK, v, o, storage.Page{Head: settingsHead(v, shown, "Storage")})
}

func (f *Face) showStorage(w http.ResponseWriter, r *http.Request, status int, v *visit, o account.Owner, p storage.Page) error {
	at := placeOf(r)
	use, err := f.registry.Storage(r.Context(), v.actor, o.Name, largestShown)
	if err != nil {
		return err
	}
	files, next, err := f.registry.TrashPage(r.Context(), v.actor, o.Name, at.after, pageRows)
	if err != nil {
		return err
	}
	p.Page, p.Action, p.Days = v.frame, r.URL.Path, trashDays
	p.Files, p.Bytes, p.Trashed, p.TrashedBytes = use.Files, use.Bytes, use.Trashed, use.TrashedBytes
	p.Pages = at.pager(r, len(files), use.Trashed, next, 0)
	for _, x := range use.Largest {
		p.Largest = append(p.Largest, storage.Package{Name: x.Name, Private: x.Private, Files: x.Files, Bytes: x.Bytes})
	}
	for _, x := range files {
		p.Trash = append(p.Trash, storage.Deleted{
			ID: x.ID, Name: x.Basename, Package: x.PackageName, Version: x.Version, At: *x.DeletedAt, By: x.DeletedBy,
			Ends: f.registry.TrashEnds(x), Bytes: x.Size,
		})
	}
	return render(w, r, status, p.Page, storage.View(p))
}

// restore takes a file out of the trash.
func (f *Face) restore(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, o, shown, err := f.settingsOf(w, r, "Storage")
	if err != nil {
		return err
	}
	x, err := f.registry.RestoreFile(r.Context(), v.actor, r.PostFormValue("restore"))
	if err != nil {
		list, status, ok := problems(err, nil)
		if errs.Is(err, errs.NotFound) {
			list, status, ok = shared.Problems{{Text: "This file is not in the trash any more."}}, http.StatusUnprocessableEntity, true
		}
		if !ok {
			return err
		}
		return f.showStorage(w, r, status, v, o, storage.Page{Head: settingsHead(v, shown, "Storage"), Errors: list})
	}
	text := "It is in no channel."
	if len(x.Labels) > 0 {
		text = "It is in " + x.OwnerName + "/" + strings.Join(x.Labels, ", "+x.OwnerName+"/") + " again."
	}
	f.say(w, shared.Notice{Kind: "ok", Title: x.Name + " is restored.", Text: text})
	return see(w, r, r.URL.Path)
}

// trashNotice says that something was deleted, and leads those who may restore it
// to the trash.
func trashNotice(v *visit, p registry.Package, what string) shared.Notice {
	n := shared.Notice{Kind: "ok", Title: what + " is in the trash.", Text: "It can be restored for " + shared.Of(trashDays, "day") + "."}
	switch {
	case p.OwnerID == v.actor.ID:
		n.Link, n.Href = "Show the trash", "/settings/storage"
	case v.actor.Roles[p.OwnerID].Administers():
		n.Link, n.Href = "Show the trash", strings.TrimSuffix(shared.SettingsURL(shared.Owner{Name: p.OwnerName, Organization: true}), "profile")+"storage"
	}
	return n
}

// yank takes a file out of the index, or puts it back.
func (f *Face) yank(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, err := f.person(w, r, "")
	if err != nil {
		return err
	}
	s, x, err := f.fileOf(r, v)
	if err != nil {
		return err
	}
	if err := s.mayDelete(v); err != nil {
		return err
	}
	page := shared.FileURL(x.OwnerName, x.PackageName, x.Subdir, x.Name)
	if r.PostFormValue("back") != "" {
		if _, err := f.registry.Unwithdraw(r.Context(), v.actor, s.OwnerName, s.Name, x.Version, x.Basename); err != nil {
			return err
		}
		f.say(w, shared.Notice{Kind: "ok", Title: x.Name + " is in the index again."})
		return see(w, r, page)
	}
	why := typed(r, "why")
	if _, err := f.registry.Withdraw(r.Context(), v.actor, s.OwnerName, s.Name, x.Version, x.Basename, why); err != nil {
		return err
	}
	f.say(w, shared.Notice{Kind: "ok", Title: x.Name + " is yanked.", Text: cmp.Or(why, "It is in no index any more.")})
	return see(w, r, page)
}
