package ui

import (
	"cmp"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/file"
	filelist "terrarium/internal/ui/pages/files"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// pathsShown bounds the paths of an archive on its page.
const pathsShown = 500

// filesPage lists the files of a package.
func (f *Face) filesPage(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "")
	if err != nil {
		return err
	}
	s, err := f.subjectOf(r, v, "")
	if err != nil {
		return err
	}
	if to := s.canonical(r); to != "" {
		return moved(w, r, to)
	}
	q := r.URL.Query()
	version, subdir := q.Get("release"), q.Get("subdir")
	all, err := f.registry.FilesOf(r.Context(), v.actor, s.Package, version)
	if err != nil {
		return err
	}
	series, err := f.trend(r.Context(), v.actor, s.Package, trendDays)
	if err != nil {
		return err
	}
	v.frame.Title = "Files · " + s.Name + " · " + s.OwnerName
	p := filelist.Page{Page: v.frame, Head: s.head("Files", sum(series))}
	p.Head.Short = true
	p.Release = append(p.Release, shared.Option{Label: "All releases", Selected: version == ""})
	for _, x := range s.releases {
		p.Release = append(p.Release, shared.Option{Value: x.Version, Label: x.Version, Selected: x.Version == version})
	}
	p.Subdirs = append(p.Subdirs, shared.Option{Label: "All platforms", Selected: subdir == ""})
	for _, name := range s.Platforms {
		p.Subdirs = append(p.Subdirs, shared.Option{Value: name, Label: name, Selected: name == subdir})
	}
	slices.Reverse(all) // newest upload first
	all = slices.DeleteFunc(all, func(x registry.File) bool { return subdir != "" && x.Subdir != subdir })
	p.Total = len(all)
	at := placeOf(r)
	start := 1 + slices.IndexFunc(all, func(x registry.File) bool { return x.ID == at.after })
	end := min(len(all), start+pageRows)
	for _, x := range all[start:end] {
		row := filelist.File{Subdir: x.Subdir, Name: x.Name, Version: x.Version, Build: x.Build, Size: x.Size, At: x.UploadedAt, Downloads: x.Downloads, DownloadURL: downloadURL(x)}
		if x.WithdrawnAt != nil {
			row.States = append(row.States, shared.Badge{Kind: "warn", Icon: "triangle-alert", Text: "Yanked", Hint: x.WithdrawnWhy})
		}
		p.Rows = append(p.Rows, row)
	}
	next := ""
	if end < len(all) {
		next = all[end-1].ID
	}
	p.Pages = at.pager(r, end-start, len(all), next, 0)
	return render(w, r, http.StatusOK, p.Page, filelist.View(p))
}

func downloadURL(x registry.File) string {
	return shared.FileURL(x.OwnerName, x.PackageName, x.Subdir, x.Name) + "/download"
}

// fileOf finds the file of the address.
func (f *Face) fileOf(r *http.Request, v *visit) (subject, registry.File, error) {
	s, err := f.subjectOf(r, v, "")
	if err != nil {
		return s, registry.File{}, err
	}
	subdir, name := web.Param(r, "subdir"), web.Param(r, "file")
	if subdir == shared.NoSubdir {
		subdir = ""
	}
	x, err := f.registry.FileNamed(r.Context(), v.actor, s.Package, subdir, name)
	return s, x, err
}

// filePage shows all that is known of a file.
func (f *Face) filePage(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "")
	if err != nil {
		return err
	}
	s, x, err := f.fileOf(r, v)
	if err != nil {
		return err
	}
	if to := s.canonical(r); to != "" {
		return moved(w, r, to)
	}
	info, err := f.registry.FileInfo(r.Context(), v.actor, x)
	if err != nil {
		return err
	}
	v.frame.Title = x.Name + " · " + s.OwnerName
	a := attributesOf(x)
	p := file.Page{
		Page: v.frame, Head: s.head("Files", 0), Subdir: cmp.Or(x.Subdir, x.Type), Name: x.Name, Size: x.Size, DownloadURL: downloadURL(x),
		SHA256: x.SHA256, MD5: x.MD5, Depends: a.Depends, Constrains: a.Constrains, Uploaded: x.IndexedAt, By: x.UploadedBy, Downloads: x.Downloads,
		Channels: channelLinks(s.OwnerName, x.Labels), Facts: facts(x, a),
	}
	p.Head.Short = true
	if x.WithdrawnAt != nil {
		p.State = shared.Notice{Kind: "warn", Title: "Yanked.", Text: cmp.Or(x.WithdrawnWhy, "It is not in the index any more.") + " Its address still works."}
	}
	switch {
	case !x.Stored && len(info.Paths) == 0:
		p.NotRead = "Contents are read when the file is first fetched."
	case x.Type != "conda":
		p.NotRead = "Contents are listed for conda packages."
	}
	p.Entries = len(info.Paths)
	for _, e := range info.Paths[:min(len(info.Paths), pathsShown)] {
		p.Contents = append(p.Contents, file.Entry{Path: e.Path, Size: e.Size, Note: linkScript(e.Path)})
	}
	if info.About != nil {
		text := info.About.Clone()
		if err := text.Indent(); err == nil {
			p.Info = append(p.Info, file.Info{Name: "info/about.json", Text: string(text)})
		}
	}
	if strings.TrimSpace(info.README) != "" {
		p.Info = append(p.Info, file.Info{Name: cmp.Or(info.READMEName, "README"), Text: info.README})
	}
	if s.writes {
		page := shared.FileURL(x.OwnerName, x.PackageName, x.Subdir, x.Name)
		p.DeleteURL, p.YankURL, p.Yanked = page+"/delete", page+"/yank", x.WithdrawnAt != nil
	}
	return render(w, r, http.StatusOK, p.Page, file.View(p))
}

// facts are the lines of a file's metadata.
func facts(x registry.File, a indexed) []file.Fact {
	list := []file.Fact{{Label: "Version", Value: x.Version, Href: shared.ReleaseURL(x.OwnerName, x.PackageName, x.Version)}}
	if x.Type != "conda" {
		return append(list, file.Fact{Label: "Type", Value: x.Type})
	}
	list = append(list, file.Fact{Label: "Build", Value: x.Build}, file.Fact{Label: "Build number", Value: shared.Count(x.BuildNumber)}, file.Fact{Label: "Platform", Value: x.Subdir})
	if x.License != "" {
		list = append(list, file.Fact{Label: "Licence", Value: x.License})
	}
	if built := a.built(); !built.IsZero() {
		list = append(list, file.Fact{Label: "Built", Value: built.Format("2 January 2006")})
	}
	return list
}

// linkScript marks a path that conda runs when the package is linked.
func linkScript(path string) string {
	base := path[strings.LastIndexByte(path, '/')+1:]
	for _, end := range []string{"-post-link.sh", "-pre-unlink.sh", "-pre-link.sh", "-post-link.bat", "-pre-unlink.bat", "-pre-link.bat"} {
		if strings.HasSuffix(base, end) {
			return "link script"
		}
	}
	return ""
}

// download sends the bytes of a file. Here the session of a browser counts, which
// the channels do not know.
func (f *Face) download(w http.ResponseWriter, r *http.Request) error {
	v, err := f.visit(w, r, "")
	if err != nil {
		return err
	}
	s, x, err := f.fileOf(r, v)
	if err != nil {
		return err
	}
	body, err := f.registry.OpenFile(r.Context(), x)
	if err != nil {
		return err
	}
	defer body.Close()
	if rng := r.Header.Get("Range"); r.Method == http.MethodGet && (rng == "" || strings.HasPrefix(rng, "bytes=0-")) {
		f.registry.CountDownload(x)
	}
	h := w.Header()
	// Hostile bytes must never be shown as a page of this server.
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": x.Name}))
	h.Set("Content-Type", "application/octet-stream")
	h.Set("ETag", `"`+x.SHA256+`"`)
	h.Set("Vary", "Cookie, Authorization")
	h.Set("Cache-Control", "private, no-cache")
	if !s.Private && v.actor.Anonymous() {
		h.Set("Cache-Control", "public, no-cache")
	}
	var content io.ReadSeeker = body
	if plain := body.File(); plain != nil {
		content = plain // goes out by sendfile
	}
	http.ServeContent(w, r, "", x.UploadedAt, content)
	return nil
}

// mayDelete finds out whether the visitor may delete from a package: who may read
// it and no more is told so, others see nothing.
func (s subject) mayDelete(v *visit) error {
	object := packageObject(s.Package)
	if v.actor.Anonymous() {
		return errs.New(errs.Unauthenticated, "Sign in to delete.").Because("sign-in")
	}
	return access.Can(v.actor, access.Write, object).Err(object)
}

// built is when a file says that it was built.
func (a indexed) built() time.Time {
	ms, ok := a.Timestamp.(float64)
	switch {
	case !ok || ms <= 0:
		return time.Time{}
	case ms < 1e11: // old tools wrote seconds
		ms *= 1000
	}
	return time.UnixMilli(int64(ms)).UTC()
}
