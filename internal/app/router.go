package app

import (
	"context"
	"net/http"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/api"
	"terrarium/internal/condahttp"
	"terrarium/internal/errs"
	"terrarium/internal/ui"
	"terrarium/internal/web"
)

// Faces are the handlers of each audience, with their tables of contents.
type Faces struct {
	Conda *condahttp.Face
	API   *api.Face
	UI    *ui.Face
}

// Routes is every route of the program.
func (f Faces) Routes() []web.Route {
	var out []web.Route
	out = append(out, f.Conda.Routes()...)
	out = append(out, f.API.Routes()...)
	return append(out, f.UI.Routes()...)
}

// Faces makes the faces.
func (a *App) Faces(version string) (Faces, error) {
	var settings []ui.Setting
	for _, v := range Resolved(a.Config.Values, a.Config) {
		settings = append(settings, ui.Setting{Key: v.Key, Value: v.Shown(), Source: v.Source})
	}
	pages, err := ui.New(ui.Options{
		Accounts: a.Accounts, Registry: a.Registry, Index: a.Index, Now: a.now, URL: a.Config.URL, Version: version,
		InstanceName: a.Config.Name, Support: a.Config.Support, Signup: a.Config.Signup, MailFolder: strings.TrimPrefix(mailFolder(a.Config), "dir:"),
		Ready: a.ready.Load, CookieName: a.cookie(), MaxUpload: a.Config.MaxUpload, Settings: settings,
	})
	if err != nil {
		return Faces{}, err
	}
	return Faces{
		Conda: condahttp.New(a.Registry, a.Index, condahttp.Options{
			URL: a.Config.URL, IndexMaxAge: a.Config.IndexMaxAge, Redirect: a.Config.Redirect, Page: pages.ErrorPage,
		}),
		API: api.New(api.Options{Accounts: a.Accounts, Registry: a.Registry, Index: a.Index, Now: a.now, URL: a.Config.URL, Version: version, Operate: a.operate()}),
		UI:  pages,
	}, nil
}

func mailFolder(cfg Config) string {
	if strings.HasPrefix(cfg.Mail, "dir:") {
		return cfg.Mail
	}
	return ""
}

// Handler is the whole program over HTTP: the token is taken off the path, then
// the first segment chooses the face.
func (a *App) Handler(version string) (http.Handler, error) {
	faces, err := a.Faces(version)
	if err != nil {
		return nil, err
	}
	frame := &web.Frame{
		Authenticate: a.authenticate, Cookie: a.cookie(), Trusted: a.Config.ProxyTrust, Log: a.Log,
		Observe: a.metrics.observe, Tracer: a.Traces, Now: a.now, Secure: strings.HasPrefix(a.Config.URL, "https://"),
	}
	conda := frame.Identify(web.Means{Header: true, Path: true}, faces.Conda.Handler())
	classic := frame.Identify(web.Means{Header: true}, faces.API.Handler())
	cross := http.NewCrossOriginProtection()
	// /api/v1 takes the cookie as well, hence the guard; tools send no Origin.
	v1 := cross.Handler(frame.Identify(web.Means{Header: true, Cookie: true}, faces.API.Handler()))
	pages := cross.Handler(frame.Identify(web.Means{Header: true, Cookie: true}, faces.UI.Handler()))

	mux := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch first, second := firstSegments(r.URL.Path); first {
		case "conda", "repo":
			if r.Method == http.MethodPut {
				classic.ServeHTTP(w, r) // an upload in one request
				return
			}
			conda.ServeHTTP(w, r)
		case "api":
			if second == "v1" {
				v1.ServeHTTP(w, r)
				return
			}
			classic.ServeHTTP(w, r)
		case ".well-known", "oauth2": // asked by programs, which a page would confuse
			web.ErrorObject(w, r, http.StatusNotFound, errs.New(errs.NotFound, "There is no OpenID provider here. Use a token, or anaconda login --username."))
		case "healthz":
			w.WriteHeader(http.StatusOK)
		case "readyz":
			a.serveReady(w, r)
		case "metrics":
			a.metrics.handler().ServeHTTP(w, r)
		default:
			pages.ServeHTTP(w, r)
		}
	})
	return frame.Begin(web.StripToken(mux)), nil
}

func firstSegments(path string) (first, second string) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	second, _, _ = strings.Cut(rest, "/")
	return first, second
}

func (a *App) authenticate(ctx context.Context, c web.Credential, from access.Request) (access.Actor, error) {
	return a.Accounts.Authenticate(ctx, account.Credential{Scheme: c.Scheme, Value: c.Value, User: c.User}, from)
}

// cookie is the name of the session cookie: with the prefix that binds it to
// the host exactly when the public address is https.
func (a *App) cookie() string {
	if strings.HasPrefix(a.Config.URL, "https://") {
		return "__Host-terrarium"
	}
	return "terrarium"
}

// serveReady answers 200 when everything that a request needs is there.
func (a *App) serveReady(w http.ResponseWriter, r *http.Request) {
	err := a.DB.Ping(r.Context())
	if err == nil {
		err = a.Blobs.Ping(r.Context())
	}
	switch {
	case err != nil:
		http.Error(w, "not ready: the database or the blob store is away", http.StatusServiceUnavailable)
	case !a.ready.Load():
		http.Error(w, "not ready: starting", http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusOK)
	}
}
