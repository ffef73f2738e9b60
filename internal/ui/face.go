package ui

import (
	"net/http"
	"strings"
	"time"

	"terrarium/internal/account"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// Options say what the face needs beside its parts.
type Options struct {
	Accounts     *account.Accounts
	Registry     *registry.Registry
	Index        *index.Index
	Now          func() time.Time // nil: the clock
	URL          string           // public address of the instance, without a slash at the end
	Version      string           // of the program, shown at the foot of each page
	InstanceName string           // "" is "Terrarium"
	Support      string           // the operator's mail address, shown where somebody is stuck; may be empty
	Signup       string           // as account.Options.Signup
	MailFolder   string           // where mail goes that is not sent, named on the sign-up page; may be empty
	Ready        func() bool      // whether the first load is done; nil: always
	Settings     []Setting        // what the operator has chosen, for the set-up page
	CookieName   string           // of the session
	MaxUpload    int64            // bytes of one file; 0: no limit of its own
}

// Setting is a setting of the program as it may be shown.
type Setting struct {
	Key    string // "url"; "--url" sets it
	Value  string // without passwords
	Source string // "flag", "environment", "file PATH", "default"
}

// Face serves the pages for people.
type Face struct {
	accounts *account.Accounts
	registry *registry.Registry
	index    *index.Index
	assets   *Assets
	site     *shared.Site
	opts     Options
	started  time.Time
	front    front
}

// New makes the face. It fails only when the embedded files are damaged.
func New(opts Options) (*Face, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Ready == nil {
		opts.Ready = func() bool { return true }
	}
	if opts.InstanceName == "" {
		opts.InstanceName = "Terrarium"
	}
	opts.URL = strings.TrimSuffix(opts.URL, "/")
	assets, err := NewAssets()
	if err != nil {
		return nil, err
	}
	f := &Face{accounts: opts.Accounts, registry: opts.Registry, index: opts.Index, assets: assets, opts: opts, started: opts.Now()}
	f.site = &shared.Site{
		Name: opts.InstanceName, Version: opts.Version, URL: opts.URL, Contact: opts.Support,
		ChannelsURL: "/?home&channels=all#channels", DocsURL: "/help", APIURL: "/api/v1/openapi.json", SignUp: opts.Signup != "closed" && opts.Signup != "invite", Asset: assets.URL,
	}
	return f, nil
}

// Handler mounts the routes.
func (f *Face) Handler() http.Handler {
	return web.Mount(f.Routes(), f.refuse, f.elsewhere)
}
