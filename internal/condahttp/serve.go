package condahttp

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// serve answers everything under /conda and /repo.
func (f *Face) serve(w http.ResponseWriter, r *http.Request) error {
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/conda"), "/repo")
	a, ok := parsePath(path)
	if !ok {
		return errs.New(errs.NotFound, "There is nothing at this address.")
	}
	web.EventOf(r).Set("channel", a.owner+"/"+a.channel)
	open, err := f.open(r, a)
	if err != nil {
		refused := errs.Is(err, errs.Unauthenticated) || errs.Is(err, errs.Forbidden) || errs.Is(err, errs.NotFound)
		if refused && (a.file == "notices.json" || a.file == "terms.json") {
			return errs.New(errs.NotFound, "There is no %s here.", a.file) // never 401 or 403
		}
		return err
	}
	switch {
	case a.subdir == "":
		return f.serveChannel(w, r, a, open)
	case a.file == "":
		return f.serveFolder(w, r, a)
	case strings.HasPrefix(a.file, "shards/"):
		return f.serveShard(w, r, a, open)
	}
	if form, ok := formOf(a.file); ok {
		return f.serveForm(w, r, a, open, form)
	}
	if strings.HasSuffix(a.file, ".conda") || strings.HasSuffix(a.file, ".tar.bz2") {
		return f.serveFile(w, r, a, open)
	}
	return absent(a)
}

// open asks whether the caller may read the channel. Somebody with a bad
// credential gets the public answer where there is nothing but public things.
func (f *Face) open(r *http.Request, a address) (registry.Opened, error) {
	c := web.CallerOf(r)
	if c.Err == nil {
		return f.reg.OpenChannel(r.Context(), c.Actor, a.owner, a.channel)
	}
	if !errs.Is(c.Err, errs.Unauthenticated) {
		return registry.Opened{}, c.Err
	}
	anybody := access.Anonymous(c.Actor.Remote)
	open, err := f.reg.OpenChannel(r.Context(), anybody, a.owner, a.channel)
	if err != nil || !open.Public {
		return registry.Opened{}, c.Err
	}
	return open, nil
}

func absent(a address) error {
	return errs.New(errs.NotFound, "%s/%s has no %s.", a.owner, a.channel, strings.TrimPrefix(a.subdir+"/"+a.file, "/"))
}

// formOf names the index form behind a file name.
func formOf(file string) (index.Form, bool) {
	switch file {
	case "repodata.json":
		return index.RepodataJSON, true
	case "repodata.json.zst":
		return index.RepodataZstd, true
	case "repodata_shards.msgpack.zst":
		return index.ShardIndex, true
	case "current_repodata.json":
		return index.CurrentJSON, true
	case "current_repodata.json.zst":
		return index.CurrentZstd, true
	case "run_exports.json":
		return index.RunExportsJSON, true
	case "run_exports.json.zst":
		return index.RunExportsZstd, true
	}
	return "", false
}

// serveForm answers an index document of a subdir. HEAD of the shard index is
// 404: mamba, the only one that asks so, would keep the index for a day and
// cannot send secrets with shards; so it takes repodata.json.zst, asked anew
// each time (spec/clients-tried.md §2).
func (f *Face) serveForm(w http.ResponseWriter, r *http.Request, a address, open registry.Opened, form index.Form) error {
	if form == index.ShardIndex && r.Method == http.MethodHead {
		return absent(a)
	}
	view, err := f.view(r, a, open)
	if err != nil {
		return err
	}
	if form == index.RepodataJSON && acceptsZstd(r) {
		// The spliced frame is the body, under an ETag of its own.
		doc, err := view.Document(r.Context(), index.RepodataZstd)
		if err != nil {
			return err
		}
		coded := *doc
		coded.ETag = strings.TrimSuffix(doc.ETag, `"`) + `-coded"`
		coded.ContentType = "application/json"
		w.Header().Set("Content-Encoding", "zstd")
		return f.send(w, r, open, &coded)
	}
	doc, err := view.Document(r.Context(), form)
	if err != nil {
		return err
	}
	return f.send(w, r, open, doc)
}

func (f *Face) view(r *http.Request, a address, open registry.Opened) (*index.View, error) {
	if a.at != "" {
		return f.idx.At(r.Context(), open, a.at, a.subdir)
	}
	return f.idx.View(r.Context(), open, a.subdir)
}

// send writes a metadata document: always with a length and a strong ETag.
// If-Modified-Since is not looked at: equal times of different documents would
// answer 304 for bytes that the client does not have.
func (f *Face) send(w http.ResponseWriter, r *http.Request, open registry.Opened, doc *index.Document) error {
	h := w.Header()
	h["Content-Type"] = []string{doc.ContentType}
	h["Etag"] = []string{doc.ETag}
	h["Vary"] = varyMetadata
	h["Cache-Control"] = []string{f.metadataControl(open)}
	if doc.Stale {
		// No cache may keep it as fresh: --index-max-age is for what is current.
		h["Cache-Control"] = []string{"max-age=0, must-revalidate"}
		h.Set("Warning", `110 - "Response is stale"`)
		h.Set("X-Terrarium-Stale", "the database is away; this is the last state known here")
	}
	r.Header.Del("If-Modified-Since")
	if h.Get("Content-Encoding") != "" && r.Header.Get("If-Match") == "" {
		h.Set("Content-Length", strconv.FormatInt(doc.Size, 10)) // ServeContent leaves it out of what is coded
	}
	return web.ServeContent(w, r, doc.Modified, doc.Open())
}

func (f *Face) metadataControl(open registry.Opened) string {
	if !open.Public {
		return "max-age=0, must-revalidate"
	}
	return "public, max-age=" + strconv.Itoa(int(f.opt.IndexMaxAge/time.Second)) + ", must-revalidate"
}

// serveShard answers one shard by its hash. The index decides who may have it;
// a shard that an index named is never refused for another reason.
func (f *Face) serveShard(w http.ResponseWriter, r *http.Request, a address, open registry.Opened) error {
	hash, ok := strings.CutSuffix(strings.TrimPrefix(a.file, "shards/"), ".msgpack.zst")
	if !ok {
		return absent(a)
	}
	data, err := f.idx.Shard(r.Context(), open, a.at, a.subdir, hash)
	if err != nil {
		return err
	}
	h := w.Header()
	h["Etag"] = []string{`"` + hash + `"`}
	h["Vary"] = varyMetadata
	h["Cache-Control"] = immutable(open.Public)
	h["Content-Type"] = contentZstd
	return web.ServeContent(w, r, time.Time{}, bytes.NewReader(data))
}

func immutable(public bool) []string {
	if public {
		return immutablePublic
	}
	return immutablePrivate
}

// Values of headers that every answer of a kind shares, under names in the form
// that net/http keeps them in. Nobody changes such a list in place.
var (
	varyMetadata     = []string{"Authorization, Accept-Encoding"}
	contentZstd      = []string{"application/zstd"}
	immutablePublic  = []string{"public, max-age=31536000, immutable"}
	immutablePrivate = []string{"private, max-age=31536000, immutable"}
)

// serveFile answers a package.
func (f *Face) serveFile(w http.ResponseWriter, r *http.Request, a address, open registry.Opened) error {
	file, err := f.find(r, a, open)
	if err != nil {
		return err
	}
	etag := `"` + file.SHA256 + `"`
	h := w.Header()
	h.Set("Vary", "Authorization")
	h.Set("ETag", etag)
	h["Cache-Control"] = immutable(open.Public)
	web.EventOf(r).Set("file", file.Basename)
	if f.opt.Redirect && r.Method == http.MethodGet {
		to, ok, err := f.reg.Presign(r.Context(), file)
		if err != nil {
			return err
		}
		if ok {
			if starts(r, etag) {
				f.reg.CountDownload(file)
			}
			h.Del("ETag")
			h.Set("Cache-Control", "no-store")
			http.Redirect(w, r, to, http.StatusFound)
			return nil
		}
	}
	body, err := f.reg.OpenFile(r.Context(), file)
	if err != nil {
		return err
	}
	defer body.Close()
	if starts(r, etag) {
		f.reg.CountDownload(file)
	}
	h.Set("Content-Type", "application/octet-stream")
	var content io.ReadSeeker = body
	if f := body.File(); f != nil {
		content = f // a plain file goes out by sendfile
	}
	r.Header.Del("If-Modified-Since") // a name may have had other bytes, deleted since
	return web.ServeContent(w, r, file.UploadedAt, content)
}

// find looks the file up in the channel as it is or as it was.
func (f *Face) find(r *http.Request, a address, open registry.Opened) (registry.File, error) {
	if a.at == "" {
		return f.reg.ServedFile(r.Context(), open, a.subdir, a.file)
	}
	generation, err := f.idx.GenerationAt(r.Context(), open, a.at)
	if err != nil {
		return registry.File{}, err
	}
	return f.reg.FileAtGeneration(r.Context(), open, generation, a.subdir, a.file)
}

// starts reports whether a request begins a download: it asks for bytes from the
// first one on that the client does not have. So one that is resumed counts once.
func starts(r *http.Request, etag string) bool {
	have := r.Header.Get("If-None-Match")
	if r.Method != http.MethodGet || have == "*" || strings.Contains(have, etag) {
		return false
	}
	if other := r.Header.Get("If-Range"); other != "" && other != etag {
		return true // what it has is of another file; it gets the whole
	}
	part := r.Header.Get("Range")
	return part == "" || strings.HasPrefix(part, "bytes=0-")
}

// serveChannel answers the documents of the channel itself.
func (f *Face) serveChannel(w http.ResponseWriter, r *http.Request, a address, open registry.Opened) error {
	switch a.file {
	case "channeldata.json":
		doc, err := f.idx.Channeldata(r.Context(), open, a.at)
		if err != nil {
			return err
		}
		return f.send(w, r, open, doc)
	case "rss.xml":
		doc, err := f.idx.Feed(r.Context(), open, a.at)
		if err != nil {
			return err
		}
		return f.send(w, r, open, doc)
	case "notices.json":
		return f.serveNotices(w, r, a, open)
	case "", "index.html":
		return f.serveFolder(w, r, a)
	}
	return absent(a)
}

// serveFolder sends browsers to the page of the channel; tools that only look
// whether the channel is there get an empty answer.
func (f *Face) serveFolder(w http.ResponseWriter, r *http.Request, a address) error {
	page := fmt.Sprintf("%s/%s/-/channels/%s", f.opt.URL, url.PathEscape(a.owner), (&url.URL{Path: a.channel}).EscapedPath())
	h := w.Header()
	h.Set("Vary", "Authorization, Accept")
	h.Set("Cache-Control", "no-cache")
	if wantsPage(r) {
		http.Redirect(w, r, page, http.StatusFound)
		return nil
	}
	h.Set("Link", "<"+page+`>; rel="alternate"; type="text/html"`)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "%s/%s is a conda channel: %s\n", a.owner, a.channel, page)
	return nil
}

// wantsPage reports whether a browser asks.
func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// acceptsZstd reports whether the client takes Content-Encoding: zstd.
func acceptsZstd(r *http.Request) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, param, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(coding), "zstd") {
			q, _ := strings.CutPrefix(strings.TrimSpace(param), "q=")
			v, err := strconv.ParseFloat(q, 64)
			return err != nil || v > 0
		}
	}
	return false
}
