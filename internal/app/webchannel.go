package app

import (
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// webChannel is a channel at an address, as a folder: what an import reads. Its
// root lists the subdirs that the channel says it has, or that are looked for; a
// file is asked for when it is opened.
type webChannel struct {
	ctx    context.Context //nolint:containedctx // fs.FS has no place for it; the folder lives as long as its import
	client *http.Client
	base   string // of the channel, without a final slash; may hold a token
	shown  string // the same without it

	mu      sync.Mutex
	listing []fs.DirEntry
}

// newWebChannel reads the channel at an address. The token is put into the path as
// conda does; it is told to nobody, and redirects do not carry it on to others
// than the address gave.
func newWebChannel(ctx context.Context, client *http.Client, address, token string) (*webChannel, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errs.New(errs.Invalid, "The source is neither a folder nor the http or https address of a channel.").On("source")
	}
	if err := tells(u); err != nil {
		return nil, err.On("source")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	w := &webChannel{ctx: ctx, client: client, base: u.String(), shown: u.String()}
	if token != "" {
		u.Path = "/t/" + token + u.Path
		w.base = u.String()
	}
	return w, nil
}

// tells refuses an address that has, or may have, a secret in it: the page of the
// channel, its files and the audit log name it.
func tells(u *url.URL) *errs.Error {
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errs.New(errs.Invalid, "The address of a channel has no user, query or fragment. Give a token by its environment variable, with --token-env.")
	}
	if _, after, found := strings.Cut(u.Path, "/t/"); found && strings.Trim(after, "/") != "" && u.Scheme != "file" {
		return errs.New(errs.Invalid, "The address of a channel has no /t/TOKEN in it, since others see the address. Give the token by its environment variable, with --token-env.")
	}
	return nil
}

// get asks for a file of the channel.
func (w *webChannel) get(method, name string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(w.ctx, method, w.base+"/"+(&url.URL{Path: name}).EscapedPath(), nil)
	if err != nil {
		return nil, errs.New(errs.Invalid, "%s/%s is no address.", w.shown, name)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // its text has the address, and that may have a token
		}
		if errs.KindOf(err) != errs.Internal {
			return nil, err
		}
		return nil, errs.New(errs.Unavailable, "%s does not answer: %s.", w.shown, strings.TrimSuffix(err.Error(), "."))
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return nil, fs.ErrNotExist
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, errs.New(errs.Invalid, "%s answers %s for %s. Name a token that may read it with --token-env.", w.shown, resp.Status, name).On("source")
	}
	return nil, errs.New(errs.Unavailable, "%s answers %s for %s.", w.shown, resp.Status, name)
}

// Open implements fs.FS.
func (w *webChannel) Open(name string) (fs.File, error) {
	resp, err := w.get(http.MethodGet, name) //nolint:bodyclose // whoever opens the file closes it
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &webFile{resp.Body, webInfo{name: path.Base(name), size: resp.ContentLength}}, nil
}

// Stat implements fs.StatFS. Some servers answer HEAD for no index of shards, so it
// is GET for that, and where HEAD is refused: an address that was signed for GET
// alone may stand behind a redirect.
func (w *webChannel) Stat(name string) (fs.FileInfo, error) {
	method := http.MethodHead
	if strings.HasSuffix(name, ".msgpack.zst") {
		method = http.MethodGet
	}
	resp, err := w.get(method, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && method == http.MethodHead {
		resp, err = w.get(http.MethodGet, name)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	resp.Body.Close()
	return webInfo{name: path.Base(name), size: resp.ContentLength}, nil
}

// maxChannelData bounds the channeldata.json that is read for its list of subdirs.
const maxChannelData = 512 << 20

// ReadDir implements fs.ReadDirFS, for the root alone.
func (w *webChannel) ReadDir(name string) ([]fs.DirEntry, error) {
	if name != "." {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listing == nil {
		subdirs, err := w.subdirs()
		if err != nil {
			return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
		}
		w.listing = []fs.DirEntry{}
		for _, s := range subdirs {
			w.listing = append(w.listing, fs.FileInfoToDirEntry(webInfo{name: s, folder: true}))
		}
	}
	return w.listing, nil
}

// subdirs reads which subdirs the channel has; where it does not say, all that
// conda knows may be there.
func (w *webChannel) subdirs() ([]string, error) {
	resp, err := w.get(http.MethodGet, "channeldata.json")
	if errors.Is(err, fs.ErrNotExist) {
		return conda.KnownSubdirs(), nil
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var said struct {
		Subdirs []string `json:"subdirs"`
	}
	body := io.LimitReader(resp.Body, maxChannelData)
	if err := json.UnmarshalRead(body, &said); err != nil || len(said.Subdirs) == 0 {
		return conda.KnownSubdirs(), nil // one that cannot be read says nothing
	}
	list := slices.DeleteFunc(said.Subdirs, func(s string) bool { return conda.CheckSubdir(s) != nil })
	slices.Sort(list)
	return slices.Compact(list), nil
}

// webFile is the answer to one request.
type webFile struct {
	io.ReadCloser
	info webInfo
}

// Stat implements fs.File.
func (f *webFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// webInfo is what is known of a file at an address.
type webInfo struct {
	name   string
	size   int64 // -1 = unknown
	folder bool
}

// Name implements fs.FileInfo.
func (i webInfo) Name() string { return i.name }

// Size implements fs.FileInfo.
func (i webInfo) Size() int64 { return i.size }

// Mode implements fs.FileInfo.
func (i webInfo) Mode() fs.FileMode {
	if i.folder {
		return fs.ModeDir
	}
	return 0
}

// ModTime implements fs.FileInfo.
func (i webInfo) ModTime() time.Time { return time.Time{} }

// IsDir implements fs.FileInfo.
func (i webInfo) IsDir() bool { return i.folder }

// Sys implements fs.FileInfo.
func (i webInfo) Sys() any { return nil }

// upstream is the anaconda.org API beside a channel, for what the channel does not
// say: labels, and which packages are private.
type upstream struct {
	client     *http.Client
	api, token string
	owner      string
}

// upstreamOf guesses the API of a channel's address: that of anaconda.org, or /api
// of the same host.
func upstreamOf(client *http.Client, address, token string) (upstream, error) {
	u, err := url.Parse(address)
	if err != nil {
		return upstream{}, errs.New(errs.Invalid, "The source is no address.").On("source")
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	api := url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/api"}
	if u.Host == "conda.anaconda.org" {
		api.Host, api.Path = "api.anaconda.org", ""
	} else if len(parts) == 2 && (parts[0] == "conda" || parts[0] == "repo") {
		parts = parts[1:]
	}
	if len(parts) != 1 || parts[0] == "" {
		return upstream{}, errs.New(errs.Invalid, "Labels belong to an owner: give its address, such as https://conda.anaconda.org/OWNER.").On("source")
	}
	return upstream{client, api.String(), token, parts[0]}, nil
}

// get reads a JSON answer of the API.
func (u upstream) get(ctx context.Context, where string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.api+where, nil)
	if err != nil {
		return errs.New(errs.Invalid, "%s%s is no address.", u.api, where)
	}
	if u.token != "" {
		req.Header.Set("Authorization", "token "+u.token)
	}
	resp, err := u.client.Do(req)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "%s does not answer.", u.api)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errs.New(errs.Invalid, "%s%s answers %s, so labels and private packages cannot be known.", u.api, where, resp.Status).On("source")
	}
	if err := json.UnmarshalRead(io.LimitReader(resp.Body, maxChannelData), into); err != nil {
		return errs.Wrap(errs.Invalid, err, "What %s%s answers cannot be read.", u.api, where).On("source")
	}
	return nil
}

// labels lists the labels of the owner as it writes them, main first.
func (u upstream) labels(ctx context.Context) ([]string, error) {
	said := map[string]any{}
	if err := u.get(ctx, "/channels/"+url.PathEscape(u.owner), &said); err != nil {
		return nil, err
	}
	delete(said, "main")
	return append([]string{"main"}, slices.Sorted(maps.Keys(said))...), nil
}

// public lists the packages that the API calls public. One that it does not name
// may be private: a token that may read the channel need not show it there.
func (u upstream) public(ctx context.Context) (map[string]bool, error) {
	var said []struct {
		Name   string `json:"name"`
		Public bool   `json:"public"`
	}
	if err := u.get(ctx, "/packages/"+url.PathEscape(u.owner), &said); err != nil {
		return nil, err
	}
	public := map[string]bool{}
	for _, p := range said {
		public[conda.NormalizeName(p.Name)] = p.Public
	}
	return public, nil
}

// errTokenLater refuses a token where files are fetched when nobody has it any more.
func errTokenLater() error {
	return errs.New(errs.Invalid, "With --metadata-only files are fetched when they are first asked for, and the token is not kept. Leave one of the two out.").On("token_env")
}

// labelAddress is where a channel serves one label of its owner.
func labelAddress(address, label string) string {
	if label == "main" {
		return address
	}
	return fmt.Sprintf("%s/label/%s", strings.TrimRight(address, "/"), label)
}
