package app

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// Moving is a channel, or an owner with all its labels, to be loaded from somewhere
// else.
type Moving struct {
	Owner, Channel string
	Source         string   // folder, or http(s) address of a channel
	Subdirs        []string // none = all
	MetadataOnly   bool
	BaseURL        string // where files are fetched later on; "" = the source
	Token          string // for the source; "" = none
	Labels         bool   // each label of the source's owner into the channel of its name
}

// remote reports whether the source is an address.
func (m Moving) remote() bool { return strings.Contains(m.Source, "://") }

// Moved is one channel that was loaded.
type Moved struct {
	Channel string
	Report  registry.ImportReport
	Why     string // it is a label that was left out, or the rest of it; a sentence
}

// Move loads what m names, and tells how far it is. begun, which may be nil, is
// called before each channel. What was loaded before an error is given with it. A
// label that cannot be loaded, because of its name or of what the source has under
// it, is left out, unless there is no other.
func (a *App) Move(ctx context.Context, actor access.Actor, m Moving, begun func(channel string), progress registry.ImportProgress) ([]Moved, error) {
	if m.Token != "" && m.MetadataOnly {
		return nil, errTokenLater()
	}
	channels, public, err := a.moving(ctx, m)
	if err != nil {
		return nil, err
	}
	var done []Moved
	var refused error
	loaded := 0
	for _, channel := range channels {
		one := m
		if m.Labels {
			one.Source = labelAddress(m.Source, channel)
			one.Channel, one.BaseURL = strings.ToLower(channel), ""
		}
		if begun != nil {
			begun(one.Channel)
		}
		report, err := a.moveOne(ctx, actor, one, public, progress)
		if err == nil || len(report.Subdirs) > 0 {
			loaded++
		}
		switch {
		case err == nil:
			done = append(done, Moved{Channel: one.Channel, Report: report})
		case m.Labels && errs.Is(err, errs.Invalid): // the others can be had all the same
			done = append(done, Moved{one.Channel, report, errs.Message(err)})
			if refused == nil {
				refused = err
			}
		default:
			if len(report.Subdirs) > 0 {
				done = append(done, Moved{Channel: one.Channel, Report: report})
			}
			return done, err
		}
	}
	if loaded == 0 {
		return done, refused
	}
	return done, nil
}

// moveOne loads one channel.
func (a *App) moveOne(ctx context.Context, actor access.Actor, m Moving, public map[string]bool, progress registry.ImportProgress) (registry.ImportReport, error) {
	if m.Labels {
		if err := conda.CheckLabel(m.Channel); err != nil {
			return registry.ImportReport{}, err
		}
	}
	src, err := a.importSource(ctx, m)
	if err != nil {
		return registry.ImportReport{}, err
	}
	if public != nil {
		src.Private = func(name string) bool { return !public[name] }
	}
	return a.Registry.Import(ctx, actor, m.Owner, m.Channel, src, progress)
}

// moving gives the channel to be made, or the labels as the source writes them, and which packages are to be public; nil =
// all, since what is read without a token is read by everybody.
func (a *App) moving(ctx context.Context, m Moving) ([]string, map[string]bool, error) {
	switch {
	case !m.Labels:
		return []string{m.Channel}, nil, nil
	case !m.remote():
		return nil, nil, errs.New(errs.Invalid, "A folder has no labels; they are read from the API beside an address, such as https://conda.anaconda.org/OWNER.").On("labels")
	case m.Channel != "main":
		return nil, nil, errs.New(errs.Invalid, "With --labels each label comes into the channel of its name; name the owner alone.").On("labels")
	}
	up, err := upstreamOf(a.Dial.HTTPClient(), m.Source, m.Token)
	if err != nil {
		return nil, nil, err
	}
	labels, err := up.labels(ctx)
	if err != nil {
		return nil, nil, err
	}
	if m.Token == "" {
		return labels, nil, nil
	}
	public, err := up.public(ctx)
	return labels, public, err
}

// importSource makes the source of one channel.
func (a *App) importSource(ctx context.Context, m Moving) (registry.ImportSource, error) {
	if m.BaseURL != "" {
		u, err := url.Parse(m.BaseURL)
		if err != nil {
			return registry.ImportSource{}, errs.New(errs.Invalid, "Where files are to be fetched from is no address.").On("base_url")
		}
		if err := tells(u); err != nil {
			return registry.ImportSource{}, err.On("base_url")
		}
	}
	src := registry.ImportSource{Subdirs: m.Subdirs, MetadataOnly: m.MetadataOnly, BaseURL: m.BaseURL, Name: m.Source}
	if m.remote() {
		web, err := newWebChannel(ctx, a.Dial.HTTPClient(), m.Source, m.Token)
		if err != nil {
			return registry.ImportSource{}, err
		}
		src.Files, src.Name = web, web.shown
		if m.Token != "" {
			if src.Anybody, err = newWebChannel(ctx, a.Dial.HTTPClient(), m.Source, ""); err != nil {
				return registry.ImportSource{}, err
			}
		}
		if src.BaseURL == "" {
			src.BaseURL = web.shown
		}
		return src, nil
	}
	root, err := filepath.Abs(m.Source)
	if err != nil {
		return registry.ImportSource{}, err
	}
	if st, err := os.Stat(root); err != nil || !st.IsDir() {
		return registry.ImportSource{}, errs.New(errs.NotFound, "There is no folder %s.", m.Source).On("source")
	}
	src.Files, src.Name = os.DirFS(root), root
	if src.BaseURL == "" {
		src.BaseURL = importFolder(root)
	}
	return src, nil
}

// importFolder says where a folder's files are fetched from later on.
func importFolder(root string) string { return "file://" + (&url.URL{Path: root}).EscapedPath() }
