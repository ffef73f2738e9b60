package ui

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/confirm"
	"terrarium/internal/ui/pages/settings/packageadmin"
	"terrarium/internal/ui/pages/settings/packagegeneral"
	"terrarium/internal/ui/shared"
)

const (
	generalSettings = "General"
	adminSettings   = "Admin"
)

// packageToSet finds the package whose settings the address names. Who may read
// it and no more is told so, others see nothing.
func (f *Face) packageToSet(w http.ResponseWriter, r *http.Request, title string) (*visit, subject, error) {
	v, err := f.person(w, r, "")
	if err != nil {
		return nil, subject{}, err
	}
	s, err := f.subjectOf(r, v, "")
	if err != nil {
		return nil, subject{}, err
	}
	object := packageObject(s.Package)
	if err := access.Can(v.actor, access.Admin, object).Err(object); err != nil {
		return nil, subject{}, err
	}
	v.frame.Title = title + " · " + s.Name + " · " + s.OwnerName
	return v, s, nil
}

// settings draws the frame of one of the settings pages.
func (s subject) settings(current string) shared.PackageSettings {
	frame := shared.PackageSettings{Head: s.head("Settings", 0), Links: []shared.SideLink{
		{Label: generalSettings, Icon: "settings", Href: settingsURL(s, "general")},
		{Label: adminSettings, Icon: "sliders-horizontal", Href: settingsURL(s, "admin")},
	}}
	frame.Head.Short, frame.Head.UploadURL = true, ""
	for i := range frame.Links {
		frame.Links[i].Current = frame.Links[i].Label == current
	}
	return frame
}

func settingsURL(s subject, page string) string {
	return shared.PackageURL(s.OwnerName, s.Name) + "/settings/" + page
}

// generalPage shows summary, home page and visibility of a package.
func (f *Face) generalPage(w http.ResponseWriter, r *http.Request) error {
	v, s, err := f.packageToSet(w, r, generalSettings)
	if err != nil {
		return err
	}
	if to := s.canonical(r); to != "" {
		return moved(w, r, to)
	}
	now := s.Settings()
	return f.showGeneral(w, r, http.StatusOK, v, s, now, packagegeneral.Page{
		Summary: packagegeneral.Text{Value: now.Summary, Was: now.Summary}, Home: packagegeneral.Text{Value: now.Home, Was: now.Home},
	})
}

// showGeneral draws the form; chosen is what it says of the visibility.
func (f *Face) showGeneral(w http.ResponseWriter, r *http.Request, status int, v *visit, s subject, chosen registry.PackageSettings, p packagegeneral.Page) error {
	readers, err := f.accounts.CountReaders(r.Context(), v.actor, packageObject(s.Package))
	if err != nil {
		return err
	}
	p.Page, p.Frame, p.Action = v.frame, s.settings(generalSettings), settingsURL(s, "general")
	p.MaxSummary, p.MaxHome = registry.MaxSummary, registry.MaxHome
	p.Visibility = []shared.Option{
		{Value: access.Public, Label: "Public", Hint: "Everybody finds, reads and installs it, also without an account.", Selected: !chosen.Private},
		{Value: access.Private, Label: "Private", Hint: shared.Of(readers, "person can", "people can") + " read and install it: " + insiders(s.Package) + " To all others it does not exist.", Selected: chosen.Private},
	}
	p.Was = access.Public
	channels := channelsOf(s)
	if s.Private {
		p.Was = access.Private
		if err := v.actor.MayPublish(); err != nil {
			p.Why = errs.Message(err)
		}
		p.Changes = []string{shared.Of(s.files(), "file") + " in " + channels + " can be fetched by everybody at once. What is fetched cannot be called back."}
		return render(w, r, status, p.Page, packagegeneral.View(p))
	}
	p.Changes, err = f.lost(r, v, s)
	if err != nil {
		return err
	}
	p.Changes = append([]string{"It leaves the index of " + channels + " at once for all but those people."}, p.Changes...)
	return render(w, r, status, p.Page, packagegeneral.View(p))
}

// insiders says who reads a private package.
func insiders(p registry.Package) string {
	if p.OwnerKind == access.Organization {
		return "the owners and administrators of " + p.OwnerName + ", and whom a grant lets in."
	}
	return p.OwnerName + ", and whom a grant lets in."
}

// channelsOf names the channels that hold a package.
func channelsOf(s subject) string {
	var names []string
	for _, x := range s.releases {
		for _, c := range x.Channels {
			if name := s.OwnerName + "/" + c; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	switch {
	case len(names) == 0:
		return "no channel"
	case len(names) > 3:
		return shared.Of(len(names), "channel")
	}
	return strings.Join(names, ", ")
}

// lost counts who misses a package that goes.
func (f *Face) lost(r *http.Request, v *visit, s subject) ([]string, error) {
	series, err := f.trend(r.Context(), v.actor, s.Package, trendDays)
	if err != nil {
		return nil, err
	}
	_, dependents, err := f.registry.Dependents(r.Context(), v.actor, s.Package, 1)
	if err != nil {
		return nil, err
	}
	list := []string{shared.Of(sum(series), "download") + " in the last 30 days."}
	if dependents > 0 {
		list = append(list, shared.Of(dependents, "package")+" of "+s.OwnerName+" "+needWord(dependents)+" it.")
	}
	return list, nil
}

func needWord(n int) string {
	if n == 1 {
		return "needs"
	}
	return "need"
}

// saveGeneral writes what the form says. What others changed meanwhile is shown
// beside what was typed, and the next form chooses.
func (f *Face) saveGeneral(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, s, err := f.packageToSet(w, r, generalSettings)
	if err != nil {
		return err
	}
	p := packagegeneral.Page{
		Summary: packagegeneral.Text{Value: typed(r, "summary"), Was: typed(r, "was_summary")},
		Home:    packagegeneral.Text{Value: typed(r, "home"), Was: typed(r, "was_home")},
	}
	seen := registry.PackageSettings{Summary: p.Summary.Was, Home: p.Home.Was, Private: r.PostFormValue("was_visibility") == access.Private}
	wanted := registry.PackageSettings{Summary: p.Summary.Value, Home: p.Home.Value, Private: r.PostFormValue("visibility") == access.Private}
	if chosen := r.PostFormValue("visibility"); chosen != access.Private && chosen != access.Public {
		err = errs.New(errs.Invalid, "Choose who may see the package.").On("visibility")
	} else {
		_, err = f.registry.ChangeSettings(r.Context(), v.actor, s.OwnerName, s.Name, seen, wanted)
	}
	if err == nil {
		f.say(w, shared.Notice{Kind: "ok", Title: "The settings of " + s.FullName() + " are saved."})
		return see(w, r, settingsURL(s, "general"))
	}
	list, status, ok := problems(err, nil)
	if !ok {
		return err
	}
	if other, found := errors.AsType[*registry.Overtaken](err); found {
		list, status = nil, http.StatusConflict
		for _, field := range other.Fields {
			list = append(list, shared.Problem{Field: field, Text: "Somebody else changed the " + fieldWord(field) + " meanwhile. Choose which one stays."})
		}
		p.Summary.Taken, p.Summary.Was = slices.Contains(other.Fields, "summary"), other.Now.Summary
		p.Home.Taken, p.Home.Was = slices.Contains(other.Fields, "home"), other.Now.Home
	}
	p.Errors = inOrder(list, "summary", "home", "visibility")
	return f.showGeneral(w, r, status, v, s, wanted, p)
}

func fieldWord(field string) string {
	if field == "home" {
		return "home page"
	}
	return field
}

// adminPage says what goes with a package, and leads to the question.
func (f *Face) adminPage(w http.ResponseWriter, r *http.Request) error {
	v, s, err := f.packageToSet(w, r, adminSettings)
	if err != nil {
		return err
	}
	if to := s.canonical(r); to != "" {
		return moved(w, r, to)
	}
	p := packageadmin.Page{Page: v.frame, Frame: s.settings(adminSettings), Days: trashDays, DeleteURL: settingsURL(s, "admin/delete")}
	if p.Ends, err = f.ends(r, v, s); err != nil {
		return err
	}
	return render(w, r, http.StatusOK, p.Page, packageadmin.View(p))
}

// ends counts what ends with a package.
func (f *Face) ends(r *http.Request, v *visit, s subject) ([]string, error) {
	var size int64
	for _, x := range s.releases {
		size += x.Size
	}
	list, err := f.lost(r, v, s)
	return append([]string{shared.Of(len(s.releases), "release") + " with " + shared.Of(s.files(), "file") + ", " + shared.Size(size) + ", in " + channelsOf(s) + "."}, list...), err
}

// askPackage is the question before a package is deleted.
func (f *Face) askPackage(w http.ResponseWriter, r *http.Request) (*visit, subject, confirm.Page, error) {
	v, s, err := f.packageToSet(w, r, "Delete")
	if err != nil {
		return nil, s, confirm.Page{}, err
	}
	p := confirm.Page{
		Page: v.frame, Trail: []shared.Link{{Text: s.OwnerName, Href: shared.OwnerURL(s.OwnerName)}, {Text: s.Name, Href: shared.PackageURL(s.OwnerName, s.Name)}, {Text: "Settings", Href: settingsURL(s, "admin")}, {Text: "Delete"}},
		Question: "Delete " + s.FullName() + "?", Sentence: "Its files stay in the trash for " + shared.Of(trashDays, "day") + ". Environments that have it keep it; lockfiles that name it stop working.",
		Typed: s.FullName(), Action: settingsURL(s, "admin/delete"), Verb: "Delete " + s.FullName(), KeepURL: settingsURL(s, "admin"),
	}
	p.Ends, err = f.ends(r, v, s)
	return v, s, p, err
}

// deletePackagePage asks.
func (f *Face) deletePackagePage(w http.ResponseWriter, r *http.Request) error {
	_, s, p, err := f.askPackage(w, r)
	if err != nil {
		return err
	}
	if to := s.canonical(r); to != "" {
		return moved(w, r, to)
	}
	return render(w, r, http.StatusOK, p.Page, confirm.View(p))
}

// deletePackage puts a package into the trash, once its name was typed.
func (f *Face) deletePackage(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, s, p, err := f.askPackage(w, r)
	if err != nil {
		return err
	}
	if typed(r, "typed") != p.Typed {
		p.Errors = shared.Problems{{Field: "typed", Text: "This is not the name. Type " + p.Typed + "."}}
		return render(w, r, http.StatusUnprocessableEntity, p.Page, confirm.View(p))
	}
	if err := f.registry.DeletePackage(r.Context(), v.actor, s.OwnerName, s.Name); err != nil {
		return err
	}
	f.say(w, trashNotice(v, s.Package, s.FullName()))
	return see(w, r, shared.OwnerURL(s.OwnerName))
}
