package ui

import (
	"net/http"

	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/confirm"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// trashDays is for how long the trash keeps what was deleted.
const trashDays = 14

// deleteFilePage asks before a file is deleted.
func (f *Face) deleteFilePage(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "Delete a file")
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
	return render(w, r, http.StatusOK, v.frame, confirm.View(f.askFile(v, s, x)))
}

func (f *Face) askFile(v *visit, s subject, x registry.File) confirm.Page {
	page := shared.FileURL(x.OwnerName, x.PackageName, x.Subdir, x.Name)
	ends := []string{shared.Of(x.Downloads, "download") + " so far."}
	for _, l := range x.Labels {
		ends = append(ends, "It leaves the channel "+s.OwnerName+"/"+l+" at once, in every form of its index.")
	}
	return confirm.Page{
		Page: v.frame, Trail: []shared.Link{{Text: s.OwnerName, Href: shared.OwnerURL(s.OwnerName)}, {Text: s.Name, Href: shared.PackageURL(s.OwnerName, s.Name)}, {Text: x.Name, Href: page}, {Text: "Delete"}},
		Question: "Delete " + x.Name + "?", Sentence: "It stays in the trash for " + shared.Of(trashDays, "day") + ". Environments that have it keep it; lockfiles that name it stop working.",
		Ends: ends, Action: page + "/delete", Verb: "Delete " + x.Name, KeepURL: page,
	}
}

// deleteFile puts a file into the trash.
func (f *Face) deleteFile(w http.ResponseWriter, r *http.Request) error {
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
	if _, err := f.registry.DeleteFile(r.Context(), v.actor, s.OwnerName, s.Name, x.Version, x.Basename); err != nil {
		return err
	}
	f.say(w, trashNotice(v, s.Package, x.Name))
	return see(w, r, shared.PackageURL(s.OwnerName, s.Name)+"/files")
}

// deleteReleasePage asks before a release is deleted; the name has to be typed.
func (f *Face) deleteReleasePage(w http.ResponseWriter, r *http.Request) error {
	v, s, err := f.releaseToDelete(w, r)
	if err != nil {
		return err
	}
	p, err := f.askRelease(r, v, s)
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, v.frame, confirm.View(p))
}

func (f *Face) releaseToDelete(w http.ResponseWriter, r *http.Request) (*visit, subject, error) {
	v, err := f.visit(w, r, "Delete a release")
	if err != nil {
		return nil, subject{}, err
	}
	s, err := f.subjectOf(r, v, web.Param(r, "version"))
	if err != nil {
		return nil, subject{}, err
	}
	return v, s, s.mayDelete(v)
}

func (f *Face) askRelease(r *http.Request, v *visit, s subject) (confirm.Page, error) {
	page := shared.PackageURL(s.OwnerName, s.Name)
	ends := []string{shared.Of(s.chosen.Files, "file") + " of " + shared.Size(s.chosen.Size) + ", with " + shared.Of(s.chosen.Downloads, "download") + " so far."}
	_, dependents, err := f.registry.Dependents(r.Context(), v.actor, s.Package, 1)
	if err != nil {
		return confirm.Page{}, err
	}
	if dependents > 0 {
		ends = append(ends, shared.Of(dependents, "package")+" of "+s.OwnerName+" need "+s.Name+".")
	}
	return confirm.Page{
		Page: v.frame, Trail: []shared.Link{{Text: s.OwnerName, Href: shared.OwnerURL(s.OwnerName)}, {Text: s.Name, Href: page}, {Text: "Releases", Href: page + "/releases"}, {Text: "Delete " + s.chosen.Version}},
		Question: "Delete " + s.FullName() + " " + s.chosen.Version + "?", Sentence: "It stays in the trash for " + shared.Of(trashDays, "day") + ".",
		Ends: ends, Typed: s.Name + " " + s.chosen.Version, Action: shared.ReleaseURL(s.OwnerName, s.Name, s.chosen.Version) + "/delete",
		Verb: "Delete " + s.chosen.Version, KeepURL: page + "/releases",
	}, nil
}

// deleteRelease puts a release into the trash.
func (f *Face) deleteRelease(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, s, err := f.releaseToDelete(w, r)
	if err != nil {
		return err
	}
	p, err := f.askRelease(r, v, s)
	if err != nil {
		return err
	}
	if typed(r, "typed") != p.Typed {
		p.Errors = shared.Problems{{Field: "typed", Text: "This is not the name. Type " + p.Typed + "."}}
		return render(w, r, http.StatusUnprocessableEntity, v.frame, confirm.View(p))
	}
	if err := f.registry.DeleteRelease(r.Context(), v.actor, s.OwnerName, s.Name, s.chosen.Version); err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	f.say(w, trashNotice(v, s.Package, s.Name+" "+s.chosen.Version))
	return see(w, r, shared.PackageURL(s.OwnerName, s.Name)+"/releases")
}
