package ui

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strings"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/ui/pages/add"
	"terrarium/internal/ui/shared"
)

// maxFiles bounds the files of one request.
const maxFiles = 100

// addPage shows the form that uploads files.
func (f *Face) addPage(w http.ResponseWriter, r *http.Request) error {
	v, err := f.person(w, r, "Add a package")
	if err != nil {
		return err
	}
	p := f.newAdd(v, r.URL.Query().Get("owner"), false)
	return render(w, r, http.StatusOK, p.Page, add.View(p))
}

// newAdd draws the form for an owner, the one in view where none is named.
func (f *Face) newAdd(v *visit, owner string, private bool) add.Page {
	v.frame.Current, v.frame.Scripts = "add", []string{"upload.js"}
	p := add.Page{Page: v.frame, Owner: owner}
	allowed := false
	for _, o := range v.frame.Viewer.Choices {
		allowed = allowed || o.Name == owner
	}
	if !allowed {
		p.Owner = v.frame.Viewer.View.Name
	}
	for _, o := range v.frame.Viewer.Choices {
		p.Owners = append(p.Owners, shared.Option{Value: o.Name, Label: o.Name, Selected: o.Name == p.Owner})
	}
	public := shared.Option{Value: "no", Label: "Public", Hint: "Everybody can find and install it.", Selected: !private}
	if !v.actor.Verified {
		public.Hint = "Needs a verified e-mail address."
	}
	p.Private = []shared.Option{public, {Value: "yes", Label: "Private", Hint: "Only you and whom you give access. It appears in no list for others.", Selected: private}}
	p.Limit = "at most " + shared.Size(f.maxUpload()) + " a file"
	p.Login = f.loginCommands(v.actor.Name)
	p.Upload = []string{uploadCommand(p.Owner, "", p.Owner == v.actor.Name)}
	p.CI = []string{"export ANACONDA_API_TOKEN=…  # made in Settings, Tokens", "anaconda config --set url " + f.opts.URL + "/api", uploadCommand(p.Owner, "", p.Owner == v.actor.Name)}
	return p
}

func (f *Face) maxUpload() int64 {
	if f.opts.MaxUpload > 0 {
		return f.opts.MaxUpload
	}
	return f.registry.MaxUpload()
}

// add publishes the files of the form, one by one as they come in, and shows what
// became of each. The fields stand before the files, as forms send them in order.
func (f *Face) add(w http.ResponseWriter, r *http.Request) error {
	v, err := f.person(w, r, "Add a package")
	if err != nil {
		return err
	}
	reader, err := r.MultipartReader()
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "The form could not be read. Send it as multipart/form-data.")
	}
	fields := map[string]string{}
	var results []add.Result
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errs.Wrap(errs.Invalid, err, "The upload ended early. What is listed as published is; send the rest again.")
		}
		if part.FormName() != "file" {
			text, err := io.ReadAll(io.LimitReader(part, maxForm))
			if err != nil {
				return errs.Wrap(errs.Invalid, err, "The form could not be read.")
			}
			fields[part.FormName()] = strings.TrimSpace(string(text))
			continue
		}
		if part.FileName() == "" {
			continue // nothing was chosen
		}
		if len(results) == maxFiles {
			return errs.New(errs.TooLarge, "At most %d files can be sent at once. The first %d were handled; send the rest again.", maxFiles, maxFiles)
		}
		result, err := f.addFile(r, v, fields, part)
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	p := f.newAdd(v, fields["owner"], fields["private"] == "yes")
	p.Labels, p.Results = fields["labels"], results
	status := http.StatusOK
	if len(results) == 0 {
		p.Errors, status = shared.Problems{{Field: "file", Text: "Choose at least one file."}}, http.StatusUnprocessableEntity
	}
	for _, x := range results {
		if len(x.Reasons) > 0 {
			status = http.StatusUnprocessableEntity
		}
	}
	if partial(r) && len(results) > 0 {
		return write(w, r, status, "no-store", add.Results(p))
	}
	return render(w, r, status, p.Page, add.View(p))
}

// addFile publishes one file. A refusal is a result; what is no fault of the file
// is an error.
func (f *Face) addFile(r *http.Request, v *visit, fields map[string]string, part *multipart.Part) (add.Result, error) {
	name := path.Base(strings.ReplaceAll(part.FileName(), `\`, "/"))
	result := add.Result{File: name, Owner: fields["owner"]}
	if result.Owner == "" {
		result.Owner = v.frame.Viewer.View.Name
	}
	u := registry.UploadRequest{Owner: result.Owner, FileName: name, Body: part, Size: -1, Private: fields["private"] == "yes"}
	for i, label := range strings.FieldsFunc(fields["labels"], func(r rune) bool { return r == ',' || r == ' ' }) {
		if i == 0 {
			u.Channel = label
		} else {
			u.Labels = append(u.Labels, label)
		}
	}
	var err error
	if _, bad := conda.SplitFileName(name); bad != nil {
		err = errs.New(errs.Invalid, "%s is no conda package. Its name must be NAME-VERSION-BUILD.conda or .tar.bz2. Other files are uploaded with anaconda upload.", name)
	}
	if err == nil && !u.Private && !v.actor.Verified {
		err = v.actor.MayPublish()
	}
	var file registry.File
	if err == nil {
		file, _, err = f.registry.Upload(r.Context(), v.actor, u)
	}
	if err != nil {
		if kind := errs.KindOf(err); kind == errs.Internal || kind == errs.Unavailable {
			return result, err
		}
		result.Reasons = []string{errs.Message(err)}
		if errs.Head(err) != errs.Message(err) {
			result.Reasons = errs.Details(err) // the file's name stands above them
		}
		result.Remedy = remedy(err)
		if _, err := io.Copy(io.Discard, part); err != nil {
			return result, errs.Wrap(errs.Invalid, err, "The upload ended early.")
		}
		return result, nil
	}
	result.Owner, result.Package, result.Version, result.Subdir, result.Size = file.OwnerName, file.PackageName, file.Version, file.Subdir, file.Size
	return result, nil
}

// remedy says what helps, where the refusal itself does not.
func remedy(err error) string {
	switch {
	case errs.Is(err, errs.Exists):
		return "Raise the build number, or delete the file that is there."
	case errs.Reason(err) == "unverified":
		return "Follow the link in the mail, or choose Private."
	case errs.Is(err, errs.Forbidden), errs.Is(err, errs.NotFound):
		return "Ask an administrator of the owner for Read-Write."
	default:
		return ""
	}
}
