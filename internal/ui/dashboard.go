package ui

import (
	"net/http"
	"net/url"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/audit"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/dashboard"
	"terrarium/internal/ui/shared"
)

const (
	sharedRows   = 5
	activityRows = 10
)

// dashboard is the first page of somebody signed in: packages of the owner in
// view, what others share, what happened.
func (f *Face) dashboard(w http.ResponseWriter, r *http.Request) error {
	v, err := f.person(w, r, "Dashboard")
	if err != nil {
		return err
	}
	v.frame.Current = "dashboard"
	p := dashboard.Page{Page: v.frame}
	view := v.frame.Viewer.View
	at := placeOf(r)
	list, filter, err := f.packagesOf(r, v, view.Name, at)
	if err != nil {
		return err
	}
	title := "My packages"
	if view.Organization {
		title = "Packages of " + view.Name
	}
	p.Filter = filter
	others, total := []registry.Package{}, 0
	if !view.Organization && !partial(r) {
		if others, total, err = f.registry.SharedWith(r.Context(), v.actor, r.URL.Query().Get("shared"), sharedRows); err != nil {
			return err
		}
	}
	rows, err := f.rows(r.Context(), v.actor, append(list.Packages, others...))
	if err != nil {
		return err
	}
	mine, theirs := rows[:len(list.Packages)], rows[len(list.Packages):]
	p.Mine = dashboard.List{Title: title, Total: list.Total, Table: table(r, title, mine), Pager: at.pager(r, len(mine), list.Total, list.Next, 0)}
	if partial(r) {
		return write(w, r, http.StatusOK, "no-store", dashboard.Mine(p))
	}
	if !view.Organization && len(v.orgs) > 0 {
		p.Shared = &dashboard.List{Title: "Shared with me", Total: total, Table: shared.PackageTable{Caption: "Shared with me", Rows: theirs}}
		p.SharedOwners = append(p.SharedOwners, shared.Option{Label: "All owners", Selected: r.URL.Query().Get("shared") == ""})
		for _, o := range v.orgs {
			p.SharedOwners = append(p.SharedOwners, shared.Option{Value: o.Name, Label: o.Name, Selected: o.Name == r.URL.Query().Get("shared")})
		}
		if total > len(theirs) {
			chosen := r.URL.Query().Get("shared")
			if chosen == "" && len(v.orgs) == 1 {
				chosen = v.orgs[0].Name
			}
			q := url.Values{"owner": {chosen}}
			if chosen == "" {
				q.Del("owner")
				for _, o := range v.orgs {
					q.Add("owner", o.Name)
				}
			}
			p.SharedURL = (&url.URL{Path: "/search", RawQuery: q.Encode()}).String()
		}
	}
	if list.Total == 0 && filter == "" && !view.Organization {
		p.Steps = f.steps(v)
	}
	if p.Activity, err = f.activity(r, v); err != nil {
		return err
	}
	if !v.actor.Verified {
		u, err := f.accounts.User(r.Context(), v.actor, v.actor.Name)
		if err != nil {
			return err
		}
		p.VerifyEmail = u.Email
	}
	for _, o := range v.orgs {
		line := dashboard.Organization{Owner: shared.Owner{Name: o.Name, Organization: true, Role: string(o.Role)}}
		if o.Role.Administers() {
			line.SettingsURL = shared.SettingsURL(line.Owner)
		}
		p.Organizations = append(p.Organizations, line)
	}
	if o, is := v.organization(view.Name); !is || o.Role.Administers() {
		use, err := f.registry.Storage(r.Context(), v.actor, view.Name, 0)
		if err != nil {
			return err
		}
		p.Storage = &dashboard.Storage{Files: use.Files, Bytes: use.Bytes, Trashed: use.Trashed, Href: "/settings/storage"}
		if is {
			p.Storage.Href = "/organization/" + url.PathEscape(o.Name) + "/settings/storage"
		}
	}
	return render(w, r, http.StatusOK, p.Page, dashboard.View(p))
}

// steps lead somebody new to the first package.
func (f *Face) steps(v *visit) []dashboard.Step {
	login := f.loginCommands(v.actor.Name)
	return []dashboard.Step{
		{Title: "Tell anaconda-client about this server", Text: "Once per computer. The client comes with pip install anaconda-client.", Code: shared.Code{Lines: login[:1], Prompt: true, Label: "the command"}},
		{Title: "Log in", Text: "Programs without a person in front of them use a token from Settings, Tokens.", Code: shared.Code{Lines: login[1:], Prompt: true, Label: "the login command"}},
		{Title: "Upload", Text: "The file that conda-build or rattler-build has made. You can also drop it on the page Add a package.", Code: shared.Code{Lines: []string{uploadCommand(v.actor.Name, "", true)}, Prompt: true, Label: "the upload command"}},
	}
}

// activity tells what happened to the owner in view, as far as the visitor may
// see its log.
func (f *Face) activity(r *http.Request, v *visit) ([]shared.Activity, error) {
	owner := account.Owner{ID: v.actor.ID, Name: v.actor.Name, Kind: access.User}
	if o, is := v.organization(v.frame.Viewer.View.Name); is {
		if !o.Role.Administers() {
			return nil, nil // members do not see the log
		}
		owner = o.Owner
	}
	rows, more, err := f.accounts.Log(r.Context(), v.actor, owner, audit.Filter{Limit: 8 * activityRows})
	if err != nil {
		return nil, err
	}
	return recent(rows, more != ""), nil
}

// recent makes sentences of the log, newest first. The uploads of one release
// that follow each other are one sentence, and making a package is left unsaid
// where its first upload says it. more says that the log goes on.
func recent(rows []audit.Row, more bool) []shared.Activity {
	uploaded := map[string]bool{}
	for _, row := range rows {
		if row.Action == "file.upload" {
			parts := strings.Split(row.ObjectName, "/")
			uploaded[strings.Join(parts[:min(len(parts), 2)], "/")] = true
		}
	}
	var list []shared.Activity
	for i := 0; i < len(rows) && len(list) < activityRows; i++ {
		row := rows[i]
		if row.Action == "package.create" && uploaded[row.ObjectName] {
			continue
		}
		a, known := told(row)
		if !known {
			continue
		}
		files := 1
		for release := releaseOf(row); release != "" && i+1 < len(rows); i++ {
			next := rows[i+1]
			if next.Action == "package.create" && uploaded[next.ObjectName] {
				continue
			}
			if next.ActorName != row.ActorName || releaseOf(next) != release {
				break
			}
			files++
		}
		if files > 1 {
			a.Object = releaseOf(row) + ", " + shared.Of(files, "file")
			if more && i+1 == len(rows) {
				a.Object = releaseOf(row) + ", " + shared.Count(files) + " or more files"
			}
		}
		list = append(list, a)
	}
	return list
}

// releaseOf names the release that a line of the log uploads into, or "".
func releaseOf(row audit.Row) string {
	parts := strings.Split(row.ObjectName, "/")
	if row.Action != "file.upload" || len(parts) < 3 {
		return ""
	}
	return parts[0] + "/" + parts[1] + " " + parts[2]
}

// told makes a sentence of a line of the log, where it is worth one.
func told(row audit.Row) (shared.Activity, bool) {
	verbs := map[string]string{
		"file.upload": "uploaded", "file.delete": "deleted", "file.restore": "restored", "file.copy": "copied", "file.withdraw": "yanked",
		"release.delete": "deleted", "package.create": "created", "package.delete": "deleted", "package.update": "changed", "package.privacy": "changed who reads",
		"label.add": "labelled files as", "label.remove": "took files out of", "channel.create": "made the channel", "channel.update": "changed the channel",
		"token.create": "made the token", "token.revoke": "revoked the token", "organization.create": "made the organisation",
		"member.add": "added", "member.remove": "removed", "user.sign-up": "signed up as", "user.update": "changed the profile of", "organization.update": "changed the profile of",
	}
	verb, known := verbs[row.Action]
	if !known {
		return shared.Activity{}, false
	}
	a := shared.Activity{Actor: row.ActorName, Verb: verb, Object: row.ObjectName, At: row.At}
	if a.Actor == "" {
		a.Actor = "the operator"
	}
	parts := strings.Split(row.ObjectName, "/")
	switch row.ObjectKind {
	case "file", "release":
		if len(parts) >= 3 {
			a.Object, a.Href = parts[0]+"/"+parts[1]+" "+parts[2], shared.PackageURL(parts[0], parts[1])
			if row.ObjectKind == "file" {
				a.Object = parts[0] + "/" + parts[1] + " " + parts[2] + ", " + parts[len(parts)-1]
			}
		}
	case "package":
		if len(parts) == 2 {
			a.Href = shared.PackageURL(parts[0], parts[1])
		}
	case "channel":
		if len(parts) >= 2 {
			a.Href = shared.ChannelURL(parts[0], strings.Join(parts[1:], "/"))
		}
	case "user", "organization":
		a.Href = shared.OwnerURL(row.ObjectName)
	}
	return a, true
}

// sibling gives the page of an owner that stands where a page of another owner
// does, for a change of the owner in view.
func sibling(path, owner string, administers bool) string {
	bare, _, _ := strings.Cut(path, "?")
	switch {
	case bare == "/dashboard":
		return "/dashboard"
	case bare == "/add":
		return "/add?owner=" + url.QueryEscape(owner)
	case strings.HasPrefix(bare, "/settings/"), strings.HasPrefix(bare, "/organization/"):
		return shared.SettingsURL(shared.Owner{Name: owner, Organization: administers})
	default:
		return path
	}
}
