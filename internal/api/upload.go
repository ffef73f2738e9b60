package api

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// upload takes a package in one request: POST /api/v1/upload/OWNER[/CHANNEL].
// The bytes are the body, with their name in X-File-Name, or the part `file` of
// a form whose own headers say the same, as uploaders of prefix.dev send it.
func (f *Face) upload(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	query := r.URL.Query()
	force, err := flag(query.Get("force"), "force")
	if err != nil {
		return err
	}
	private, err := flag(query.Get("private"), "private")
	if err != nil {
		return err
	}
	u := registry.UploadRequest{
		Owner: web.Param(r, "owner"), Channel: web.Param(r, "*"), Force: force, Private: private,
		Type: query.Get("type"), Package: query.Get("package"), Version: query.Get("version"),
	}
	r.Body = http.MaxBytesReader(w, r.Body, f.registry.MaxUpload()+(1<<20))
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "multipart/form-data" {
		form, err := r.MultipartReader()
		if err != nil {
			return errs.Wrap(errs.Invalid, err, "The form is not well formed.").Because("form")
		}
		part, _, err := filePart(form, "file")
		if err != nil {
			return err
		}
		header := func(name string) string {
			if v := part.Header.Get(name); v != "" {
				return v
			}
			return r.Header.Get(name)
		}
		if err := describeUpload(&u, part, header); err != nil {
			return err
		}
		if u.FileName == "" {
			u.FileName = part.FileName()
		}
		if u.Size, err = length(part.Header.Get("Content-Length")); err != nil {
			return err
		}
	} else {
		if err := describeUpload(&u, r.Body, r.Header.Get); err != nil {
			return err
		}
		u.Size = r.ContentLength
	}
	if u.FileName == "" {
		return errs.New(errs.Invalid, "Name the file in the header X-File-Name, such as numpy-2.1.0-py312_0.conda.").On("X-File-Name")
	}
	return f.accept(w, r, actor, u)
}

// put takes a package at the address where it will be found, as Artifactory
// does: PUT /conda/OWNER[/CHANNEL]/SUBDIR/FILE.
func (f *Face) put(w http.ResponseWriter, r *http.Request, actor access.Actor) error {
	channel, subdir, name, ok := splitPut(web.Param(r, "*"))
	if !ok {
		return errs.New(errs.Invalid, "Put a package at /conda/OWNER/CHANNEL/SUBDIR/FILE.").Because("address")
	}
	r.Body = http.MaxBytesReader(w, r.Body, f.registry.MaxUpload()+(1<<20))
	u := registry.UploadRequest{Owner: web.Param(r, "owner"), Channel: channel, Subdir: subdir, Size: r.ContentLength}
	header := func(key string) string {
		if v := r.Header.Get(key); v != "" || key != "X-File-SHA256" {
			return v
		}
		return r.Header.Get("X-Checksum-Sha256") // Artifactory's own name of it
	}
	if err := describeUpload(&u, r.Body, header); err != nil {
		return err
	}
	u.FileName = name
	return f.accept(w, r, actor, u)
}

// splitPut reads [CHANNEL/]SUBDIR/FILE from the right, since a channel may hold
// slashes; "label/NAME" is the channel NAME.
func splitPut(rest string) (channel, subdir, name string, ok bool) {
	dir, name := path.Split(rest)
	channel, subdir = path.Split(strings.TrimSuffix(dir, "/"))
	channel = strings.TrimPrefix(strings.TrimSuffix(channel, "/"), "label/")
	return channel, subdir, name, subdir != "" && name != "" && !strings.HasPrefix(rest, "/") && !strings.Contains(rest, "//")
}

// describeUpload fills in what headers say about the bytes.
func describeUpload(u *registry.UploadRequest, body io.Reader, header func(string) string) error {
	u.Body, u.FileName, u.Size = body, header("X-File-Name"), -1
	if s := strings.ToLower(strings.TrimSpace(header("X-File-SHA256"))); s != "" {
		if b, err := hex.DecodeString(s); err != nil || len(b) != 32 {
			return errs.New(errs.Invalid, "X-File-SHA256 must be 64 hexadecimal digits.").On("X-File-SHA256")
		}
		u.SHA256 = s
	}
	if s := header("Content-MD5"); s != "" {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil || len(b) != 16 {
			return errs.New(errs.Invalid, "Content-MD5 must be the MD5 in base64.").On("Content-MD5")
		}
		u.MD5 = b
	}
	return nil
}

func length(s string) (int64, error) {
	if s == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, errs.New(errs.Invalid, "The Content-Length of the part is no number of bytes.").On("Content-Length")
	}
	return n, nil
}

func flag(s, name string) (bool, error) {
	if s == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, errs.New(errs.Invalid, "%s is either true or false.", name).On(name)
	}
	return b, nil
}

// accept publishes the file: 201 for a new one, 200 when it was there with
// equal bytes.
func (f *Face) accept(w http.ResponseWriter, r *http.Request, actor access.Actor, u registry.UploadRequest) error {
	file, isNew, err := f.registry.Upload(r.Context(), actor, u)
	if err != nil {
		return err
	}
	channel := u.Channel
	if channel == "" {
		channel = "main"
	}
	w.Header().Set("Location", f.url+"/api/v1/files/"+escape(file.OwnerName, channel, file.Basename))
	status := http.StatusOK
	if isNew {
		status = http.StatusCreated
	}
	return web.JSON(w, status, f.v1File(file))
}
