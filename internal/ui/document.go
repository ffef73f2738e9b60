package ui

import (
	"embed"
	"fmt"
	"net/http"
	"time"

	"terrarium/internal/ui/markdown"
	"terrarium/internal/ui/pages/document"
	"terrarium/internal/ui/pages/status"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

//go:embed text
var texts embed.FS

// termsVersion names the Terms that accounts accept; a change of the text is a
// new version.
const termsVersion = "1 November 2026"

// textPage shows one of the running texts.
func (f *Face) textPage(name, heading string) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, err := f.visit(w, r, heading)
		if err != nil {
			return err
		}
		source, err := texts.ReadFile("text/" + name + ".md")
		if err != nil {
			return fmt.Errorf("read the text of a page: %w", err)
		}
		p := document.Page{Page: v.frame, Heading: heading, HTML: markdown.Render(source, markdown.Options{}).HTML}
		if name == "terms" {
			if p.Updated, err = time.Parse("2 January 2006", termsVersion); err != nil {
				return fmt.Errorf("read the version of the terms: %w", err)
			}
		}
		return render(w, r, http.StatusOK, p.Page, document.View(p))
	}
}

// help says how things work, with the keys.
func (f *Face) help(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "Help")
	if err != nil {
		return err
	}
	name, owner, pkg := v.actor.Name, "OWNER", "PACKAGE"
	p := document.Help{
		Page: v.frame, Install: f.installTools(r, owner, "main", pkg, false), Login: f.loginCommands(name), Upload: []string{uploadCommand("", "", true)},
		API: f.site.APIURL,
	}
	return render(w, r, http.StatusOK, p.Page, document.HelpView(p))
}

// status says whether the parts of the server answer.
func (f *Face) status(w http.ResponseWriter, r *http.Request) error {
	p := status.Page{Page: f.frame(r, "Status"), Started: f.started}
	p.Parts = append(p.Parts, status.Part{Name: "Web pages", OK: true, Sentence: "This one answers."})
	begun := time.Now()
	_, err := f.accounts.HasOperator(r.Context())
	database := status.Part{Name: "Accounts and search", OK: err == nil, Sentence: "Answers in " + shared.Took(time.Since(begun)) + "."}
	if err != nil {
		web.EventOf(r).Set("database", err.Error())
		database.Sentence = "The database does not answer. What is public and was read lately stays installable."
	} else if v, err := f.visit(w, r, "Status"); err == nil {
		p.Page = v.frame
	}
	channels := status.Part{Name: "Channels", OK: f.opts.Ready(), Sentence: "Indexes are loaded."}
	if !channels.OK {
		channels.Sentence = "Indexes are being loaded; the first answers take longer."
	}
	p.Parts = append(p.Parts, database, channels)
	return write(w, r, http.StatusOK, "no-store", status.View(p))
}
