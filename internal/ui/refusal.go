package ui

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/ui/pages/refusal"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// nothingHere is the one sentence for what is not there and for what is not for
// the visitor, so that neither can be told from the other.
const nothingHere = "Nothing here, or it is not for you."

// refuse writes the errors of pages: who has to sign in is sent there and back.
func (f *Face) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if unknown(err) && web.CallerOf(r).Err == nil && !web.CallerOf(r).Offered {
		next := ""
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next = r.URL.RequestURI()
		}
		_ = see(w, r, signInPath(next)) // never fails
		return
	}
	f.ErrorPage(w, r, err)
}

// ErrorPage answers a browser with a page that says what is wrong and what to do
// now. It asks neither a database nor a session.
func (f *Face) ErrorPage(w http.ResponseWriter, r *http.Request, err error) {
	status := web.Status(err)
	p := refusal.Page{Page: f.frame(r, ""), Status: status, Heading: errs.Head(err), Reasons: errs.Details(err)}
	p.Page.NoIndex = true
	if caller := web.CallerOf(r); caller.Err == nil && !caller.Actor.Anonymous() {
		me := shared.Owner{Name: caller.Actor.Name}
		p.Page.Viewer = &shared.Viewer{Name: me.Name, View: me, Choices: []shared.Owner{me}}
	}
	p.Page.Title = strconv.Itoa(status) + " " + http.StatusText(status)
	// The first sentence says what is wrong, the others what to do.
	if first, rest, found := strings.Cut(p.Heading, ". "); found {
		p.Heading, p.Ask = first+".", rest
	}
	switch status {
	case http.StatusNotFound:
		p.Page.Title, p.Reasons = "Nothing here", nil
		if !strings.HasPrefix(r.URL.Path, "/setup/") {
			p.Heading, p.Ask, p.Find, p.Search = nothingHere, "", true, wordsOf(r.URL.Path)
		}
	case http.StatusGone:
		if p.Search = packageOf(r.URL.Path); p.Search != "" {
			p.Sentence, p.Find = "Environments that have it keep it. Look for another release:", true
		}
	case http.StatusUnauthorized:
		p.Sentence = "Sign in on the web, or show a token that may read it."
	case http.StatusForbidden:
		p.Sentence = "Nothing was changed."
		if owner, name := web.Param(r, "owner"), web.Param(r, "package"); owner != "" && name != "" {
			p.Ways = []shared.Link{{Text: "Back to " + owner + "/" + name, Href: shared.PackageURL(owner, name)}}
		}
	case http.StatusTooManyRequests:
		waitFor(w, err)
	case http.StatusServiceUnavailable:
		p.Sentence = "What is published stays installable as long as this server answers. Try again in a moment."
		w.Header().Set("Retry-After", "5")
		p.RequestID = web.EventOf(r).ID
		if r.Method == http.MethodGet {
			p.Retry = r.URL.RequestURI()
		}
	case http.StatusInternalServerError:
		p.Page.Title, p.Sentence = "Something broke", "It is in the log of the server. Channels and downloads go on."
		p.RequestID = web.EventOf(r).ID
		if r.Method == http.MethodGet {
			p.Retry = r.URL.RequestURI()
		}
	}
	if err := write(w, r, status, "no-store", refusal.View(p)); err != nil {
		http.Error(w, "Something broke here, not with you.", http.StatusInternalServerError)
	}
}

// wordsOf gives the words of a path, to search for. Codes of links are no words.
func wordsOf(path string) string {
	for _, secret := range []string{"/reset/", "/verify/", "/setup/", "/invite/"} {
		if strings.HasPrefix(path, secret) {
			return ""
		}
	}
	words := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	if len(words) > 0 && (words[0] == "conda" || words[0] == "repo") {
		words = words[1:]
	}
	if len(words) > 1 {
		words = words[1:2] // of OWNER/PACKAGE/… the package says most
	}
	text := strings.Join(words, " ")
	if len(text) > 64 {
		return ""
	}
	return text
}

// packageOf gives the name of the package whose file a path names, or "".
func packageOf(path string) string {
	name, err := conda.ParseFileName(path[strings.LastIndexByte(path, '/')+1:])
	if err != nil {
		return ""
	}
	return name.Name
}

func seconds(d time.Duration) string { return strconv.Itoa(max(1, int((d+time.Second-1)/time.Second))) }
