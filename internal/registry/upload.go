package registry

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"terrarium/internal/access"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// UploadRequest is a file sent in one request.
type UploadRequest struct {
	Owner    string
	Channel  string   // "" = main
	Labels   []string // further channels
	Type     string   // "" = conda
	FileName string   // without subdir
	Subdir   string   // "" = what the archive says; else it must agree
	Package  string   // needed where Type is not conda
	Version  string   // needed where Type is not conda
	Body     io.Reader
	Size     int64  // as declared; -1 = not
	MD5      []byte // as declared; nil = not
	SHA256   string // as declared, hex; "" = not
	Private  bool   // a package made by this upload is private
	Force    bool   // put the file of that name into the trash first
}

// Upload publishes a file sent in one request and makes package, release and
// channel if need be. Equal bytes again give the file that is there with
// created = false, other bytes are errs.Exists unless Force is set. What is
// wrong with the bytes is errs.Invalid or errs.TooLarge, and nothing is kept.
func (r *Registry) Upload(ctx context.Context, actor access.Actor, u UploadRequest) (f File, created bool, err error) {
	if u.Type, err = packageType(cmp.Or(u.Type, "conda")); err != nil {
		return File{}, false, err
	}
	want := expected{
		Type: u.Type, FileName: u.FileName, Subdir: u.Subdir, Package: u.Package, Version: u.Version,
		Size: u.Size, MD5: u.MD5, SHA256: u.SHA256,
	}
	if u.Type == "conda" {
		name, err := conda.ParseFileName(u.FileName)
		if err != nil {
			return File{}, false, err
		}
		want.Package, want.Version = name.Name, name.Version
		if u.Subdir != "" {
			if err := conda.CheckSubdir(u.Subdir); err != nil {
				return File{}, false, err
			}
		}
	}
	p := placing{owner: u.Owner, labels: append([]string{cmp.Or(u.Channel, mainLabel)}, u.Labels...), private: u.Private, force: u.Force}
	if err := r.mayUpload(ctx, actor, want, p); err != nil {
		return File{}, false, err
	}
	w, a, err := r.receive(ctx, u.Body, want)
	if err != nil {
		return File{}, false, err
	}
	defer r.abort(w)
	src, _, err := w.ReaderAt()
	if err != nil {
		return File{}, false, fmt.Errorf("read %s: %w", u.FileName, err)
	}
	if err := r.read(ctx, src, &a, want); err != nil {
		return File{}, false, err
	}
	if _, err := w.Commit(ctx); err != nil {
		return File{}, false, fmt.Errorf("keep the bytes of %s: %w", u.FileName, err)
	}
	point(pointBlobCommitted)
	return r.publishFile(ctx, actor, a, p)
}

// publishFile writes the rows of a file whose bytes are kept.
func (r *Registry) publishFile(ctx context.Context, actor access.Actor, a accepted, p placing) (File, bool, error) {
	var done placed
	err := r.change(ctx, actor, "upload", func(ctx context.Context, c *change) (err error) {
		done, err = c.place(ctx, a, p)
		return err
	})
	if err != nil {
		return File{}, false, err
	}
	return done.file, done.created, nil
}

// mayUpload refuses an upload before its bytes are received: whoever may not
// publish should learn it at once. The change judges again.
func (r *Registry) mayUpload(ctx context.Context, actor access.Actor, want expected, p placing) error {
	o, err := loadOwner(ctx, r.db, p.owner)
	if err != nil {
		return err
	}
	pkg, err := findPackage(ctx, r.db, whole(actor), o, want.Package)
	if err == nil && !access.Can(actor, access.Read, pkg.object()).Allowed {
		// The same answer as for a name that is free.
		pkg, err = Package{}, access.Absent(o.packageObject(packageName(want.Package), true))
	}
	object := pkg.object()
	switch {
	case errs.Is(err, errs.NotFound) && !p.classic:
		object = o.packageObject(packageName(want.Package), p.private)
	case err != nil:
		return err
	}
	c := &change{r: r, tx: r.db, actor: actor, now: r.now()}
	for _, label := range sortedSet(lowered(p.labels)) {
		ch, err := c.target(ctx, o, label)
		if err != nil {
			return err
		}
		if err := c.mayPut(object, ch); err != nil {
			return err
		}
		if err := open(ch); err != nil {
			return err
		}
	}
	if !mixes(pkg.Types, want.Type) {
		return mixed(pkg, want.Type)
	}
	return nil
}
