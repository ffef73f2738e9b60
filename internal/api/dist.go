package api

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// maxForm is the largest form that a GET may carry, in bytes.
const maxForm = 64 << 10

func (f *Face) file(r *http.Request, actor access.Actor) (registry.File, error) {
	owner, pkg, version, base := web.Param(r, "owner"), web.Param(r, "package"), web.Param(r, "version"), web.Param(r, "*")
	if id, ok := strings.CutPrefix(base, "-/"); ok {
		return f.fileByID(r.Context(), actor, owner, pkg, version, id)
	}
	return f.registry.File(r.Context(), actor, owner, pkg, version, base)
}

// fileByID finds a file by the id that its document shows, at its own address
// only.
func (f *Face) fileByID(ctx context.Context, actor access.Actor, owner, pkg, version, id string) (registry.File, error) {
	file, err := f.registry.FileByID(ctx, actor, id)
	if err != nil {
		return registry.File{}, err
	}
	if !strings.EqualFold(file.OwnerName, owner) || !strings.EqualFold(file.PackageName, pkg) || file.Version != version {
		return registry.File{}, errs.New(errs.NotFound, "%s/%s/%s has no file %s.", owner, pkg, version, id)
	}
	return file, nil
}

func (f *Face) dist(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	file, err := f.file(r, actor)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, f.distDocument(file))
}

// deleteDist gives back what was removed: without a JSON body the client fails
// between removing and uploading anew.
func (f *Face) deleteDist(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	file, err := f.file(r, actor)
	if err != nil {
		return err
	}
	gone, err := f.registry.DeleteFile(r.Context(), actor, file.OwnerName, file.PackageName, file.Version, file.Basename)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, f.distDocument(gone))
}

// download always streams: the client would follow a redirect without its token
// and without looking at the status.
func (f *Face) download(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	file, err := f.file(r, actor)
	if err != nil {
		return err
	}
	if r.Header.Get("ETag") == file.MD5 && file.MD5 != "" { // so the library asks
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body, err := f.registry.OpenFile(r.Context(), file)
	if err != nil {
		return err
	}
	defer body.Close()
	rng := r.Header.Get("Range")
	if r.Method == http.MethodGet && (rng == "" || strings.HasPrefix(rng, "bytes=0-")) {
		f.registry.CountDownload(file)
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("ETag", `"`+file.SHA256+`"`)
	h.Set("Cache-Control", "private, max-age=0, must-revalidate")
	h.Set("Vary", "Authorization")
	var content io.ReadSeeker = body
	if plain := body.File(); plain != nil {
		content = plain // goes out by sendfile
	}
	return web.ServeContent(w, r, file.UploadedAt, content)
}

// modifiedAfter reads the one key of the form that the client puts into the
// body of a GET.
func modifiedAfter(r *http.Request) (string, error) {
	if v := r.URL.Query().Get("modified_after"); v != "" {
		return v, nil
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	if err != nil {
		return "", errs.Wrap(errs.Invalid, err, "The body of the request ended early.")
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return "", errs.Wrap(errs.Invalid, err, "The body of the request is no form.")
	}
	return form.Get("modified_after"), nil
}
