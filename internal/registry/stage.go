package registry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"io"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/audit"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/sqldb"
)

// StageRequest announces a file of the classic upload: stage, receive, commit.
type StageRequest struct {
	Owner        string
	Package      string
	Version      string
	Basename     string // conda: SUBDIR/FILE
	Type         string // distribution_type, aliases allowed
	Attrs        jsontext.Value
	Dependencies jsontext.Value
	Description  string
	Labels       []string // none = main
	SHA256       string   // hex; "" = the client did not say
}

// Staged is an announced file. Secret is the part of the address that lets the
// bytes in; only its hash is kept.
type Staged struct {
	ID      string
	Secret  string
	Expires time.Time
}

// Declared is what the sender of bytes says about them.
type Declared struct {
	Size *int64
	MD5  []byte
}

// Stage announces a file. errs.Exists when a file of that name is there,
// errs.NotFound when the package or the release is not.
func (r *Registry) Stage(ctx context.Context, actor access.Actor, s StageRequest) (Staged, error) {
	want, p, err := s.expectations()
	if err != nil {
		return Staged{}, err
	}
	if err := r.mayUpload(ctx, actor, want, p); err != nil {
		return Staged{}, err
	}
	secret := rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(secret))
	staged := Staged{Secret: secret}
	err = r.change(ctx, actor, "stage", func(ctx context.Context, c *change) error {
		staged.ID, staged.Expires = access.NewID(c.now), c.now.Add(r.opts.StageFor)
		pkg, err := c.loadPackage(ctx, access.Read, s.Owner, s.Package)
		if err != nil {
			return err
		}
		if _, err := findRelease(ctx, c.tx, pkg, s.Version); err != nil {
			return err
		}
		old, err := sameName(ctx, c.tx, owner{pkg.OwnerID, pkg.OwnerName, pkg.OwnerKind}, pkg.ID, want.Type, want.Subdir, want.FileName, s.Version)
		if err == nil {
			return existing(old, accepted{Type: want.Type, Subdir: want.Subdir, FileName: want.FileName})
		}
		if !errs.Is(err, errs.NotFound) {
			return err
		}
		for _, label := range p.labels {
			ch, err := c.target(ctx, owner{pkg.OwnerID, pkg.OwnerName, pkg.OwnerKind}, label)
			if err != nil {
				return err
			}
			if err := c.mayReplaceName(ctx, ch, want); err != nil {
				return err
			}
		}
		_, err = c.exec(ctx, `INSERT INTO uploads (id, secret_hash, owner_id, package_name, version, basename, type, attrs, dependencies,
			description, labels, sha256, created_by, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
			staged.ID, hash[:], pkg.OwnerID, pkg.Name, s.Version, s.Basename, want.Type, p.attrs, p.dependencies,
			s.Description, p.labels, strings.ToLower(s.SHA256), c.actor.ID, c.now, staged.Expires)
		if err != nil {
			return fmt.Errorf("stage %s: %w", s.Basename, err)
		}
		return c.audit(ctx, audit.Entry{
			Action: "file.stage", OwnerID: pkg.OwnerID, ObjectKind: "upload", ObjectID: staged.ID,
			ObjectName: pkg.FullName() + "/" + s.Version + "/" + s.Basename,
		})
	})
	if err != nil {
		return Staged{}, err
	}
	return staged, nil
}

// expectations checks what a client announces and gives it as the upload in one
// request would have it.
func (s StageRequest) expectations() (expected, placing, error) {
	kind, err := packageType(s.Type)
	if err != nil {
		return expected{}, placing{}, err
	}
	want := expected{Type: kind, FileName: s.Basename, Package: s.Package, Version: s.Version, Size: -1, SHA256: s.SHA256}
	if kind == "conda" {
		subdir, name, ok := strings.Cut(s.Basename, "/")
		if !ok {
			return expected{}, placing{}, errs.New(errs.Invalid, "The basename of a conda package must be SUBDIR/FILE and not %q.", clip(s.Basename)).On("basename")
		}
		if err := conda.CheckSubdir(subdir); err != nil {
			return expected{}, placing{}, err
		}
		if _, err := conda.ParseFileName(name); err != nil {
			return expected{}, placing{}, err
		}
		want.Subdir, want.FileName = subdir, name
	} else if err := checkBasename(s.Basename); err != nil {
		return expected{}, placing{}, err
	}
	attrs, err := attributes(s.Attrs, "attrs")
	if err != nil {
		return expected{}, placing{}, err
	}
	var dependencies jsontext.Value
	if len(s.Dependencies) > 0 && string(s.Dependencies) != "null" {
		if dependencies, err = attributes(s.Dependencies, "dependencies"); err != nil {
			return expected{}, placing{}, err
		}
	}
	labels := sortedSet(lowered(s.Labels))
	if len(labels) == 0 {
		labels = []string{mainLabel}
	}
	return want, placing{owner: s.Owner, labels: labels, attrs: attrs, dependencies: dependencies, description: s.Description, classic: true}, nil
}

// upload is a staged file as its row has it.
type upload struct {
	id, ownerID, ownerName, packageName, version, basename, kind string
	placing                                                      placing
	sha256, createdBy                                            string
	expires                                                      time.Time
	received                                                     *time.Time
	accepted                                                     []byte
	refused                                                      jsontext.Value
}

func findUpload(ctx context.Context, db *sqldb.DB, where string, args ...any) (upload, error) {
	// What was staged for an owner that was deleted since is not to be had.
	list, err := sqldb.All(ctx, db, func(rows *sqldb.Rows, u *upload) error {
		var labels jsonList
		err := rows.Scan(&u.id, &u.ownerID, &u.ownerName, &u.packageName, &u.version, &u.basename, &u.kind, &u.placing.attrs,
			&u.placing.dependencies, &u.placing.description, &labels, &u.sha256, &u.createdBy, &u.expires, &u.received, &u.accepted, &u.refused)
		u.placing.owner, u.placing.labels, u.placing.classic = u.ownerName, labels, true
		return err
	}, `SELECT u.id, u.owner_id, o.name, u.package_name, u.version, u.basename, u.type, u.attrs, u.dependencies, u.description,
		u.labels, u.sha256, u.created_by, u.expires_at, u.received_at, u.accepted, u.refused
		FROM uploads u JOIN owners o ON o.id = u.owner_id AND o.deleted_at IS NULL`+where, args...)
	if err != nil {
		return upload{}, fmt.Errorf("read a staged upload: %w", err)
	}
	if len(list) == 0 {
		return upload{}, errs.New(errs.Invalid, "There is no such upload, or it has expired. Upload the file again.").Because("upload-unknown")
	}
	return list[0], nil
}

func (u upload) expected() expected {
	want := expected{Type: u.kind, FileName: u.basename, Package: u.packageName, Version: u.version, Size: -1, SHA256: u.sha256}
	if u.kind == "conda" {
		want.Subdir, want.FileName, _ = strings.Cut(u.basename, "/")
	}
	return want
}

// refusal is an error that waits for the commit of its upload.
type refusal struct {
	Kind    errs.Kind
	Message string
	Head    string
	Reason  string
	Field   string
	Details []string
}

// Receive takes the bytes of an announced file. The secret is the only credential
// and works once: an unknown, used or expired one is errs.NotFound. Size and
// digests are compared here (errs.Invalid, reasons "size-differs" and
// "digest-differs"). The archive is read here too, but what is wrong with it is
// told by Commit, whose answers clients show to people; its bytes are not kept.
func (r *Registry) Receive(ctx context.Context, secret string, body io.Reader, d Declared) error {
	hash := sha256.Sum256([]byte(secret))
	u, err := findUpload(ctx, r.db, " WHERE u.secret_hash = $1 AND u.expires_at > $2 AND u.received_at IS NULL", hash[:], r.now())
	if errs.Is(err, errs.Invalid) {
		return errs.New(errs.NotFound, "This address for an upload is unknown, used or expired. Upload the file again.").Because("upload-unknown")
	}
	if err != nil {
		return err
	}
	want := u.expected()
	want.MD5 = d.MD5
	if d.Size != nil {
		want.Size = *d.Size
	}
	w, a, err := r.receive(ctx, body, want)
	if err != nil {
		return err
	}
	defer r.abort(w)
	src, _, err := w.ReaderAt()
	if err != nil {
		return fmt.Errorf("read %s: %w", u.basename, err)
	}
	var kept []byte
	var refused jsontext.Value
	switch err := r.read(ctx, src, &a, want); errs.KindOf(err) {
	case errs.Invalid, errs.TooLarge:
		if refused, err = json.Marshal(refusal{errs.KindOf(err), errs.Message(err), errs.Head(err), errs.Reason(err), errs.Field(err), errs.Details(err)}); err != nil {
			return fmt.Errorf("keep a refusal: %w", err)
		}
	default:
		if err != nil {
			return err
		}
		if kept, err = json.Marshal(a); err != nil {
			return fmt.Errorf("keep what %s says: %w", u.basename, err)
		}
		if _, err := w.Commit(ctx); err != nil {
			return fmt.Errorf("keep the bytes of %s: %w", u.basename, err)
		}
		point(pointBlobCommitted)
	}
	n, err := r.db.Exec(ctx, `UPDATE uploads SET received_at = $2, got_size = $3, got_md5 = $4, got_sha256 = $5, accepted = $6, refused = $7
		WHERE id = $1 AND received_at IS NULL`, u.id, r.now(), a.Size, a.MD5, a.SHA256, kept, refused)
	if err != nil {
		return fmt.Errorf("note the bytes of %s: %w", u.basename, err)
	}
	if n == 0 {
		return errs.New(errs.Conflict, "The bytes of this upload have arrived already.").Because("upload-unknown")
	}
	point(pointStaged)
	return nil
}

// Commit publishes a received file. The path must be the one that was staged,
// and the caller the one who staged it (errs.Invalid else); what is wrong with
// the archive comes out here. A staged upload can be committed once.
func (r *Registry) Commit(ctx context.Context, actor access.Actor, owner, pkg, version, basename, stageID string) (File, error) {
	u, err := findUpload(ctx, r.db, " WHERE u.id = $1 AND u.expires_at > $2", stageID, r.now())
	if err != nil {
		return File{}, err
	}
	if u.ownerName != strings.ToLower(owner) || u.packageName != packageName(pkg) || u.version != version || u.basename != basename ||
		u.createdBy != actor.ID {
		return File{}, errs.New(errs.Invalid, "This upload was staged for another file. Upload the file again.").Because("upload-unknown")
	}
	switch {
	case u.received == nil:
		return File{}, errs.New(errs.Invalid, "The bytes of %s have not arrived. Upload the file again.", basename).Because("upload-incomplete")
	case u.refused != nil:
		return File{}, r.refuseUpload(ctx, actor, u)
	}
	var a accepted
	if err := json.Unmarshal(u.accepted, &a); err != nil {
		return File{}, fmt.Errorf("read what %s says: %w", basename, err)
	}
	var done placed
	err = r.change(ctx, actor, "upload", func(ctx context.Context, c *change) (err error) {
		// The row goes with the same transaction: of two commits one finds it.
		if _, err := findUpload(ctx, c.tx, " WHERE u.id = $1", u.id); err != nil {
			return err
		}
		if done, err = c.place(ctx, a, u.placing); err != nil {
			return err
		}
		n, err := c.exec(ctx, "DELETE FROM uploads WHERE id = $1", u.id)
		if err == nil && n == 0 {
			err = errs.New(errs.Conflict, "This upload was committed already.")
		}
		return err
	})
	if err != nil {
		return File{}, err
	}
	return done.file, nil
}

// refuseUpload forgets a staged upload and gives what is wrong with it.
func (r *Registry) refuseUpload(ctx context.Context, actor access.Actor, u upload) error {
	var why refusal
	if err := json.Unmarshal(u.refused, &why); err != nil {
		return fmt.Errorf("read why %s was refused: %w", u.basename, err)
	}
	err := r.change(ctx, actor, "stage", func(ctx context.Context, c *change) error {
		if _, err := c.exec(ctx, "DELETE FROM uploads WHERE id = $1", u.id); err != nil {
			return fmt.Errorf("forget a refused upload: %w", err)
		}
		return c.audit(ctx, audit.Entry{
			Action: "file.refuse", OwnerID: u.ownerID, ObjectKind: "upload", ObjectID: u.id,
			ObjectName: u.ownerName + "/" + u.packageName + "/" + u.version + "/" + u.basename, After: map[string]any{"reason": why.Reason},
		})
	})
	if err != nil {
		return err
	}
	return &errs.Error{Kind: why.Kind, Message: why.Message, Head: why.Head, Reason: why.Reason, Field: why.Field, Details: why.Details}
}
