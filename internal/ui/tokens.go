package ui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/ui/pages/settings/tokens"
	"terrarium/internal/ui/shared"
)

// defaultDays is how long a token lasts unless its maker says otherwise.
const defaultDays = 90

// tokensPage lists the tokens of the visitor or of an organisation, with the form
// that makes one.
func (f *Face) tokensPage(w http.ResponseWriter, r *http.Request) error {
	v, o, shown, err := f.settingsOf(w, r, "Tokens")
	if err != nil {
		return err
	}
	p := newTokens(r, v, shown)
	return f.showTokens(w, r, http.StatusOK, v, o, p)
}

func newTokens(r *http.Request, v *visit, shown shared.Owner) tokens.Page {
	p := tokens.Page{Head: settingsHead(v, shown, "Tokens"), Action: r.URL.Path}
	p.Page = v.frame
	chosen := r.PostForm["scope"]
	for _, name := range scopeNames() {
		p.Scopes = append(p.Scopes, shared.Option{Value: name, Label: name, Hint: access.KnownScopes()[name], Selected: slices.Contains(chosen, name)})
	}
	ends := r.PostFormValue("ends")
	if _, err := strconv.Atoi(ends); err != nil {
		ends = strconv.Itoa(defaultDays)
	}
	for _, days := range []int{7, 30, 90, 365} {
		value := strconv.Itoa(days)
		p.Ends = append(p.Ends, shared.Option{Value: value, Label: "in " + shared.Of(days, "day"), Selected: value == ends})
	}
	p.Name, p.Only = typed(r, "name"), typed(r, "only")
	return p
}

// scopeNames are the scopes of the form, the widest last.
func scopeNames() []string {
	return []string{"conda:download", "api:read", "api:write", "all"}
}

// showTokens fills in the list and draws the page; one that shows a new token is
// kept by nobody.
func (f *Face) showTokens(w http.ResponseWriter, r *http.Request, status int, v *visit, o account.Owner, p tokens.Page) error {
	list, err := f.accounts.Tokens(r.Context(), v.actor, o.Name)
	if err != nil {
		return err
	}
	for _, t := range list {
		row := tokens.Token{ID: t.ID, Name: t.Name, Last4: t.Last4, Scopes: strings.Join(t.Scopes, ", "), Limited: strings.Join(t.Resources, ", "), Made: t.CreatedAt}
		if row.Scopes == "" {
			row.Scopes = "all"
		}
		if t.ExpiresAt != nil {
			row.Ends = *t.ExpiresAt
		}
		if t.LastUsedAt != nil {
			row.Used, row.UsedBy = *t.LastUsedAt, strings.Join(nonEmpty(t.LastUsedFrom, client(t.LastUsedAgent)), ", ")
		}
		p.Rows = append(p.Rows, row)
	}
	if p.New != nil {
		return renderSecret(w, r, status, tokens.View(p))
	}
	return render(w, r, status, p.Page, tokens.View(p))
}

// changeTokens makes a token, or revokes one.
func (f *Face) changeTokens(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, o, shown, err := f.settingsOf(w, r, "Tokens")
	if err != nil {
		return err
	}
	if id := r.PostFormValue("revoke"); id != "" {
		if err := f.accounts.RevokeToken(r.Context(), v.actor, o.Name, id); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		f.say(w, shared.Notice{Kind: "ok", Title: "The token is revoked.", Text: "Its next request is refused."})
		return see(w, r, r.URL.Path)
	}
	p := newTokens(r, v, shown)
	days, err := strconv.Atoi(r.PostFormValue("ends"))
	if err != nil || days < 1 || days > 3650 {
		days = defaultDays
	}
	n := account.NewToken{
		Name: p.Name, Scopes: r.PostForm["scope"], MaxAge: time.Duration(days) * 24 * time.Hour,
		Resources: strings.FieldsFunc(p.Only, func(r rune) bool { return r == ',' || r == ' ' }),
	}
	if shown.Organization {
		n.OrganizationName = o.Name
	}
	var t account.Token
	var secret string
	if len(n.Scopes) == 0 {
		err = errs.New(errs.Invalid, "Tick what the token may do.").On("scope")
	} else {
		t, secret, err = f.accounts.CreateToken(r.Context(), v.actor, n)
	}
	if err != nil {
		list, status, ok := problems(err, map[string]string{"scopes": "scope", "resources": "only", "max_age": "ends"})
		if !ok {
			return err
		}
		p.Errors = inOrder(list, "name", "scope", "only", "ends")
		return f.showTokens(w, r, status, v, o, p)
	}
	p = newTokens(r, v, shown)
	p.Name, p.Only = "", ""
	p.New = &tokens.New{Name: t.Name, Value: secret, Commands: []string{"export ANACONDA_API_TOKEN=" + secret, "anaconda config --set url " + f.opts.URL + "/api", "anaconda whoami"}}
	return f.showTokens(w, r, http.StatusOK, v, o, p)
}
