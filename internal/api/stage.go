package api

import (
	"encoding/base64"
	"encoding/json/jsontext"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// maxField is the largest part of a form that is no file, in bytes.
const maxField = 64 << 10

// maxFields is how many parts may stand before the file.
const maxFields = 64

// stage announces a file: the first of the three steps of an upload.
func (f *Face) stage(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	body := struct {
		Type         string         `json:"distribution_type"`
		Description  *string        `json:"description"`
		Attrs        jsontext.Value `json:"attrs"`
		Dependencies jsontext.Value `json:"dependencies"`
		Labels       []string       `json:"channels"`
		SHA256       *string        `json:"sha256"`
	}{}
	if err := web.ReadJSON(r, maxBody, &body); err != nil {
		return err
	}
	q := registry.StageRequest{
		Owner: web.Param(r, "owner"), Package: web.Param(r, "package"), Version: web.Param(r, "version"), Basename: web.Param(r, "*"),
		Type: body.Type, Attrs: body.Attrs, Dependencies: body.Dependencies, Labels: body.Labels,
	}
	if body.Description != nil {
		q.Description = *body.Description
	}
	if body.SHA256 != nil {
		q.SHA256 = *body.SHA256
	}
	staged, err := f.registry.Stage(r.Context(), actor, q)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return web.JSON(w, http.StatusOK, struct {
		PostURL  string            `json:"post_url"`  // absolute
		FormData map[string]string `json:"form_data"` // strings only
		DistID   string            `json:"dist_id"`
	}{f.url + "/api/_storage/" + staged.Secret, map[string]string{}, staged.ID})
}

// store takes the bytes: the second step. The address is the only credential;
// an Authorization header, which may come from a ~/.netrc, is not looked at.
func (f *Face) store(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, f.registry.MaxUpload()+(1<<20))
	form, err := r.MultipartReader()
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "The file must come as multipart/form-data.").Because("form")
	}
	part, fields, err := filePart(form, "file")
	if err != nil {
		return err
	}
	declared, err := declaredBy(fields)
	if err != nil {
		return err
	}
	if err := f.registry.Receive(r.Context(), web.Param(r, "secret"), part, declared); err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

// filePart reads a form up to the part of a name and gives the fields before
// it. It goes by the part's name, since rattler gives its file no file name.
func filePart(form *multipart.Reader, name string) (*multipart.Part, map[string]string, error) {
	fields := map[string]string{}
	for range maxFields {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil, nil, errs.New(errs.Invalid, "The form has no part %q.", name).Because("form")
		}
		if err != nil {
			return nil, nil, errs.Wrap(errs.Invalid, err, "The form is not well formed.").Because("form")
		}
		if part.FormName() == name {
			return part, fields, nil
		}
		b, err := io.ReadAll(io.LimitReader(part, maxField+1))
		if err != nil {
			return nil, nil, errs.Wrap(errs.Invalid, err, "The form ended early.").Because("form")
		}
		if len(b) > maxField {
			return nil, nil, errs.New(errs.TooLarge, "The part %q of the form is larger than %d bytes.", part.FormName(), maxField)
		}
		fields[part.FormName()] = string(b)
	}
	return nil, nil, errs.New(errs.Invalid, "More than %d parts stand before the file.", maxFields).Because("form")
}

// declaredBy reads what a form says about its file.
func declaredBy(fields map[string]string) (registry.Declared, error) {
	var d registry.Declared
	if s, ok := fields["Content-Length"]; ok {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return d, errs.New(errs.Invalid, "The Content-Length of the form is no number of bytes.").Because("form")
		}
		d.Size = &n
	}
	if s := fields["Content-MD5"]; s != "" {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return d, errs.New(errs.Invalid, "The Content-MD5 of the form is not base64.").Because("digest-differs")
		}
		d.MD5 = b
	}
	return d, nil
}

// storageCode is the word for an error that S3 would use: with InvalidDigest
// the client explains what to do.
func storageCode(err error) string {
	switch {
	case errs.Reason(err) == "digest-differs":
		return "InvalidDigest"
	case errs.Reason(err) == "size-differs":
		return "IncompleteBody"
	}
	switch errs.KindOf(err) {
	case errs.NotFound, errs.Gone:
		return "NoSuchUpload"
	case errs.TooLarge:
		return "EntityTooLarge"
	case errs.Invalid:
		return "InvalidRequest"
	case errs.Unavailable, errs.TooMany:
		return "SlowDown"
	case errs.Internal:
		return "InternalError"
	default:
		return "AccessDenied"
	}
}

// commit publishes the file: the third step. What is wrong with the archive is
// said here, where the client shows it.
func (f *Face) commit(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	body := struct {
		DistID string `json:"dist_id"`
	}{}
	if err := web.ReadJSON(r, maxBody, &body); err != nil {
		return err
	}
	file, err := f.registry.Commit(r.Context(), actor, web.Param(r, "owner"), web.Param(r, "package"), web.Param(r, "version"),
		web.Param(r, "*"), strings.TrimSpace(body.DistID))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, struct {
		distDocument
		URL string `json:"url"` // shown to people
	}{f.distDocument(file), f.page(file.OwnerName, file.PackageName)})
}
