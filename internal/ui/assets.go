package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Styles lie beside the templates that need them; all of them are one file
// when they are served.
//
//go:embed static shared/*.css pages
var files embed.FS

// AssetPrefix is where Assets expects to be mounted.
const AssetPrefix = "/assets/"

// Assets are the static files of the web interface under names that carry a
// hash of their contents, so that browsers may keep them for ever.
type Assets struct {
	urls   map[string]string // plain name to address
	bodies map[string]asset  // hashed name to contents
}

type asset struct {
	body, gzipped []byte
	kind          string
	etag          string
}

// common lists the modules that every page loads, as one file.
var common = []string{"copy", "menu", "keys", "theme", "forms", "toast"}

// NewAssets reads the embedded files, joins the styles into app.css and the
// common modules into app.js, and names everything by its contents.
func NewAssets() (*Assets, error) {
	a := &Assets{urls: map[string]string{}, bodies: map[string]asset{}}
	for _, name := range []string{"font/inter.woff2", "img/icons.svg", "img/favicon.svg", "js/htmx.js", "js/upload.js"} {
		body, err := files.ReadFile("static/" + name)
		if err != nil {
			return nil, fmt.Errorf("reading a static file: %w", err)
		}
		a.add(path.Base(name), body)
	}
	style, err := a.style()
	if err != nil {
		return nil, err
	}
	a.add("app.css", style)
	script, err := a.script()
	if err != nil {
		return nil, err
	}
	a.add("app.js", script)
	return a, nil
}

// URL gives the address of a file, as "/assets/app.0f3a….css". It panics on a
// name that is not there: names are constants in templates, and a test draws
// every template.
func (a *Assets) URL(name string) string {
	address, found := a.urls[name]
	if !found {
		panic("ui: there is no static file " + name)
	}
	return address
}

// ServeHTTP answers for everything below AssetPrefix.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, found := a.bodies[strings.TrimPrefix(r.URL.Path, AssetPrefix)]
	if !found {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	body, etag := file.body, file.etag
	if file.gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body, etag = file.gzipped, file.etag+"-gz"
		}
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// add files contents under a name that carries their hash.
func (a *Assets) add(name string, body []byte) {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:6])
	extension := path.Ext(name)
	hashed := strings.TrimSuffix(name, extension) + "." + hash + extension
	kind := mime.TypeByExtension(extension)
	switch extension { // the machine's own table of types may lack or change these
	case ".js":
		kind = "text/javascript; charset=utf-8"
	case ".css":
		kind = "text/css; charset=utf-8"
	case ".svg":
		kind = "image/svg+xml"
	case ".woff2":
		kind = "font/woff2"
	}
	file := asset{body: body, kind: kind, etag: hash}
	if extension != ".woff2" { // compressed already
		file.gzipped = gzipped(body)
	}
	a.urls[name] = AssetPrefix + hashed
	a.bodies[hashed] = file
}

var (
	cssComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	cssSpace   = regexp.MustCompile(`\s*\n\s*`)
	cssURL     = regexp.MustCompile(`url\("([^"/]+)"\)`)
)

// style joins the styles: the design system first, then the shared parts, then
// the pages, each group by name. Files are named in it by their plain names.
func (a *Assets) style() ([]byte, error) {
	var names []string
	for _, root := range []string{"static/css", "shared", "pages"} {
		var group []string
		err := fs.WalkDir(files, root, func(name string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(name, ".css") {
				group = append(group, name)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("listing the styles: %w", err)
		}
		slices.Sort(group)
		names = append(names, group...)
	}
	var b bytes.Buffer
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading a style: %w", err)
		}
		text = cssComment.ReplaceAll(text, nil)
		text = cssSpace.ReplaceAll(text, []byte("\n"))
		b.Write(cssURL.ReplaceAllFunc(text, func(m []byte) []byte {
			return []byte(`url("` + a.URL(string(cssURL.FindSubmatch(m)[1])) + `")`)
		}))
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// script joins the common modules, each in a block of its own.
func (a *Assets) script() ([]byte, error) {
	var b bytes.Buffer
	for _, name := range common {
		text, err := files.ReadFile("static/js/" + name + ".js")
		if err != nil {
			return nil, fmt.Errorf("reading a script: %w", err)
		}
		b.WriteString("{\n")
		b.Write(text)
		b.WriteString("}\n")
	}
	return b.Bytes(), nil
}

func gzipped(body []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	// A buffer takes every write.
	_, _ = w.Write(body)
	_ = w.Close()
	return b.Bytes()
}

// acceptsGzip reads Accept-Encoding well enough for what browsers and proxies
// send: gzip is named and not at weight 0.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			weight = strings.ReplaceAll(weight, " ", "")
			return weight != "q=0" && weight != "q=0.0" && weight != "q=0.00" && weight != "q=0.000"
		}
	}
	return false
}
